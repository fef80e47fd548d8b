"""Runs the suites: chooses cases, opens what they are put to, and keeps each result as soon as it is there."""

import asyncio
import hashlib
import json
import os
import platform
import random
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from evals import adversaries
from evals.cases import SUITES, Case, GroundedCase, InjectionCase, RetrievalCase, Suite, SupportCase, own_cases
from evals.cases.by_rule import cases_by_rule
from evals.mock_openai import mock_openai
from evals.results import Results, Row, summarise
from evals.scorers import try_case
from evals.sites import EvalSite
from evals.targets import Target, TargetAway, Worsen, in_process, over_http
from graph.errors import CitesideError
from persistence.ingest import ingest
from server.service import open_embedder_of
from server.settings import Settings

AT_ONCE = 4
"""Turns that run at the same time: enough to keep two cores busy."""

_PACKAGES = "citeside langgraph langchain-openai openai qdrant-edge-py onnxruntime ir-measures openevals".split()


class Told(Protocol):
    """Is told how far a run has come."""

    def __call__(self, done: int, total: int) -> None:
        """Take note."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run; `limit` bounds the cases of a suite."""

    suites: Sequence[Suite] = SUITES
    limit: int | None = None
    seed: int = 1
    url: str | None = None
    worsen: Worsen = field(default=lambda index: index)
    judge: str | None = None


class RunInterrupted(CitesideError):
    """The target went away; what was found until then is kept and can be resumed."""


def choose(plan: Plan, sites: Mapping[str, EvalSite]) -> list[Case]:
    """Return the cases of a run, by hand and by rule. Raises CaseInvalid."""
    chosen: list[Case] = []
    for suite in plan.suites:
        # A case by hand about a site that is not there would be a failure of the run, not of the answers.
        found = [case for case in own_cases(suite) if case.site in sites or not _needs_index(case)]
        for site in sites.values():
            found += cases_by_rule(suite, site, plan.seed)
        if plan.url:
            found = [case for case in found if _fits_a_server(case, sites)]
        found = list({case.id: case for case in found}.values())  # two tables of a page may hold the same row
        chosen += found if plan.limit is None else _spread(found, plan.limit, plan.seed)
    return chosen


def left_out(plan: Plan, sites: Mapping[str, EvalSite]) -> Mapping[str, int]:
    """Return how many cases by hand are about sites that are no part of a run, by the name of the site."""
    return Counter(
        case.site for suite in plan.suites for case in own_cases(suite) if _needs_index(case) and case.site not in sites
    )


def _needs_index(case: Case) -> bool:
    """Tell whether a case is about pages, and not about a text that comes with it."""
    return isinstance(case, RetrievalCase | GroundedCase) or (
        isinstance(case, InjectionCase) and (case.selection is None or case.behaviour is not None)
    )


def _fits_a_server(case: Case, sites: Mapping[str, EvalSite]) -> bool:
    """Tell whether a case can be put to a server, which holds one site and brings a model of its own."""
    if isinstance(case, InjectionCase) and case.behaviour:
        return False
    return not _needs_index(case) or (case.site in sites and case.site != "synthetic")


def _spread(cases: Sequence[Case], limit: int, seed: int) -> list[Case]:
    """Return `limit` cases with all rules and sites among them, the same ones for the same seed."""
    groups: dict[tuple[str, str | None], list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.site, case.rule].append(case)
    for name, group in groups.items():
        random.Random(f"{seed} {name}").shuffle(group)
    turns = [case for n in range(len(cases)) for group in groups.values() for case in group[n : n + 1]]
    return turns[:limit]


