"""The checklist of a deployment: what `citeside doctor` looks at, in the order of the page `guides/checklist`."""

from server.doctor import address, browser, database, index, machine, model, stream
from server.doctor.findings import Check
from server.doctor.machine import Machine
from server.doctor.remote import Deployment

MACHINE: tuple[Check[Machine], ...] = (
    Check("settings", "Settings can be read", machine.settings),
    Check("packages", "Package names are not shadowed", machine.packages),
    Check("env-file", "Secrets are not for everybody", machine.env_file),
    Check("data-folder", "The data folder can be written to", machine.data_folder, needs=("settings",)),
    Check("disk", "There is disk space", machine.disk, needs=("settings",)),
    Check("database-url", "The way to the database is encrypted", database.database_url, needs=("settings",)),
    Check("database", "The database answers", database.database, needs=("settings",)),
    Check("migrations", "The database has this version's tables", database.migrations, needs=("database",)),
    Check("pooler", "The pooler is known", database.pooler, needs=("database",)),
    Check("database-clock", "The database's clock agrees", database.database_clock, needs=("database",)),
    Check("embeddings", "The embedding model works", index.embeddings, needs=("data-folder",), seconds=60),
    Check("qdrant", "Qdrant answers and takes the key", index.qdrant, needs=("settings",)),
    Check("index", "The index fits the embedding model", index.index, needs=("embeddings", "qdrant"), seconds=60),
    Check("model", "The model streams", model.model, needs=("settings",), seconds=120),
    Check("origins", "Your sites may ask", machine.origins, needs=("settings",)),
    Check("admin-token", "The operator has a token", machine.admin_token, needs=("settings",)),
    Check("limits", "Limits are on", machine.limits, needs=("settings",)),
    Check("proxies", "Only your proxies are believed", machine.proxies, needs=("settings",)),
    Check("retention", "Conversations are deleted some day", machine.retention, needs=("settings",)),
    Check("tracing", "Tracing is meant and told", machine.tracing, needs=("settings",)),
)
"""Looked at where the server runs, with its settings."""

DEPLOYMENT: tuple[Check[Deployment], ...] = (
    Check("tls", "The certificate is valid", address.tls),
    Check("alive", "The server answers", address.alive),
    Check("ready", "The server is ready", address.ready, needs=("alive",)),
    Check("config", "The version is this one", address.config, needs=("alive",)),
    Check("limited", "Readers are limited", address.limited, needs=("config",)),
    Check("http2", "HTTP/2 is offered", address.http2, needs=("alive",)),
    Check("clock", "The server's clock agrees", address.clock, needs=("alive",)),
    Check("metrics", "Metrics are not public", address.metrics, needs=("alive",)),
    Check("cors", "Pages of the site may ask", browser.cors, needs=("alive",)),
    Check("strangers", "Pages of others may not ask", browser.strangers, needs=("alive",)),
    Check("exposed", "Pages can read what they need", browser.exposed, needs=("cors",)),
    Check("body-limit", "Large questions reach the server", browser.body_limit, needs=("alive",)),
    Check("session", "Sessions are given out", stream.session, needs=("config",)),
    Check("search", "The docs can be searched", stream.search, needs=("session",)),
    Check("stream", "Answers come whole", stream.stream, needs=("session",), seconds=150),
    Check("pace", "Nothing buffers the stream", stream.pace, needs=("stream",)),
    Check("ping", "Silent streams are kept open", stream.ping, needs=("stream",)),
    Check("resume", "A lost connection is taken up", stream.resume, needs=("stream",)),
    Check("erased", "Nothing is left behind", stream.erased, needs=("session",), after=("search", "stream")),
)
"""Looked at from outside, over the network, as a page of the site would."""

CHECKLIST = (*MACHINE, *DEPLOYMENT)
