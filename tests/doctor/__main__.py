"""Shows what the doctor says of a good deployment and of each broken one: `python -m tests.doctor`.

Words behind it choose the broken ones whose names hold one of them. nginx stands in front of the good one
where it is installed.
"""

import asyncio
import shutil
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from persistence.embedded_postgres import open_embedded_postgres
from server.doctor import report
from server.doctor.machine import Machine
from server.doctor.remote import Deployment, open_deployment
from tests.doctor import nginx
from tests.doctor.broken import BROKEN
from tests.doctor.examined import examined
from tests.doctor.standing import ORIGIN, standing
from tests.nginx import binary
from tests.postgres_fixtures import create_database


async def show(names: list[str]) -> None:
    """Put up the good deployment, break it in each way, and print the reports."""
    folder = Path(tempfile.mkdtemp(prefix="citeside-doctor-"))
    folder.chmod(0o711)
    try:
        async with open_embedded_postgres(folder / "postgres") as server:
            url = await create_database(server.url)
            async with standing(folder, server.url, url) as good:
                print("== a good deployment")
                await _tell(Machine(good.settings, folder=good.folder), whole=True)
                with nginx.in_front(good.url) if binary() else nullcontext(good.url) as address:
                    print(f"\nThe server at {address}{', nginx before it' if binary() else ''}")
                    async with open_deployment(address, ORIGIN, good.settings) as deployment:
                        await _tell(deployment, whole=True)
                for broken in BROKEN:
                    if not names or any(name in broken.name for name in names):
                        print(f"\n== {broken.name}")
                        async with broken.subject(good) as subject:
                            await _tell(subject, whole=False)
    finally:
        shutil.rmtree(folder)


async def _tell(subject: Machine | Deployment, *, whole: bool) -> None:
    found = await examined(subject)
    for check, finding in found:
        if whole or finding.outcome in ("warn", "fail"):
            print(*report.lines(check, finding, coloured=False), sep="\n")
    print(report.summary([finding for _, finding in found]))


if __name__ == "__main__":
    asyncio.run(show(sys.argv[1:]))