async def run(
    plan: Plan,
    settings: Settings,
    sites: Mapping[str, EvalSite],
    folder: Path,
    log: "RunLog",
    tell: Told,
) -> Results:
    """Put all cases that `log` does not know yet to their targets, and return the whole.

    `folder` takes the data of services in this process; `prepare` has indexed the sites in it. Raises RunInterrupted.
    """
    cases = choose(plan, sites)
    began, kept = time.monotonic(), len(log.rows)
    for (site, adversarial), group in _groups(cases, plan).items():
        left = [case for case in group if case.id not in log.known(case.suite)]
        if not left:
            continue
        async with _open(plan, settings, folder, site, adversarial=adversarial) as target:
            await _try_all(left, target, sites, log, lambda: tell(len(log.rows), len(cases)))
    rows = sorted(log.rows, key=lambda row: (SUITES.index(row.suite), row.site, row.case))
    about = {
        **log.header,
        "sites": sorted(sites),
        "models": sorted({row.model for row in rows if row.model and row.model != "none" and row.rule != "model"}),
        "seconds": round(time.monotonic() - began, 1),
        "kept": kept,
        "not_measured": not_measured(plan, settings),
        "cases": _counted(cases),
    }
    return summarise(about, rows, plan.suites)


def not_measured(plan: Plan, settings: Settings) -> dict[str, str]:
    """Say which metrics this run cannot have, and why."""
    told: dict[str, str] = {}
    if plan.judge is None:
        told["grounded.judged_grounded"] = "no judge was asked for (--judge MODEL)"
    elif not settings.has_model:
        told["grounded.judged_grounded"] = "a judge needs OPENAI_API_KEY or OPENAI_BASE_URL"
    if plan.url:
        told |= dict.fromkeys(
            ("injection.model_rules_kept", "injection.model_payload"), "a running server brings its own model"
        )
        told["constrained.retriever_untouched"] = "what a running server searches cannot be seen from outside"
    elif not settings.has_model:
        told["grounded.tokens"] = "no language model is configured: answers are extractive"
    return told


def _groups(cases: Iterable[Case], plan: Plan) -> dict[tuple[str | None, bool], list[Case]]:
    """Gather cases by what has to be open for them: a site's index, and an adversarial model behind it."""
    groups: dict[tuple[str | None, bool], list[Case]] = defaultdict(list)
    for case in cases:
        if isinstance(case, SupportCase):
            groups[None, False].append(case)
        elif plan.url:
            groups["", False].append(case)
        else:
            adversarial = isinstance(case, InjectionCase) and case.behaviour is not None
            groups[case.site, adversarial].append(case)
    return groups


@asynccontextmanager
async def _open(
    plan: Plan, settings: Settings, folder: Path, site: str | None, *, adversarial: bool
) -> AsyncIterator[Target | None]:
    async with AsyncExitStack() as stack:
        if site is None:
            yield None
        elif plan.url:
            yield await stack.enter_async_context(over_http(plan.url, settings.admin_token))
        else:
            own = _embedded(settings, folder / site)
            if adversarial:
                model = await stack.enter_async_context(mock_openai(adversaries.reply))
                own = own.model_copy(update={"openai_base_url": model, "openai_api_key": None, "model": "adversary"})
            yield await stack.enter_async_context(in_process(own, worsen=plan.worsen))


def _embedded(settings: Settings, data_dir: Path) -> Settings:
    """Return settings with the parts of a data folder of our own, and the model that is configured."""
    none = {"database_url": None, "qdrant_url": None, "qdrant_api_key": None, "langsmith_tracing": False}
    return settings.model_copy(update={**none, "data_dir": data_dir})


def prepare(settings: Settings, site: EvalSite, folder: Path, progress: Callable[..., None]) -> str:
    """Index a site in `folder`, and return the name of the embedding model, which is built for the first and shared."""
    data_dir, models = folder / site.name, folder / "models"
    data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    models.mkdir(mode=0o700, exist_ok=True)
    if not (data_dir / "models").exists():
        (data_dir / "models").symlink_to(models, target_is_directory=True)
    embedder = open_embedder_of(settings.model_copy(update={"data_dir": data_dir}))
    ingest(str(site.folder), data_dir=data_dir, embedder=embedder, base_url=site.base_url, progress=progress)
    return embedder.name


async def _try_all(
    cases: Sequence[Case],
    target: Target | None,
    sites: Mapping[str, EvalSite],
    log: "RunLog",
    tell: Callable[[], None],
) -> None:
    """Try cases, `AT_ONCE` of them at a time. Raises RunInterrupted once the target is away."""
    waiting = iter(cases)
    away: TargetAway | None = None

    async def worker() -> None:
        nonlocal away
        for case in waiting:
            if away:
                return
            try:
                log.add(await try_case(case, target, sites.get(case.site)))
            except TargetAway as error:
                away = error
                return
            tell()

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    if away:
        raise RunInterrupted(
            f"{away}. {len(log.rows)} results are kept in {log.file}; run the same again with --resume."
        ) from away


