"""Asks a real question through whatever stands before a server, and looks at how its answer arrives."""

import re
from datetime import datetime

from server.doctor.findings import Finding, fail, ok, skipped, warn
from server.doctor.remote import Deployment, said
from server.doctor.watch import Watched, watch

QUESTION = "What does the check do?"
SELECTION = (
    "The check opens a session. The check asks this question about a text that it brings along. "
    "The check reads the answer while it is written. The check connects once more in the middle of the answer. "
    "The check compares both texts, letter by letter. In the end the check erases all that it made."
)
"""Asked about in a turn on selected text: that reaches the model whatever the docs are about."""

LONG_ENOUGH = 0.4
"""Seconds that an answer must take for its timing to tell anything."""
PING_WITHIN = 20.0
"""Seconds; a ping is sent after 15 of silence."""
BUFFERED = "Turn buffering of responses off in the proxy or CDN for this path (nginx: proxy_buffering off)."


async def session(deployment: Deployment) -> Finding:
    """Get a session as a page would."""
    headers, token = deployment.headers, deployment.settings.admin_token
    if "proof" in deployment.config["features"]:
        if token is None or not (deployment.is_here or deployment.url.startswith("https:")):
            return skipped(
                "Sessions are given to those who prove that they are no robot, as a doctor cannot. Set "
                "CITESIDE_ADMIN_TOKEN here as it is there, and give an https address, to have the rest looked at."
            )
        headers = headers | {"Citeside-Admin-Token": token.get_secret_value()}
    response = await deployment.client.post("/sessions", json={}, headers=headers)
    if response.status_code == 201:
        deployment.token = response.json()["token"]
        return ok("A session is given out.")
    if "origin_refused" in response.text:
        return skipped("Not looked at: see cors.")
    if "admin_refused" in response.text:
        mend = "Set CITESIDE_ADMIN_TOKEN here as it is on the server."
    elif response.status_code == 429:
        mend = "Wait: this address has made many sessions, or all readers behind your proxy count as one (see proxies)."
    elif response.status_code >= 500:
        mend = "Read the server's log; run `citeside doctor` on its machine to see whether the database answers."
    else:
        mend = "Let the proxy pass POST on, and the Origin as it is."
    return fail(f"No session is given out: {said(response)}.", mend)


async def search(deployment: Deployment) -> Finding:
    """Search the docs."""
    response = await deployment.client.get("/search", params={"q": "Getting started"}, headers=deployment.headers)
    if response.status_code != 200:
        return fail(f"A search gets {said(response)}.", "Read the server's log for what its index answers.")
    if not (found := response.json()["data"]):
        return warn("A search for getting started finds nothing.", "See that the site was ingested as a whole.")
    return ok(f"A search finds passages, such as {found[0]['url']}.")


async def stream(deployment: Deployment) -> Finding:
    """Ask, and see whether the whole answer comes as an event stream."""
    deployment.watched = watched = await watch(deployment, {"message": QUESTION, "selected_text": SELECTION})
    seen = watched.stream
    if seen.status != 200:
        code = _code(seen.body)
        mend = "Run `citeside resume` on the server." if "paused" in code else "Read the server's log for why."
        return fail(f"A question gets status {seen.status or seen.broken}{code}.", mend)
    if not seen.headers.get("content-type", "").startswith("text/event-stream"):
        return fail(
            f"The stream is sent as {seen.headers.get('content-type', 'nothing')}.", "Let the proxy keep Content-Type."
        )
    if not (ends := seen.of("end")):
        return fail(
            f"The stream broke off after {seen.ended:.1f} s, before its end.",
            "Raise the timeouts of the proxy (nginx: proxy_read_timeout 75s) and of the CDN before it.",
        )
    end, told = ends[0].data, seen.of("message")
    if end["status"] != "completed":
        return fail(f"The answer ended as {end['status']} ({end.get('code')}).", "Read the server's log for this turn.")
    if not told or told[0].data["content"] != seen.text or len(seen.text) != end["length"]:
        return fail("The text that was streamed is not the text that was stored.", "Report this as a bug.")
    model = told[0].data["model"]
    if any(notice["code"] == "model_unavailable" for notice in told[0].data["notices"]):
        return warn("The answer came without the model, which cannot be reached.", "See model on the server's machine.")
    if encoding := seen.headers.get("content-encoding"):
        return warn(
            f"The stream is compressed ({encoding}), and many a compressor collects it before it is sent.",
            "Leave text/event-stream out of what the proxy or CDN compresses.",
        )
    return ok(f"An answer of {end['length']} characters by {model} came whole, and not compressed.")


