"""Says what this server can do, that it lives, and whether it can answer. None of it touches Postgres."""

from collections.abc import Iterator
from importlib.metadata import version

from fastapi import APIRouter, Response

from graph.types import Notice
from server.document import problems
from server.limits import is_admin
from server.problems import Problem, failure
from server.requests import ChatRequest
from server.routes.deps import BearerDep, ServiceDep
from server.service import Service
from server.wire import Config, Limits, Ready

router = APIRouter(tags=["server"])

FEATURES = (*ChatRequest.model_fields, "rejoin", "stop", "retry", "threads", "feedback", "search")
TRACED = Notice(code="traced", detail="Questions, the passages found and answers are sent to LangSmith.")
SCRUBBED = Notice(
    code="scrubbed", detail="What may identify you, such as an e-mail address, is replaced before a question is stored."
)


@router.get("/config")
async def config(service: ServiceDep) -> Config:
    """Tell a client what it may send, and its readers what they should know."""
    settings = service.settings
    optional = {"chatkit": settings.chatkit, "mcp": settings.mcp, "proof": service.verify is not None}
    return Config(
        version=version("citeside"),
        features=(*FEATURES, *(name for name, on in optional.items() if on)),
        limits=Limits(turns_per_minute=settings.turns_per_minute, turns_per_hour=settings.turns_per_hour),
        model=service.answerers.model_name,
        disclosures=tuple(_disclosures(service)),
        retention_days=service.settings.retention_days,
    )


def _disclosures(service: Service) -> Iterator[Notice]:
    if days := service.settings.retention_days:
        yield Notice(code="kept", detail=f"A conversation is deleted {days} days after it was continued last.")
    if service.scrub.on:
        yield SCRUBBED
    if service.settings.langsmith_tracing:
        yield TRACED


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Answer as long as the process does."""
    return {"status": "alive"}


@router.get("/readyz", responses=problems(503))
async def readyz(service: ServiceDep) -> Ready:
    """Tell whether questions can be answered: there is an index, and a model is configured.

    The schema was checked before the first request was let in, and a database that is away says so in every answer;
    asking it here would keep a suspended one awake.
    """
    manifest = await service.index.manifest()
    if manifest is None or not manifest.is_read_by(service.embedder.name):
        raise failure("index_missing")
    return Ready(passages=manifest.passages, model=service.answerers.model_name)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(service: ServiceDep, bearer: BearerDep) -> Response:
    """Tell Prometheus what this server has done, if it sends the admin token.

    Without such a token nobody is told, not even this machine: what comes through a proxy on it looks the same.
    """
    if service.settings.admin_token is None:
        raise Problem(403, "metrics_off", "Metrics are served once CITESIDE_ADMIN_TOKEN is set.")
    if bearer is None or not is_admin(bearer, service.settings):
        problem = Problem(401, "admin_token_required", "Send CITESIDE_ADMIN_TOKEN as Authorization: Bearer.")
        problem.headers = {"WWW-Authenticate": "Bearer"}
        raise problem
    return Response(await service.meters.text(service.index), media_type=service.meters.content_type)
