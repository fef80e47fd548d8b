"""This application as it is served, but for its search: that is set apart by a passage that is always found."""

from functools import partial

from evals.bench.turns.targets.worker import serve
from graph.types import Passage, Scope
from server.app import create_app
from server.service import open_service
from server.settings import load_settings

PASSAGE = Passage(
    id="0d2c1f66-0000-5000-8000-000000000001",
    url="http://localhost/docs/sessions/#expiry",
    path="docs/sessions/#expiry",
    title="Sessions",
    heading="Expiry",
    text="A session expires 30 days after it was last seen.",
    score=0.9,
    coverage=1.0,
)


class KnownPassage:
    """Finds the same passage for every question."""

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Return the passage."""
        return [PASSAGE]


if __name__ == "__main__":
    serve(create_app(load_settings(env_file=None), opening=partial(open_service, retriever=KnownPassage())))