def _code(body: bytes) -> str:
    """Return the code of a problem, of which only the beginning may have been kept."""
    found = re.search(rb'"code":"(\w+)"', body)
    return f" {found[1].decode()}" if found else ""


async def pace(deployment: Deployment) -> Finding:
    """Compare how long the answer took on the server with the time over which it arrived."""
    watched = _watched(deployment)
    took = _seconds(watched)
    first, last = watched.stream.of("turn")[0].at, watched.stream.of("end")[0].at
    spread = last - first
    if took < LONG_ENOUGH:
        return skipped(
            f"Not seen: the answer took {took:.2f} s, too short to tell whether something buffers it. "
            "Answers without a model come at once."
        )
    if spread < took / 2:
        return fail(
            f"The answer took {took:.1f} s, but arrived within {spread:.2f} s: something collects the stream.",
            BUFFERED,
        )
    reads = len({round(at, 1) for at in watched.stream.reads})
    return ok(
        f"First event after {first:.2f} s, the others over {spread:.1f} s in {reads} steps, as the answer was written."
    )


def _seconds(watched: Watched) -> float:
    """Return how long the turn took by the database's clock."""
    begun, ended = watched.state.get("created_at"), watched.state.get("finished_at")
    if not begun or not ended:
        return 0.0
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()


async def ping(deployment: Deployment) -> Finding:
    """Look for the comment that keeps a silent stream open; only a silence of the model can show it."""
    streams = [stream for stream in (_watched(deployment).stream, _watched(deployment).rejoined) if stream]
    if any(seen.name == "" and seen.data == "ping" for stream in streams for seen in stream.events):
        return ok("A silent stream is kept open by pings.")
    silence = max(stream.silence for stream in streams)
    if silence > PING_WITHIN:
        return fail(f"Nothing came for {silence:.0f} s, though a ping is sent after 15 s.", BUFFERED)
    return skipped(f"Not seen: the longest silence of the answer was {silence:.1f} s, and a ping is sent after 15 s.")


async def resume(deployment: Deployment) -> Finding:
    """Compare what a second connection got that began in the middle."""
    watched = _watched(deployment)
    whole, again = watched.stream.text, watched.rejoined
    if again is None:
        return skipped("The answer has no text.")
    if again.status != 200:
        return fail(
            f"A connection that rejoins gets status {again.status or again.broken}{_code(again.body)}.", _REJOINING
        )
    opened = again.of("turn")
    if not opened or opened[0].id != watched.cut:
        return fail(
            f"A reader who rejoins behind {watched.cut} begins at {opened[0].id if opened else 'nothing'}: "
            "Last-Event-ID does not reach the server.",
            _REJOINING,
        )
    offset = int(watched.cut.partition(":")[2])
    if not again.of("end"):
        return fail(f"The stream of a reader who rejoins broke off after {again.ended:.1f} s.", _REJOINING)
    if again.text != whole[offset:]:
        return fail("A reader who rejoins gets another text.", "Let no cache stand before /turns.")
    return ok(f"A reader cut off behind {offset} of {len(whole)} characters got exactly the rest.")


_REJOINING = "Let the proxy pass the header Last-Event-ID on, and the paths below /turns uncached."


async def erased(deployment: Deployment) -> Finding:
    """Erase the session, and see that its token is worth nothing."""
    response = await deployment.client.delete("/sessions/me", headers=deployment.headers)
    if response.status_code != 204:
        return fail(
            f"The session of this check could not be erased: {said(response)}.", "Let the proxy pass DELETE on."
        )
    after = await deployment.client.get("/threads", headers=deployment.headers)
    if after.status_code != 401:
        return fail(f"An erased session still gets {said(after)}.", "Let no cache stand before the server.")
    return ok("What this check made is erased.")


def _watched(deployment: Deployment) -> Watched:
    assert deployment.watched, "these checks need the one that reads a turn"
    return deployment.watched