def _counted(cases: Iterable[Case]) -> dict[str, dict[str, int]]:
    counted: dict[str, dict[str, int]] = {}
    for case in cases:
        of_suite = counted.setdefault(case.suite, {"by hand": 0, "by rule": 0})
        of_suite["by rule" if case.rule else "by hand"] += 1
    return counted


class RunLog:
    """The file a run writes as it goes: a line that says which run it is, then a row each line."""

    def __init__(self, file: Path, header: Mapping[str, Any], rows: Iterable[Row] = ()) -> None:
        """Continue with `rows`; use `open_log`, which reads them."""
        self.file = file
        self.header = header
        self.rows = list(rows)

    def known(self, suite: Suite) -> set[str]:
        """Return the cases of a suite that have a row."""
        return {row.case for row in self.rows if row.suite == suite}

    def add(self, row: Row) -> None:
        """Keep a row, on the disk too."""
        self.rows.append(row)
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(row.model_dump_json() + "\n")


def make_folder(folder: Path) -> None:
    """Make the folder of the results. Raises CitesideError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CitesideError(
            f"The results cannot be kept in {folder}: {error.strerror}. Name a folder by --out."
        ) from error


def open_log(folder: Path, header: Mapping[str, Any], *, resume: bool) -> RunLog:
    """Begin the log of a run, or with `resume` go on with that of the same run. Raises CitesideError.

    The log of the run before is kept as run.before.jsonl: it may be one that was interrupted after hours.
    """
    make_folder(folder)
    file = folder / "run.jsonl"
    if not resume:
        if file.exists():
            file.replace(folder / "run.before.jsonl")
        file.write_text(json.dumps(header) + "\n", encoding="utf-8")
        return RunLog(file, header)
    try:
        first, *lines = file.read_text(encoding="utf-8").split("\n")  # other line ends may stand in a text
        before = json.loads(first)
        if not isinstance(before, dict):
            raise ValueError("its first line does not say which run it is")
        complete = [line for line in lines if line.endswith("}")]  # a run that was killed may have cut its last line
        rows = [Row.model_validate_json(line) for line in complete]
    except (OSError, ValueError, ValidationError) as error:
        raise CitesideError(f"There is no run to resume in {folder}: {error}") from error
    changed = [
        name
        for name in ("digest", "revision", "url", "prompts", "model", "embedding_model", "versions")
        if before.get(name) != header.get(name)
    ]
    if changed:
        raise CitesideError(f"The run in {folder} was another one: {', '.join(changed)} differ. Run without --resume.")
    file.write_text("\n".join([first, *complete]) + "\n", encoding="utf-8")
    return RunLog(file, before, rows)


def header_of(plan: Plan, cases: Iterable[Case], settings: Settings) -> dict[str, Any]:
    """Return what a run was made with, so that two runs can be compared, or are seen not to be comparable."""
    digest = hashlib.sha256("\n".join(case.model_dump_json() for case in cases).encode()).hexdigest()
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "digest": digest[:16],
        "seed": plan.seed,
        "limit": plan.limit,
        "suites": list(plan.suites),
        "url": plan.url,
        "revision": revision(),
        "prompts": prompt_hash(),
        "model": settings.model if settings.has_model else None,
        "embedding_model": settings.embedding_model,
        "judge": plan.judge,
        "cores": os.cpu_count() or 1,
        "load_average": round(os.getloadavg()[0], 1),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
    }


def revision() -> str:
    """Return the git revision of this checkout, with `+` when files differ from it; "unknown" outside of one."""
    root = Path(__file__).parents[1]
    try:
        words = ["git", "-C", str(root)]
        head = subprocess.run([*words, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        status = subprocess.run([*words, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if status.stdout.strip() else "")


def prompt_hash() -> str:
    """Return a hash of all that a model is told beside the reader's own words."""
    import graph.prompts

    assert graph.prompts.__file__
    return hashlib.sha256(Path(graph.prompts.__file__).read_bytes()).hexdigest()[:12]
