"""Runs the checks that fit what is to be examined."""

from typing import Any

from server.doctor.checklist import DEPLOYMENT, MACHINE
from server.doctor.examination import examine
from server.doctor.findings import Check, Finding
from server.doctor.machine import Machine
from server.doctor.remote import Deployment


async def examined(subject: Machine | Deployment) -> list[tuple[Check[Any], Finding]]:
    """Return what all checks of a machine, or of a deployment, find."""
    checks = examine(MACHINE, subject) if isinstance(subject, Machine) else examine(DEPLOYMENT, subject)
    return [found async for found in checks]
