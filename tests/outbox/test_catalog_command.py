"""`flask events catalog`, `lock` and `new`: contracts as a page, as schemas, locked, and new ones.

That a new event is written whole is shown by the tutorial (tests/house/test_tutorial.py).
"""

import json

import jsonschema
import pytest
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


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["flet", "VehicleCleaned"], "No context publishes as “flet”"),
        (["base", "VehicleCleaned"], "No context publishes as “base”"),
        (["../fleet", "VehicleCleaned"], "No context publishes as “../fleet”"),
        (["fleet", "vehicle_cleaned"], "is no name of an event"),
        (["fleet", "VehicleCreated"], "There is VehicleCreated already"),
        (["fleet", "VehicleCleaned", "cleaned_at:Momen"], "“Momen” is no type of a field"),
        (["fleet", "VehicleCleaned", "cleaned at"], "“cleaned at” is no field"),
        (["fleet", "VehicleCleaned", "class:Code"], "“class” is a word of Python"),
        (["fleet", "VehicleCleaned", "at:Moment", "at:Code"], "“at” is there twice"),
        (["fleet", "VehicleCleaned", "--aggregate", "Vehicl"], "“Vehicl” is no aggregate"),
        (["fleet", "VehicleCleaned", "--sentence", 'noted "it"'], "A sentence is one line without quotation marks"),
    ],
)
def test_an_event_that_cannot_be_is_refused_and_nothing_is_written(
    app: Flask, arguments: list[str], sentence: str
) -> None:
    module = CONTRACT_FILE.with_name("fleet.py")
    before = module.read_bytes()
    wanted = ["events", "new", "--aggregate", "Vehicle", "--sentence", "cleaned the vehicle", *arguments]
    result = app.test_cli_runner().invoke(args=wanted)
    assert (result.exit_code, sentence in result.output) == (2, True), result.output
    assert module.read_bytes() == before
