"""`flask events catalog` and `flask events lock`: contracts as a page, as schemas, and locked."""

import json

import jsonschema
from flask import Flask

from karokar.events.base import LATEST
from karokar.events.contracts.catalog_page import catalog_page
from karokar.events.contracts.lock import CONTRACT_FILE


def test_the_catalog_is_printed_as_the_page_that_is_kept(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["events", "catalog"])
    assert result.exit_code == 0
    assert result.output.strip() == catalog_page().strip()


def test_schemas_are_printed_for_programs(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["events", "catalog", "--json"])
    schemas = json.loads(result.output)
    assert set(schemas) == set(LATEST)
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_there_is_nothing_new_to_lock(app: Flask) -> None:
    before = CONTRACT_FILE.stat().st_mtime_ns
    result = app.test_cli_runner().invoke(args=["events", "lock", "--check"])
    assert CONTRACT_FILE.stat().st_mtime_ns == before
    assert (result.exit_code, result.output.strip()) == (0, "Nothing new: every contract is locked.")
