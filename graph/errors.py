"""Everything that can go wrong in a turn, by what the reader can do about it.

CitesideError               what happened, with which value, and what to do next
├── ModelUnavailable        no first token: another answerer can take over in the same turn
├── ModelFailed             the text broke off: what was shown is kept, the reader may retry
│   ├── ModelSilent         no sign of the model for too long
│   ├── ModelTruncated      the text ended as if it were whole, without the model's word that it is
│   └── ModelFiltered       a content filter of the model's provider stopped it
├── IndexUnavailable        passages cannot be searched
│   └── IndexMissing        nothing was ingested yet, or with another embedding model
├── StoreUnavailable        Postgres cannot be reached
│   └── StoreOverloaded     it can, but every connection is busy
├── ConfigurationError      a setting, a folder or a file is wrong: a line for whoever runs it
│   └── AlreadyOwned        another process holds the data folder or its index
└── IngestError             the site cannot be read; the old index is as it was
"""


class CitesideError(Exception):
    """Base of all errors that are explained to a person; `str()` is one sentence or two for them."""

    code = "internal"


class ModelUnavailable(CitesideError):
    """The model gave no first token."""

    code = "model_unavailable"


class ModelFailed(CitesideError):
    """The model's text broke off after it had begun."""

    code = "model_failed"


class ModelSilent(ModelFailed):
    """The model fell silent in the middle of its text."""

    code = "timeout"


class ModelTruncated(ModelFailed):
    """The model's text ended without a finish reason: it may lack its end, and may not be shown as complete."""

    code = "truncated"


class ModelFiltered(ModelFailed):
    """A content filter stopped the model in the middle of its text."""

    code = "filtered"


class IndexUnavailable(CitesideError):
    """The index cannot be searched."""

    code = "index_unavailable"


class IndexMissing(IndexUnavailable):
    """There is no index to search, or it was made with another embedding model."""

    code = "index_missing"


class StoreUnavailable(CitesideError):
    """Postgres cannot be reached or did not reply in time."""

    code = "store_unavailable"


class StoreOverloaded(StoreUnavailable):
    """Every connection to Postgres stayed busy."""

    code = "overloaded"


class ConfigurationError(CitesideError):
    """A setting, a folder or a file is wrong."""

    code = "configuration"


class AlreadyOwned(ConfigurationError):
    """Another process holds what may have one owner only."""

    code = "already_owned"


class IngestError(CitesideError):
    """A site cannot be read."""

    code = "ingest_failed"
