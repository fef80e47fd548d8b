"""Runs the checks that fit what is to be examined."""

from collections.abc import Collection
from typing import Any

from server.doctor.checklist import DEPLOYMENT, MACHINE
from server.doctor.examination import examine
from server.doctor.findings import Check, Finding
from server.doctor.machine import Machine
from server.doctor.remote import Deployment

SLOW = {"embeddings", "index", "model"}


async def examined(subject: Machine | Deployment, *, without: Collection[str] = ()) -> list[tuple[Check[Any], Finding]]:
    """Return what the checks of a machine, or of a deployment, find: all of them, but for those named."""
    if isinstance(subject, Deployment):
        return [found async for found in examine(DEPLOYMENT, subject)]
    return [found async for found in examine([check for check in MACHINE if check.id not in without], subject)]


def left_out(found: Collection[str]) -> set[str]:
    """Return which slow checks tell nothing about a machine that is broken so that `found` find it."""
    if "index" in found:
        return {"model"}
    return SLOW - set(found)
