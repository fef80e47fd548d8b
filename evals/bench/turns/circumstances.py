"""Tells what a run was made with, so that two runs can be compared, or are seen not to be comparable."""

import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evals.bench.turns.plan import HELD_BELOW_MS, Plan

PACKAGES = (
    "citeside fastapi uvicorn uvloop httptools sse-starlette langgraph langchain-openai openai "
    "langgraph-checkpoint-postgres psycopg asyncpg"
).split()


def circumstances(plan: Plan, repeat: int, *, quick: bool) -> dict[str, Any]:
    """Return machine, versions and sizes."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count() or 1,
        "processor": _processor(),
        "load_average_before": os.getloadavg(),
        "repeat": repeat,
        "quick": quick,
        "plan": asdict(plan),
        "held_below_ms": HELD_BELOW_MS,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
