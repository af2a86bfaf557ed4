"""`flask events catalog` and `flask events lock`: the contracts of events, printed, written down and locked."""

import json

import click

from karokar.events.contracts import lock as locked
from karokar.events.contracts import schema as contracts
from karokar.events.contracts.catalog_page import CATALOG_PAGE, catalog_page


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
        added = locked.lock(writes=not is_check)
    except locked.BrokenChain as error:
        raise click.ClickException(str(error)) from error
    if is_check and added:
        raise click.ClickException(f"Not locked yet: {', '.join(added)}. Run flask events lock.")
    click.echo(f"Locked {', '.join(added)}." if added else "Nothing new: every contract is locked.")
