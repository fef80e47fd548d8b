"""Measures the panel in Chromium, the median of five runs: `python -m tests.browser.speed`.

How long it takes from the click on the launcher until a reader can type, and which tasks of the page last over 50 ms
(the Performance API's long tasks) while an answer of 10,000 characters streams in.
"""

import sys
from statistics import median
from typing import Any

from tests.browser.__main__ import ready
from tests.browser.panel import Panel
from tests.browser.stack import Stack, open_stack

RUNS = 5
LENGTH = 10_000
PIECE = 5
"""Characters, about a token."""
PACE = 0.005
BLOCK = """\
## How it goes

A session expires **30 days** after it was last seen. [[30 days after it was last seen]] Using the `session` renews it.

- `expires_at` is `last_seen_at` plus 30 days
- the token is shown *once*

```js
const days = 30;
export const expires = (seen) => seen + days * 86_400_000;
```

| Field | Meaning |
| --- | --- |
| `user_key` | Your own name for the reader. |

"""

_WATCH = """
window.lasting = [];
new PerformanceObserver((list) => lasting.push(...list.getEntries().map((task) => task.duration)))
  .observe({type: 'longtask'});
addEventListener('click', () => { window.clicked ??= performance.now(); }, true);
addEventListener('focusin', (event) => {
  if (event.target.matches('textarea')) requestAnimationFrame(() => { window.typing ??= performance.now(); });
}, true);
"""


def main() -> int:
    """Measure and print."""
    if not ready():
        return 1
    with open_stack() as stack:
        runs = [_run(stack) for _ in range(RUNS)]
    print(f"\nrun   typing ms   answer s   long tasks: number, longest ms   ({LENGTH:,} characters)")
    for number, run in enumerate(runs, 1):
        print(f"{number:>3}{run['typing']:>12.0f}{run['seconds']:>11.1f}{run['tasks']:>13}{run['longest']:>13.0f}")
    middle = {name: median(run[name] for run in runs) for name in runs[0]}
    print(f"med{middle['typing']:>12.0f}{middle['seconds']:>11.1f}{middle['tasks']:>13.0f}{middle['longest']:>13.0f}")
    return 0


def _run(stack: Stack) -> dict[str, Any]:
    text = (BLOCK * (LENGTH // len(BLOCK) + 1))[:LENGTH].rpartition("\n")[0] + "\n\nThat was all."
    pieces = [part for block in text.split("[[") for part in _cut(block)]
    stack.model.says(*pieces, pace=PACE)
    context = stack.browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.add_init_script(_WATCH)
    panel = Panel(page, stack)
    panel.visit("docs/api/sessions/")
    page.wait_for_load_state("networkidle")
    panel.launcher.click()
    typing = page.wait_for_function("window.typing && window.typing - window.clicked").json_value()
    page.evaluate("lasting.length = 0")
    began = page.evaluate("performance.now()")
    panel.ask("How long does a session last?")
    page.wait_for_function(
        "() => [...document.querySelectorAll('[aria-label=Answer]')].at(-1)?.textContent.includes('That was all.')",
        polling=250,
        timeout=120_000,
    )
    ended = page.evaluate("performance.now()")
    lasting = page.evaluate("lasting")
    context.close()
    return {
        "typing": typing,
        "seconds": (ended - began) / 1000,
        "tasks": len(lasting),
        "longest": max(lasting, default=0.0),
    }


def _cut(block: str) -> list[str]:
    """Cut into pieces; a citation, whose marker is chosen when it is said, stays in one."""
    cited, closing, rest = block.rpartition("]]")
    head = [f"[[{cited}]]"] if closing else []
    return head + [rest[at : at + PIECE] for at in range(0, len(rest), PIECE)]


if __name__ == "__main__":
    sys.exit(main())
