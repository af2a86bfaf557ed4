"""`flask replay-events`: deliver again what a selection matches, after showing what that means."""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import click

from karokar.events.contracts.names import check_aggregate_type, names_matching
from karokar.kernel.db import db
from karokar.kernel.errors import DomainError
from karokar.kernel.ids import new_id
from karokar.kernel.text.nearest import UnknownName
from karokar.outbox.operations.replay import (
    DELIVERIES_A_SECOND,
    STOPS_OVER_PERCENT,
    is_going_wrong,
    perform,
    tell_end,
    tell_start,
)
from karokar.outbox.operations.replay_plan import Plan, Unit, Wanted, list_units, make_plan

COLUMNS = ("retried", "waiting", "rerun", "streams", "done_before", "pending", "dismissed", "unknown")
HEADS = ("retried", "follow", "run again", "streams", "done before", "pending", "dismissed", "unknown")


def _moment(_context: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter("give a time such as 2026-11-20T09:00:00Z", param=parameter) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _types(_context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    try:
        if value is not None:
            names_matching(value)
    except UnknownName as error:
        raise click.BadParameter(str(error), param=parameter) from error
    return value


def _aggregate(
    _context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, UUID | None] | None:
    if value is None:
        return None
    kind, _, entity_id = value.partition(":")
    try:
        return check_aggregate_type(kind), UUID(entity_id) if entity_id else None
    except UnknownName as error:
        raise click.BadParameter(str(error), param=parameter) from error
    except ValueError:
        raise click.BadParameter("give a type, or a type and an id: Booking:01a1f7d9-…", param=parameter) from None


@click.command("replay-events")
@click.option("--type", "types", callback=_types, help="Event, or a pattern such as 'Booking*'; several with commas.")
@click.option("--aggregate", callback=_aggregate, help="Type of aggregate, or Type:id.")
@click.option("--since", callback=_moment, help="From this time on (UTC, unless it names a zone).")
@click.option("--until", callback=_moment, help="Before this time.")
@click.option("--handler", help="Only for this handler.")
@click.option("--dead", "is_dead_only", is_flag=True, help="Only deliveries that were given up.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Do it, count the rows that change, and take it back.")
@click.option("--resend", "with_mails", is_flag=True, help="Also make mails about the events anew; asks first.")
@click.option(
    "--rate",
    type=click.IntRange(1),
    default=DELIVERIES_A_SECOND,
    show_default=True,
    help="At most so many deliveries a second.",
)
@click.option(
    "--stop-over",
    "stops_over_percent",
    type=click.IntRange(0, 100),
    default=STOPS_OVER_PERCENT,
    show_default=True,
    help="Stop when more units than so many per cent fail.",
)
@click.option("--yes", is_flag=True, help="Ask nothing.")
def replay_events(
    *,
    types: str | None,
    aggregate: tuple[str, UUID | None] | None,
    since: datetime | None,
    until: datetime | None,
    handler: str | None,
    is_dead_only: bool,
    is_dry_run: bool,
    with_mails: bool,
    rate: int,
    stops_over_percent: int,
    yes: bool,
) -> None:
    """Deliver events again.

    What failed runs again; what a projection handled runs again over whole streams; what an action handled is never
    done again, and no mail is sent again unless --resend asks for it.
    """
    wanted = Wanted(
        handler=handler,
        types=types,
        aggregate_type=aggregate[0] if aggregate else None,
        aggregate_id=aggregate[1] if aggregate else None,
        since=since,
        until=until,
        is_dead_only=is_dead_only,
    )
    try:
        plan = make_plan(wanted)
        units = list(list_units(wanted, with_mails=with_mails))
    except DomainError as error:
        raise click.ClickException(error.sentence) from error
    db.session.rollback()
    show_plan(plan)
    if not units:
        click.echo("Nothing is to be done.")
        return
    if with_mails and not is_dry_run:
        mails = sum(unit.kind == "resend" for unit in units)
        click.echo(f"The mails about {mails:,} events are sent again, to their recipients.")
    if not (is_dry_run or yes):
        click.confirm(f"Do these {len(units):,} units?", abort=True)
    run(wanted, units, is_dry_run=is_dry_run, rate=rate, stops_over_percent=stops_over_percent)


def show_plan(plan: Plan) -> None:
    """Print what would happen to each handler, in deliveries, and to which events."""
    width = max((len(one.handler) for one in plan.handlers), default=7)
    click.echo(f"{'handler':{width}}  " + "".join(f"{head:>12}" for head in HEADS))
    for one in plan.handlers:
        click.echo(f"{one.handler:{width}}  " + "".join(f"{getattr(one, name):>12,}" for name in COLUMNS))
    for name, count in plan.by_type.items():
        click.echo(f"  {count:>8,} × {name}")


def run(wanted: Wanted, units: Sequence[Unit], *, is_dry_run: bool, rate: int, stops_over_percent: int) -> None:
    """Do the units one after the other; a failed one is printed and the next one goes on.

    However it ends, Ctrl-C included, its end is told with what was left. Raises ClickException at the end where any
    unit failed, or where so many did that it stopped.
    """
    replay_id = new_id()
    counts: Counter[str] = Counter(done=0, failed=0, left=len(units))
    rows: Counter[str] = Counter()
    if not is_dry_run:
        tell_start(replay_id, wanted, len(units))
    try:
        with click.progressbar(units, label="Trying" if is_dry_run else "Replaying") as going:
            for unit in going:
                if is_going_wrong(counts["done"] + counts["failed"], counts["failed"], stops_over_percent):
                    break
                time.sleep(_do(unit, wanted, counts, rows, is_dry_run=is_dry_run) / rate)
    finally:
        if not is_dry_run:
            tell_end(replay_id, wanted, counts)
    click.echo(f"{counts['done']:,} units {'tried' if is_dry_run else 'done'}, {counts['failed']:,} failed.")
    for name, count in sorted(rows.items()):
        click.echo(f"  {name}: {count:,}{' (taken back)' if is_dry_run else ''}")
    if not rows:
        click.echo("  No row changed.")
    if counts["left"]:
        raise click.ClickException(f"Stopped: more than {stops_over_percent} % failed. {counts['left']:,} are left.")
    if counts["failed"]:
        raise click.ClickException("Some units failed; nothing of these was changed. See above.")


def _do(unit: Unit, wanted: Wanted, counts: Counter[str], rows: Counter[str], *, is_dry_run: bool) -> int:
    """Do one unit, count it, and return how many deliveries it was."""
    deliveries = 0
    try:
        outcome = perform(unit, wanted, is_dry_run=is_dry_run)
        rows += outcome.rows
        deliveries = outcome.deliveries
        counts["done"] += 1
    except Exception as error:  # noqa: BLE001 - a handler may fail in any way; the next stream is another matter
        counts["failed"] += 1
        click.echo(f"\n{unit.label}: {type(error).__name__}: {error}", err=True)
    counts["left"] -= 1
    return deliveries
