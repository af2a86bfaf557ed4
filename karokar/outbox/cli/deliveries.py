"""`flask events …` for people: how delivery stands, and what to do about it."""

import json
from collections import Counter
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

import click

from karokar.events.handlers import HANDLERS
from karokar.kernel.db import db
from karokar.kernel.errors import DomainError
from karokar.kernel.text.normalization import count_of
from karokar.outbox.monitoring import verify as proof
from karokar.outbox.monitoring.overview import handler_states, overview
from karokar.outbox.operations import actions
from karokar.outbox.operations.actions import Selection
from karokar.outbox.operations.rebuild import apply, can_rebuild, check, count_streams
from karokar.outbox.operations.replay import perform
from karokar.outbox.operations.replay_plan import Wanted, list_units

R = TypeVar("R")


@click.command()
def handlers() -> None:
    """List the handlers: what they react to, how, and how they keep up."""
    for state in handler_states():
        declared = state.declared
        click.echo(f"{state.name}  [{state.status.lower()}]")
        if declared is not None:
            batches = ", in lists" if declared.many else ""
            click.echo(f"    {declared.description}")
            click.echo(f"    {declared.effect}, ordered per {declared.key}{batches}")
        click.echo(f"    {', '.join(sorted(state.event_types)) or 'no events'}")
        opened = ", ".join(f"{count} {kind}" for kind, count in sorted(state.open_by_state.items()) if count)
        click.echo(f"    {state.lag} not reached{', ' + opened if opened else ''}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def stats(*, as_json: bool) -> None:
    """Print how delivery stands."""
    seen = overview()
    facts = {
        "newestPosition": seen.newest_position,
        "pending": seen.pending,
        "isPendingCountedOut": seen.is_pending_counted_out,
        "oldestPendingAt": seen.oldest.occurred_at.isoformat() if seen.oldest else None,
        "retrying": seen.open_by_state.get("retrying", 0),
        "waiting": seen.open_by_state.get("waiting", 0),
        "dead": seen.open_by_state.get("dead", 0),
        "nextRetryAt": seen.next_retry_at.isoformat() if seen.next_retry_at else None,
        "eventsInTheLastHour": seen.rate.total,
        "verifiedPosition": proof.verified_position(),
    }
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        click.echo(f"{name:24} {'-' if value is None else value}")


@click.command()
@click.option("--full", is_flag=True, help="Check the whole log instead of what came since the last check.")
def verify(*, full: bool) -> None:
    """Prove that nothing was lost, doubled, reordered or is stuck; ends with status 1 otherwise."""
    if full:
        report = proof.verify()
        proof.write_down(report)
    else:
        report = proof.verify_what_is_new()
    for kind, found in report.problems.items():
        click.echo(f"{kind}: {proof.MEANINGS[kind]}")
        for where, what in found:
            click.echo(f"    {where}  {what}")
    click.echo(f"Checked positions {report.since + 1} to {report.until}: {report.count or 'no'} problems.")
    if report.count:
        raise SystemExit(1)


@click.command()
@click.argument("handler")
@click.option("--reason", default="", help="Why, for the others.")
def pause(handler: str, reason: str) -> None:
    """Let a handler's deliveries wait."""
    _do(lambda: actions.pause_handler(handler, reason))
    click.echo(f"{handler} waits until it is resumed.")


@click.command()
@click.argument("handler")
def resume(handler: str) -> None:
    """Let a paused handler go on."""
    _do(lambda: actions.resume_handler(handler))
    click.echo(f"{handler} goes on.")


@click.command()
@click.option("--handler", help="Only this handler's.")
@click.option("--event", "event_id", type=click.UUID, help="Only this event's.")
@click.option("--all-failed", is_flag=True, help="Those that would be retried later as well.")
def retry(*, handler: str | None, event_id: UUID | None, all_failed: bool) -> None:
    """Let dead deliveries run again."""
    states = ("dead", "retrying") if all_failed else ("dead",)
    count = _do(lambda: actions.retry_deliveries(Selection(handler=handler, event_id=event_id, states=states)))
    click.echo(f"{count_of(count, 'delivery runs', 'deliveries run')} again.")


@click.command()
@click.option("--handler", help="Only this handler's.")
@click.option("--event", "event_id", type=click.UUID, help="Only this event's.")
@click.option("--reason", required=True, help="Why they stay undone.")
def dismiss(*, handler: str | None, event_id: UUID | None, reason: str) -> None:
    """Decide that dead deliveries stay undone; what waits behind them goes on."""
    if handler is None and event_id is None:
        raise click.UsageError("Say which: --handler, --event or both.")
    count = _do(lambda: actions.dismiss_deliveries(Selection(handler=handler, event_id=event_id), reason))
    click.echo(f"{count_of(count, 'delivery stays', 'deliveries stay')} undone.")


@click.command()
@click.argument("handler")
def unsubscribe(handler: str) -> None:
    """End the subscriptions of a handler whose code is gone."""
    if handler in HANDLERS:
        raise click.UsageError(f"{handler} is declared in this code: it would be subscribed again.")
    count = _do(lambda: actions.unsubscribe_handler(handler))
    click.echo(f"{handler} is given nothing any more; {count} of its deliveries stay undone.")


@click.command()
@click.argument("handler")
@click.option("--check", "is_check", is_flag=True, help="Only say which rows would change.")
@click.option("--apply", "is_apply", is_flag=True, help="Change them, stream by stream.")
def rebuild(handler: str, *, is_check: bool, is_apply: bool) -> None:
    """Compare a projection's rows with what its events tell; with --apply, correct those that differ.

    With --check, status 1 says that rows differ.
    """
    if is_check == is_apply:
        raise click.UsageError("Say either --check or --apply.")
    build = _rebuilt if _do(lambda: can_rebuild(handler)) else _run_again
    streams, changed = _do(lambda: build(handler, is_check=is_check))
    verb = "would change" if is_check else "changed"
    click.echo(f"{streams} streams; {changed or 'no'} rows {verb}.")
    if is_check and changed:
        raise SystemExit(1)


def _rebuilt(handler: str, *, is_check: bool) -> tuple[int, int]:
    """Build the rows anew from nothing, and compare; returns streams and rows."""
    changed = 0
    for found in check(handler):
        done = found if is_check else apply(found.unit)
        click.echo(f"{found.unit.key}: {done.in_words}")
        changed += done.rows
    return count_streams(handler), changed


def _run_again(handler: str, *, is_check: bool) -> tuple[int, int]:
    """Call a handler that does not say which rows are its own with its events once more; returns streams and rows."""
    wanted = Wanted(handler=handler)
    changed: Counter[str] = Counter()
    streams = 0
    for unit in [one for one in list_units(wanted) if one.kind == "rerun"]:
        outcome = perform(unit, wanted, is_dry_run=is_check)
        streams += 1
        if outcome.rows:
            click.echo(f"{unit.label}: {outcome.in_words}")
            changed += outcome.rows
    return streams, changed.total()


COMMANDS = (handlers, stats, verify, pause, resume, retry, dismiss, unsubscribe, rebuild)


def _do(call: Callable[[], R]) -> R:
    try:
        return call()
    except DomainError as error:
        db.session.rollback()
        raise click.ClickException(error.sentence) from error
