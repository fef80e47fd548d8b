"""Tells a run: as text for the terminal, and as one HTML file that holds everything and fetches nothing.

Questions, pages and answers are untrusted: all of it is escaped, and what the script fills in is set as text.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from evals.cases import SUITES
from evals.compare import Compared, Difference
from evals.gate import Judged
from evals.results import Measured, Results, Row

_HERE = Path(__file__).parent
_STYLE, _SCRIPT = _HERE / "report.css", _HERE / "report.js"


def aligned(table: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Return columns as wide as their widest cell, the first `left` of them to the left."""
    widths = [max(len(row[n]) for row in table) for n in range(len(table[0]))]
    lines = (
        "  ".join(c.ljust(w) if n < left else c.rjust(w) for n, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in table
    )
    return "\n".join(line.rstrip() for line in lines)


def figure(measured: Measured) -> str:
    """Return a value as it is written."""
    return "not measured" if measured.value is None else _written(measured.value, measured.unit)


def interval(measured: Measured) -> str:
    """Return a 95 % interval as it is written."""
    if measured.low is None or measured.high is None:
        return ""
    return f"{_written(measured.low, measured.unit)} to {_written(measured.high, measured.unit)}"


def _written(value: float, unit: str) -> str:
    if unit == "ms":
        return f"{value:.1f} ms" if value >= 1 else f"{value:.3f} ms"
    return f"{value:.3f}" if value <= 1 else f"{value:,.0f}"


def as_text(results: Results, judged: Sequence[Judged]) -> str:
    """Return all metrics, and how many cases failed."""
    gates = {one.metric: one for one in judged}
    table = [["metric", "measured", "95 % interval", "cases", "gate", ""]]
    for measured in results.measured:
        gate = gates.get(measured.name)
        table.append(
            [
                measured.name,
                figure(measured),
                interval(measured),
                str(measured.cases or ""),
                str(gate.bound) if gate else "",
                ("ok" if gate.passed else "MISSED") if gate else "",
            ]
        )
    lines = [aligned(table), "", circumstances(results)]
    lines += [f"not measured: {m.name}: {m.why_not}" for m in results.measured if m.value is None]
    return "\n".join(lines)


def circumstances(results: Results) -> str:
    """Return with what and on what a run was made, in sentences."""
    about = results.about
    failed = sum(bool(row.failed) for row in results.rows)
    model = ", ".join(about["models"]) or "none"
    cost = f" Cost: {about['cost']} USD." if about.get("cost") is not None else " Cost: not measured."
    found_by = f" Searched with: {about['embedding_model']}." if about.get("embedding_model") else ""
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    limit = f", at most {about['limit']} cases a suite" if about["limit"] else ""
    resumed = f"the last {len(results.rows) - about['kept']} of them " if about.get("kept") else ""
    fell_back = (
        f" {results.fell_back} answers were made without the model, which was away." if results.fell_back else ""
    )
    judge = f" Judge: {about['judge']}." if about.get("judge") else ""
    return (
        f"{len(results.rows)} cases, {failed} with a remark, {resumed}in {about['seconds']:.0f} s on "
        f"{about['cores']} cores (load average {about['load_average']}). Answered by: {model}.{fell_back}{found_by}"
        f"{judge}{cost} Seed {about['seed']}{limit}, revision {about['revision']}, prompts {about['prompts']}, "
        f"{about['at']}. {versions}."
    )


def differences_as_text(found: Sequence[Difference]) -> str:
    """Return how a run differs from another on the same cases."""
    return aligned(_differences(found))


def _differences(found: Sequence[Difference]) -> list[list[str]]:
    table = [["metric", "before", "after", "cases", "better", "worse", "difference", "how sure", ""]]
    for d in found:
        shown = [d.metric, f"{d.before:.3f}", f"{d.after:.3f}", str(d.cases), str(d.better), str(d.worse)]
        sure = "" if d.p is None else f"p = {d.p:.3f}"
        table.append([*shown, f"{d.low:+.3f} to {d.high:+.3f}", sure, d.verdict])
    return table


def as_html(results: Results, judged: Sequence[Judged], compared: Compared | None = None) -> str:
    """Return the whole report as one page."""
    texts: dict[str, int] = {}
    cases = "\n".join(_case(row, texts) for row in results.rows)
    missed = [one for one in judged if not one.passed]
    verdict = f"{len(missed)} of {len(judged)} bounds missed" if missed else f"all {len(judged)} bounds reached"
    rules = sorted({f"{row.suite}: {row.rule or 'by hand'}" for row in results.rows})
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Citeside evaluation, {escape(results.about["at"][:10])}</title><style>{_STYLE.read_text()}</style></head><body>
<header><h1>Citeside evaluation</h1>
<p class="verdict {"bad" if missed else "good"}">{verdict if judged else "no gate was looked at"}</p>
<p>{escape(circumstances(results))}</p></header>
<main><section><h2>Metrics</h2>{_metrics(results, judged)}</section>
{_compared(compared) if compared else ""}
<section><h2>Plots</h2><div class="plots">{_plots(results)}</div></section>
<section><h2>Cases</h2><form id="filter"><label>Suite <select name="suite"><option value="">all</option>
{"".join(f"<option>{suite}</option>" for suite in dict.fromkeys(row.suite for row in results.rows))}</select></label>
<label>Made by <select name="rule"><option value="">all</option>
{"".join(f"<option>{escape(rule)}</option>" for rule in rules)}</select></label>
<label><input type="checkbox" name="failed" checked> only with a remark</label>
<label>Words <input type="search" name="words"></label> <output></output></form>
<div id="cases">{cases}</div></section></main>
<script type="application/json" id="texts">{_json(list(texts))}</script><script>{_SCRIPT.read_text()}</script>
</body></html>
"""  # noqa: E501 - one line of the page


def _json(value: object) -> str:
    """Return JSON that cannot end the script element it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _metrics(results: Results, judged: Sequence[Judged]) -> str:
    gates = {one.metric: one for one in judged}
    rows: list[str] = []
    for suite in SUITES:
        measured = [m for m in results.measured if m.suite == suite]
        if measured:
            counted = results.about["cases"].get(suite, {})
            told = ", ".join(f"{number} {how}" for how, number in counted.items())
            rows.append(f'<tr class="suite"><th colspan="5">{suite} <small>{told}</small></th></tr>')
        for m in measured:
            gate = gates.get(m.name)
            mark = "" if gate is None else "good" if gate.passed else "bad"
            told = figure(m) if m.value is not None else f"not measured: {m.why_not}"
            rows.append(
                f'<tr class="{mark}"><th scope="row">{m.metric}<small>{escape(m.text)}</small></th>'
                f"<td>{escape(told)}</td><td>{interval(m)}</td>"
                f"<td>{gate.bound if gate else ''}{f' {chr(10003)}' if mark == 'good' else ' missed' if mark else ''}"
                f"</td><td>{m.cases or ''}</td></tr>"
            )
    head = "<tr><th>metric</th><th>value</th><th>95 % interval</th><th>gate</th><th>n</th></tr>"
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'


def _compared(compared: Compared) -> str:
    head, *rows = _differences(compared.differences)
    marks = {"better": "good", "worse": "bad"}
    told = "".join(
        f'<tr class="{marks.get(row[-1], "")}"><th scope="row">{row[0]}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    names = "".join(f"<th>{name}</th>" for name in head)
    return (
        f"<section><h2>Compared with a run before</h2><p>{escape(compared.told)}</p>"
        f'<div class="wide"><table><thead><tr>{names}</tr></thead><tbody>{told}</tbody></table></div></section>'
    )


def _plots(results: Results) -> str:
    parts = [_intervals(suite, [m for m in results.measured if m.suite == suite]) for suite in SUITES]
    for name, title in (("total_ms", "Time of a grounded turn, ms"), ("search_ms", "Time of a search, ms")):
        parts.append(_histogram(title, {"": [row.scores[name] for row in results.rows if name in row.scores]}))
    support = [row for row in results.rows if row.suite == "support"]
    labelled = {
        "supported": [row.scores["support"] for row in support if row.scores["label"] == 1],
        "not supported": [row.scores["support"] for row in support if row.scores["label"] == 0],
    }
    parts.append(_histogram("Score of the support scorer", labelled))
    return "".join(part for part in parts if part)


_WIDTH, _LINE = 420, 22


def _intervals(suite: str, found: Iterable[Measured]) -> str:
    """Draw shares with their intervals: a dot is the value, a line its uncertainty."""
    shares = [m for m in found if m.value is not None and not m.unit and m.metric != "tokens"]
    if not shares:
        return ""
    left, right = 170, _WIDTH - 20

    def x(value: float) -> float:
        return left + (right - left) * min(1.0, max(0.0, value))

    drawn = [
        f'<line class="axis" x1="{x(at)}" x2="{x(at)}" y1="4" y2="{len(shares) * _LINE + 8}"/>'
        f'<text class="tick" x="{x(at)}" y="{len(shares) * _LINE + 22}">{at:g}</text>'
        for at in (0, 0.5, 1)
    ]
    for n, m in enumerate(shares):
        y = n * _LINE + 16
        low, value, high = m.low or 0, m.value or 0, m.high or 0
        drawn.append(
            f'<text x="{left - 8}" y="{y + 4}" class="name">{m.metric}</text>'
            f'<line class="range" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y}" y2="{y}"/>'
            f'<circle cx="{x(value):.1f}" cy="{y}" r="4"><title>{figure(m)} ({interval(m)})</title></circle>'
        )
    return _figure(suite, f"Shares of the suite {suite} with 95 % intervals", len(shares) * _LINE + 30, drawn)


def _histogram(title: str, series: Mapping[str, Sequence[float]]) -> str:
    """Draw how often values occur, in twenty bins up to the 99th percentile; what lies beyond is in the last."""
    values = sorted(value for found in series.values() for value in found)
    if not values:
        return ""
    top = max(values[min(len(values) - 1, int(len(values) * 0.99))], 1e-9)
    counts = {
        name: Counter(min(19, int(value / top * 20)) for value in found) for name, found in series.items() if found
    }
    tallest = max(max(found.values()) for found in counts.values())
    left, bottom, width = 30, 140, (_WIDTH - 50) / 20
    drawn: list[str] = []
    for n, (name, found) in enumerate(counts.items()):
        each = width / len(counts)
        for bin_, count in found.items():
            height = 120 * count / tallest
            drawn.append(
                f'<rect class="series{n}" x="{left + bin_ * width + n * each:.1f}" y="{bottom - height:.1f}" '
                f'width="{each - 1:.1f}" height="{height:.1f}"><title>{name} {count}</title></rect>'
            )
        if name:
            drawn.append(f'<text x="{left + n * 130}" y="{bottom + 34}" class="series{n}">{name}</text>')
    drawn += [
        f'<text class="tick" x="{left + 20 * width * at}" y="{bottom + 15}">{_tick(top * at)}</text>'
        for at in (0, 0.5, 1)
    ]
    return _figure(title, title, bottom + 40, drawn)


def _tick(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _figure(title: str, told: str, height: float, drawn: Iterable[str]) -> str:
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(told)}">{"".join(drawn)}</svg></figure>'
    )


def _case(row: Row, texts: dict[str, int]) -> str:
    """Return a case; texts of passages are kept once for all, and shown when the case is opened."""
    parts: list[str] = []
    if row.failed:
        parts.append(f'<ul class="remarks">{"".join(f"<li>{escape(why)}</li>" for why in row.failed)}</ul>')
    for said in row.earlier:
        parts.append(f"<p><b>Asked before</b> {escape(said)}</p>")
    label = "Sentence" if row.suite == "support" else "Question"
    parts.append(f"<p><b>{label}</b> {escape(row.question)}</p>")
    if row.selection is not None:
        parts.append(f"<p><b>{'Evidence' if row.suite == 'support' else 'Selection'}</b></p>{_block(row.selection)}")
    parts.append(f"<p><b>Expected</b> {escape(row.expected)}</p>")
    if row.answer:
        verdict = " ".join(filter(None, (row.outcome, row.verdict, row.model)))
        parts.append(f"<p><b>Answer</b> <small>{escape(verdict)}</small></p><pre>{_marked(row)}</pre>")
    for said in row.missing:
        parts.append(f"<p><b>Would help</b> {escape(said)}</p>")
    for citation in row.citations:
        parts.append(f"<p><b>[{citation.marker}]</b> {escape(citation.path)} <q>{escape(citation.quote)}</q></p>")
    if row.passages:
        listed = "".join(
            f'<li data-text="{texts.setdefault(p.text, len(texts))}"><b>{escape(p.path)}</b> {escape(p.heading)}'
            f"{'' if p.score is None else f' <small>{p.score:.3f}</small>'}</li>"
            for p in row.passages
        )
        parts.append(f"<p><b>Passages</b></p><ol>{listed}</ol>")
    scores = ", ".join(f"{name} {value:.3g}" for name, value in row.scores.items())
    parts.append(f"<p><small>{escape(scores)}</small></p>")
    rule = f"{row.suite}: {row.rule or 'by hand'}"
    return (
        f'<details class="{"bad" if row.failed else "good"}" data-suite="{row.suite}" data-rule="{escape(rule)}">'
        f"<summary><span>{escape(rule)}</span> {escape(row.question[:160])}</summary>{''.join(parts)}"
        f'<p class="id">{escape(row.case)}</p></details>'
    )


def _block(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"


def _marked(row: Row) -> str:
    """Return an answer with its markers and the sentences that are marked as unsupported."""
    opens = {span.start for span in row.unsupported}
    closes = {span.end for span in row.unsupported}
    markers = {c.at: c for c in row.citations}
    out: list[str] = []
    at = 0
    while at <= len(row.answer):
        out.append("</mark>" if at in closes else "")
        if at == len(row.answer):
            break
        out.append("<mark>" if at in opens else "")
        if citation := markers.get(at):
            written = f"[{citation.marker}]"
            out.append(f'<cite title="{escape(citation.quote)}">{written}</cite>')
            at += len(written)
        else:
            out.append(escape(row.answer[at]))
            at += 1
    return "".join(out)
