"""The panel's types follow the server: the schema they are generated from is the one the server has now."""

import json
from pathlib import Path

from server.schema import wire_schema

SCHEMA = Path(__file__).parents[2] / "website" / "plugin" / "src" / "client" / "schema.json"


def test_the_panel_knows_the_wire_as_it_is() -> None:
    stale = f"{SCHEMA.name} is stale: python -m server.schema > website/plugin/src/client/schema.json"
    assert json.loads(SCHEMA.read_text()) == wire_schema(), stale
