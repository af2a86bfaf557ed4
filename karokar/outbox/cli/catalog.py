"""`flask events new`, `examples`, `catalog` and `lock`: contracts of events, made, written down and locked."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import click

from karokar.config import PROJECT
from karokar.events.contracts import lock as locked
from karokar.events.contracts import scaffold
from karokar.events.contracts import schema as contracts
from karokar.events.contracts.catalog_page import CATALOG_PAGE, catalog_page
from karokar.events.contracts.examples import write_examples


@click.command()
@click.option("--write", is_flag=True, help="Write docs/event-catalog.md instead of printing it.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the JSON Schema of each event's payload, as every reader can rely on it, instead.",
)
def catalog(*, write: bool, as_json: bool) -> None:
    """Print the catalog of events."""
    if as_json:
        schemas = {contract.name: contract.schema for contract in contracts.contracts()}
        click.echo(json.dumps(schemas, indent=2, ensure_ascii=False))
    elif write:
        CATALOG_PAGE.write_text(catalog_page(), encoding="utf-8")
        click.echo(f"Wrote {CATALOG_PAGE.name} with {len(contracts.contracts())} events.")
    else:
        click.echo(catalog_page())


@click.command()
@click.option("--check", "is_check", is_flag=True, help="Write nothing; fail if there is anything to lock.")
def lock(*, is_check: bool) -> None:
    """Lock the contracts of new events and new versions; refuse changed ones."""
    try:
        if not is_check:
            write_examples()
        added = locked.lock(writes=not is_check)
    except locked.BrokenChain as error:
        raise click.ClickException(str(error)) from error
    if is_check and added:
        raise click.ClickException(f"Not locked yet: {', '.join(added)}. Run flask events lock.")
    if added:
        CATALOG_PAGE.write_text(catalog_page(), encoding="utf-8")
    click.echo(f"Locked {', '.join(added)}." if added else "Nothing new: every contract is locked.")


@click.command()
def examples() -> None:
    """Write the golden example of each event that isn't locked yet, and the catalog of events."""
    for name in write_examples():
        click.echo(f"Wrote tests/outbox/golden/{name}.")
    CATALOG_PAGE.write_text(catalog_page(), encoding="utf-8")
    click.echo("Wrote docs/event-catalog.md.")


@click.command()
@click.argument("producer")
@click.argument("name")
@click.argument("fields", nargs=-1, metavar="[FIELD:TYPE]…")
@click.option("--aggregate", required=True, help="The kind of thing that it happens to, such as Vehicle.")
@click.option(
    "--sentence", required=True, help="What comes after a person's name: “noted that the vehicle was cleaned”."
)
def new(producer: str, name: str, fields: tuple[str, ...], aggregate: str, sentence: str) -> None:
    """Write a new event: its class, its golden example and its entry in the catalog.

    PRODUCER is the context that publishes it, NAME a fact in the past tense, such as VehicleCleaned. A type followed
    by a question mark may be absent: cleaned_by:UserId?
    """
    try:
        path = scaffold.add_event(producer, name, aggregate, sentence, [scaffold.parse_field(one) for one in fields])
    except scaffold.Refused as error:
        raise click.UsageError(str(error)) from error
    written = path.relative_to(PROJECT)
    formatter = shutil.which("ruff", path=str(Path(sys.executable).parent))
    if formatter:
        subprocess.run([formatter, "format", "--quiet", str(path)], check=True)  # noqa: S603 - the project's own tool
    click.echo(f"Wrote {name} at the end of {written}.")
    # A module is read once in a process, so the new class is looked at by another one.
    subprocess.run([sys.executable, "-m", "flask", "events", "examples"], cwd=PROJECT, check=True)
    click.echo("Read it, write what it means into its docstring, then lock it: flask events lock")
