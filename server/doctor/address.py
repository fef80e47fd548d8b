"""Looks at a deployment from outside, without a session: its certificate, its health, its version, its clock."""

import asyncio
import ssl
import time
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from urllib.parse import urlsplit

import httpx

from server.doctor.findings import Finding, counted, fail, ok, skipped, warn
from server.doctor.remote import Deployment, said

DAYS_WARNED, DAYS_FAILED = 14, 3
"""Renewals of 90-day certificates are due a month before their end, so a later one has failed."""
SKEW = 30.0
"""Seconds; the header has whole ones."""


async def tls(deployment: Deployment) -> Finding:
    """Shake hands, verify the certificate, and look at its end."""
    parts = urlsplit(deployment.url)
    if parts.scheme == "http":
        if deployment.is_here:
            return skipped("Asked on this machine, without TLS. Give the public URL to have the certificate looked at.")
        return fail(
            "The address is http: tokens and questions cross the network in plain text, and browsers keep pages on "
            "https from it.",
            "Put a reverse proxy with a certificate before the server, and give its https address.",
        )
    try:
        context = ssl.create_default_context()
        _, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=context)
    except ssl.SSLCertVerificationError as error:
        return fail(
            f"The certificate is not valid: {error.verify_message}",
            "Renew it for this host name, and serve it with the intermediate certificates.",
        )
    except (OSError, ssl.SSLError) as error:
        return fail(f"No TLS connection is made: {error}", "See that host and port are right, and that they speak TLS.")
    certificate = writer.get_extra_info("peercert")
    writer.close()
    days = (ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / 86_400
    told = f"The certificate ends in {days:.0f} days."
    mend = "Renew it, and see why that is not done by itself."
    if days < DAYS_FAILED:
        return fail(told, mend)
    return warn(told, mend) if days < DAYS_WARNED else ok(f"It is valid for this host. {told}")


async def http2(deployment: Deployment) -> Finding:
    """See whether HTTP/2 is offered: with HTTP/1.1 a browser holds six streams for all tabs of a site."""
    if urlsplit(deployment.url).scheme == "http":
        return skipped("HTTP/2 needs https.")
    response = await deployment.client.get("/healthz")
    if response.http_version == "HTTP/2":
        return ok("HTTP/2 is offered.")
    return warn("Only HTTP/1.1 is offered: the seventh open tab of a reader waits.", "Turn HTTP/2 on in the proxy.")


async def alive(deployment: Deployment) -> Finding:
    """Ask for /healthz."""
    try:
        response = await deployment.client.get("/healthz")
    except httpx.TransportError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return skipped("Not looked at: see tls.")
        return fail(
            f"{deployment.url} cannot be reached: {error or type(error).__name__}",
            "See that the server runs, that the proxy passes to it, and that the name resolves to the proxy.",
        )
    if response.is_redirect:
        return fail(
            f"The address leads on to {response.headers.get('location', 'nowhere')}.",
            "Give the address that answers itself: browsers do not follow a redirect of a preflight.",
        )
    if response.status_code != 200 or response.text != '{"status":"alive"}':
        return fail(
            f"What answers at {deployment.url}/healthz is not Citeside ({said(response)}).",
            "Let the proxy pass the path as it is, or add the prefix to the URL.",
        )
    return ok("/healthz answers.")


async def ready(deployment: Deployment) -> Finding:
    """Ask for /readyz."""
    response = await deployment.client.get("/readyz")
    if response.status_code == 200:
        told = response.json()
        return ok(f"It answers from {counted(told['passages'], 'passage')} with {told['model']}.")
    if "index_missing" in response.text:
        return fail(
            "There is no index that this server can read.",
            "Run `citeside ingest` there, with the embedding model that the server has.",
        )
    return fail(f"/readyz says {said(response)}.", "Read the server's log, and run `citeside doctor` on its machine.")


async def config(deployment: Deployment) -> Finding:
    """Compare what it says of itself with this machine."""
    response = await deployment.client.get("/config")
    if response.status_code != 200:
        return fail(f"/config says {said(response)}.", "Read the server's log.")
    deployment.config = told = response.json()
    here = version("citeside")
    traced = any(notice["code"] == "traced" for notice in told["disclosures"])
    if deployment.settings.langsmith_tracing and not traced:
        return fail(
            "LANGSMITH_TRACING is on here, and readers are not told so there.",
            "Start the server again with the settings of this machine.",
        )
    if told["version"] != here:
        return warn(
            f"It runs version {told['version']}; this is {here}.", "Deploy this version, or check with that one."
        )
    return ok(f"Version {here}, as here{'; readers are told of LangSmith' if traced else ''}.")


async def limited(deployment: Deployment) -> Finding:
    """See what it says of how much a reader may ask."""
    told = deployment.config["limits"]
    minute, hour = told.get("turns_per_minute"), told.get("turns_per_hour")
    if not minute and not hour:
        return warn(
            "No session has a limit there.",
            "Remove CITESIDE_TURNS_PER_MINUTE and CITESIDE_TURNS_PER_HOUR from the server's settings.",
        )
    return ok(f"A session may ask {minute or 'any number of'} turns a minute and {hour or 'any number'} an hour.")


async def clock(deployment: Deployment) -> Finding:
    """Compare the Date of an answer with this machine's clock."""
    before = time.time()
    response = await deployment.client.get("/healthz")
    date = response.headers.get("date")
    if not date:
        return skipped("The answers have no Date.")
    ahead = parsedate_to_datetime(date).timestamp() + 0.5 - (before + time.time()) / 2
    told = f"Its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's."
    if abs(ahead) > SKEW:
        return fail(told, "Set the clock that is wrong by NTP (timedatectl set-ntp true).")
    return ok("Its clock agrees with this machine's.")


async def metrics(deployment: Deployment) -> Finding:
    """See whether anybody may read the figures of the server."""
    response = await deployment.client.get("/metrics")
    if response.status_code == 200:
        return fail(
            "Anybody may read /metrics.",
            "Set CITESIDE_ADMIN_TOKEN, or let the proxy keep /metrics to your own network.",
        )
    return ok(f"/metrics is not given to strangers ({said(response)}).")
