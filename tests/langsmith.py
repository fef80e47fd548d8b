"""Stands in for LangSmith: keeps what is sent to it, and may refuse or be silent."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from tests.server.http import on_a_port

PROJECT = UUID(int=7)

_WHEN = "2026-11-28T00:00:00Z"


class LangSmith:
    """As much of LangSmith as traces, feedback and experiments need."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.url = ""
        self.received = b""
        """The bodies of all runs."""
        self.feedback: list[dict[str, Any]] = []
        self.dataset: dict[str, Any] = {}
        self.examples: list[dict[str, Any]] = []
        self.project: dict[str, Any] = {"id": str(PROJECT), "tenant_id": str(PROJECT), "reference_dataset_id": None}
        self.answers = asyncio.Event()
        """Cleared, it takes feedback and says nothing."""
        self.answers.set()
        self.asked = 0
        """Requests of any kind."""
        self.waiting = 0
        """Requests that it has left without an answer."""

        @self.app.middleware("http")
        async def count(request: Request, answer: Any) -> Any:
            self.asked += 1
            return await answer(request)

        self._runs()
        self._feedback()
        self._experiments()

    def _runs(self) -> None:
        @self.app.get("/info")
        async def info() -> dict[str, object]:
            return {"version": "0.15"}

        @self.app.post("/runs/{kind}")
        async def runs(kind: str, request: Request) -> dict[str, object]:
            self.received += await request.body()
            return {}

    def _feedback(self) -> None:
        @self.app.get("/sessions")
        async def projects(name: str) -> list[dict[str, Any]]:
            self.waiting += not self.answers.is_set()
            await self.answers.wait()
            return [{**self.project, "name": name, "start_time": _WHEN}]

        @self.app.post("/feedback")
        async def feedback(request: Request) -> Response:
            given = await request.json()
            if any(given["id"] == known["id"] for known in self.feedback):
                return Response(status_code=409)
            self.feedback.append(given)
            return JSONResponse({})

        @self.app.patch("/feedback/{feedback_id}")
        async def change(feedback_id: str, request: Request) -> dict[str, object]:
            self.feedback.append({"id": feedback_id, **await request.json()})
            return {}

    def _experiments(self) -> None:
        app = self.app

        @app.get("/datasets")
        async def datasets(name: str) -> list[dict[str, Any]]:
            return [self.dataset] if self.dataset.get("name") == name else []

        @app.post("/datasets")
        async def create_dataset(request: Request) -> dict[str, Any]:
            self.dataset = {"id": str(uuid4()), "created_at": _WHEN, **await request.json()}
            return self.dataset

        @app.get("/datasets/{dataset_id}")
        async def dataset(dataset_id: str) -> dict[str, Any]:
            return self.dataset

        @app.post("/examples/bulk")
        async def create_examples(request: Request) -> list[dict[str, Any]]:
            self.examples += [{"created_at": _WHEN, "modified_at": _WHEN, **one} for one in await request.json()]
            return self.examples

        @app.get("/examples")
        async def examples(offset: int = 0) -> list[dict[str, Any]]:
            return self.examples[offset:]

        @app.post("/sessions")
        async def create_project(request: Request) -> dict[str, Any]:
            self.project |= await request.json()
            return self.project

        @app.get("/sessions/{project_id}")
        async def project(project_id: str) -> dict[str, Any]:
            return self.project

        @app.patch("/sessions/{project_id}")
        async def change_project(project_id: str, request: Request) -> dict[str, Any]:
            self.project |= {name: value for name, value in (await request.json()).items() if value}
            return self.project


@pytest.fixture
async def langsmith() -> AsyncIterator[LangSmith]:
    """A LangSmith of the test's own."""
    standing_in = LangSmith()
    async with on_a_port(standing_in.app) as client:
        standing_in.url = str(client.base_url)
        yield standing_in
        standing_in.answers.set()  # a server that stops waits for what it has not answered
