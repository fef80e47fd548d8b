"""Asks a deployment as browsers do: may a page of the site read its answers, and may nobody else's?"""

import json

import httpx

from server.doctor.findings import Finding, fail, ok, skipped
from server.doctor.remote import Deployment, is_ours, said
from server.requests import BODY_LIMIT

STRANGERS = ("https://stranger.example", "null")
NEEDED = ("authorization", "content-type", "last-event-id")
EXPOSED = ("Retry-After", "Citeside-Turn-Id")
NO_ORIGIN = "Give --origin, the origin of your site, to have this looked at."
ONE_HEADER = "Let the proxy add no CORS headers of its own: Citeside sends them."


async def _preflight(deployment: Deployment, origin: str) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    asked |= {"Access-Control-Request-Headers": ",".join(NEEDED)}
    return await deployment.client.options("/chat/stream", headers=asked)


def _allowed(response: httpx.Response) -> list[str]:
    return response.headers.get_list("access-control-allow-origin", split_commas=True)


async def cors(deployment: Deployment) -> Finding:
    """Send the preflight of a question from the site."""
    origin = deployment.origin
    if not origin:
        return skipped(NO_ORIGIN)
    response = await _preflight(deployment, origin)
    allowed = _allowed(response)
    if len(allowed) > 1:
        return fail(f"The answer to a preflight allows several origins at once: {', '.join(allowed)}.", ONE_HEADER)
    if "*" in allowed:
        return fail("Every site may ask.", ONE_HEADER)
    if response.status_code >= 300 or allowed != [origin]:
        return fail(
            f"Pages of {origin} may not ask: their preflight gets {said(response)}, "
            f"which allows {allowed[0] if allowed else 'no origin'}.",
            f"Add {origin} to CITESIDE_CORS_ORIGINS and restart the server; let the proxy pass OPTIONS on.",
        )
    granted = [name.lower() for name in response.headers.get_list("access-control-allow-headers", split_commas=True)]
    if lacking := [name for name in NEEDED if name not in granted]:
        return fail(f"Pages of {origin} may not send {', '.join(lacking)}.", ONE_HEADER)
    return ok(f"Pages of {origin} may ask.")


async def strangers(deployment: Deployment) -> Finding:
    """Send the preflight from elsewhere."""
    for stranger in STRANGERS:
        allowed = _allowed(await _preflight(deployment, stranger))
        if stranger in allowed or "*" in allowed:
            return fail(
                f"Pages of {stranger} may ask too.",
                "Let the proxy neither echo the origin nor add Access-Control-Allow-Origin: Citeside sends it.",
            )
    return ok(f"Pages of {' and '.join(STRANGERS)} may not ask.")


async def exposed(deployment: Deployment) -> Finding:
    """See whether a page of the site may read an answer, and the headers it needs."""
    origin = deployment.origin
    if not origin:
        return skipped(NO_ORIGIN)
    response = await deployment.client.get("/config", headers={"Origin": origin})
    allowed = _allowed(response)
    if allowed != [origin]:
        told = ", ".join(allowed) or "no origin"
        return fail(f"A page of {origin} may not read an answer: it allows {told}.", ONE_HEADER)
    shown = [name.lower() for name in response.headers.get_list("access-control-expose-headers", split_commas=True)]
    if lacking := [name for name in EXPOSED if name.lower() not in shown]:
        return fail(f"A page may not read {', '.join(lacking)}.", ONE_HEADER)
    return ok(f"A page of the site may read {', '.join(EXPOSED)}.")


async def body_limit(deployment: Deployment) -> Finding:
    """Send a body as large as may be, which the server itself must refuse for another reason than its size."""
    frame = len(json.dumps({"user_key": ""}))
    body = json.dumps({"user_key": "x" * (BODY_LIMIT - frame)})
    headers = {"Content-Type": "application/json"}
    try:
        response = await deployment.client.post("/sessions", content=body, headers=headers)
    except httpx.TransportError as error:
        return fail(f"A body of 256 KiB breaks the connection ({type(error).__name__}).", _LARGER)
    if response.status_code == 413 or not is_ours(response):
        mend = _LARGER if response.status_code == 413 else "Read the proxy's error log."
        return fail(f"A body of 256 KiB does not reach the server: {said(response)}.", mend)
    try:
        larger = await deployment.client.post("/sessions", content=body + " " * BODY_LIMIT, headers=headers)
    except httpx.TransportError:  # refused before all of it was read
        return ok("A body of 256 KiB reaches the server, a larger one is refused.")
    if larger.status_code != 413:
        return fail(f"A body of 512 KiB is not refused: {said(larger)}.", "Report this as a bug.")
    return ok("A body of 256 KiB reaches the server, a larger one is refused.")


_LARGER = "Allow bodies of more than 256 KiB in the proxy (nginx: client_max_body_size 1m)."
