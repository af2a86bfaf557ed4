"""What the desk does: decides about deliveries, handlers and settings, on behalf of whoever may do so."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select

from karokar.administration.models.settings import Setting
from karokar.administration.permissions import EVENT_OPERATE, SETTING_MANAGE
from karokar.administration.rules import as_text, rule_of
from karokar.events.bus import publish
from karokar.kernel import clock
from karokar.kernel.actor import Scope
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken, StaleVersion, StateConflict
from karokar.kernel.ids import new_id
from karokar.kernel.permissions import check
from karokar.kernel.text.normalization import count_of
from karokar.outbox.operations import actions as outbox
from karokar.outbox.operations import replay as outbox_replay
from karokar.outbox.operations.actions import Selection
from karokar.outbox.operations.replay import Outcome
from karokar.outbox.operations.replay_plan import Unit, Wanted, digest_of_plan, make_plan
from karokar.outbox.positions import newest_position
from karokar.runs import actions as runs
from karokar.runs.models import Run

RETRIED = ("retrying", "dead", "dismissed")
DISMISSED = ("retrying", "waiting", "dead")


@action
def retry_delivery(event_id: UUID, handler: str) -> None:
    """Let one failed, dead or dismissed delivery run again, with all its attempts.

    Raises StateConflict where there is nothing to retry any more.
    """
    check(EVENT_OPERATE)
    if not outbox.retry_deliveries(Selection(handler=handler, event_id=event_id, states=RETRIED)):
        raise StateConflict("NOTHING_TO_RETRY", "This delivery has gone through meanwhile: there is nothing to retry.")


@action
def dismiss_delivery(event_id: UUID, handler: str, reason: str) -> None:
    """Leave one delivery undone, so that what waits behind it goes on.

    Raises RuleBroken without a reason, and StateConflict where there is nothing to dismiss any more.
    """
    check(EVENT_OPERATE)
    if not outbox.dismiss_deliveries(Selection(handler=handler, event_id=event_id, states=DISMISSED), reason):
        raise StateConflict("NOTHING_TO_DISMISS", "This delivery has gone through meanwhile: nothing is left undone.")


@action
def retry_dead_letter(handler: str, position: int) -> bool:
    """Let one dead delivery run again, with all its attempts; False where it is not dead any more."""
    check(EVENT_OPERATE)
    return outbox.retry_deliveries(Selection(handler=handler, position=position)) > 0


@action
def dismiss_dead_letter(handler: str, position: int, reason: str) -> bool:
    """Leave one dead delivery undone; False where it is not dead any more. Raises RuleBroken without a reason."""
    check(EVENT_OPERATE)
    return outbox.dismiss_deliveries(Selection(handler=handler, position=position), reason) > 0


@action
def retry_failures(handler: str, fingerprint: str, shown: str) -> int:
    """Let all failures of one kind run again; returns how many.

    Raises StateConflict where they are no longer the ones that the person was shown (`digest_of_open`).
    """
    check(EVENT_OPERATE)
    return outbox.retry_deliveries(
        Selection(handler=handler, fingerprint=fingerprint, states=outbox.FAILED), shown=shown
    )


@action
def dismiss_failures(handler: str, fingerprint: str, shown: str, reason: str) -> int:
    """Leave all failures of one kind undone; returns how many.

    Raises StateConflict where they are no longer the ones that the person was shown (`digest_of_open`), RuleBroken
    without a reason.
    """
    check(EVENT_OPERATE)
    selection = Selection(handler=handler, fingerprint=fingerprint, states=outbox.FAILED)
    return outbox.dismiss_deliveries(selection, reason, shown=shown)


@action
def pause_handler(name: str, reason: str) -> None:
    """Let a handler's deliveries wait. Raises RuleBroken without a reason, NotFound for an unknown handler."""
    check(EVENT_OPERATE)
    if not reason.strip():
        raise RuleBroken("REASON_MISSING", "Say why the handler is paused: whoever resumes it will want to know.")
    outbox.pause_handler(name, reason.strip())


@action
def resume_handler(name: str) -> None:
    """Let a paused handler go on. Raises NotFound for an unknown one."""
    check(EVENT_OPERATE)
    outbox.resume_handler(name)


_CHANGED_AT_ONCE = StaleVersion("setting")


@action(refusals={"pk_settings": _CHANGED_AT_ONCE, "settings.key": _CHANGED_AT_ONCE})
def change_setting(key: str, *, is_on: bool, version: int | None = None) -> None:
    """Turn a setting of the platform on or off.

    Raises NotFound for anybody but the platform's people, RuleBroken for an unknown setting, and StaleVersion where
    somebody else changed it meanwhile.
    """
    if check(SETTING_MANAGE) is not Scope.ALL:
        raise NotFound("setting")
    rule = rule_of(key)
    setting = db.session.get(Setting, key, populate_existing=True, with_for_update=True)
    if setting is None:
        setting = Setting(key=key, value=as_text(is_on=rule.default), version=0, changed_at=clock.now())
        db.session.add(setting)
    setting.expect(version)
    if setting.value != as_text(is_on=is_on):
        publish(setting.change(as_text(is_on=is_on)))


# Replay ---------------------------------------------------------------------------------------------------------------


@action
def start_replay(
    wanted: Wanted,
    *,
    expected: str,
    is_try: bool = False,
    with_mails: bool = False,
    rate: int = outbox_replay.DELIVERIES_A_SECOND,
    stops_over_percent: int = outbox_replay.STOPS_OVER_PERCENT,
) -> UUID:
    """Start a replay, or a try that is taken back, as a run; returns the run's id.

    It does at most `rate` deliveries a second, and stops by itself when more of its units fail than it may. Raises
    StateConflict where the plan is no longer the one that the person saw (`expected`, see `digest_of_plan`), and
    RuleBroken where there is nothing to do, or for a pace or a limit that cannot be.
    """
    check(EVENT_OPERATE)
    if rate < 1:
        raise RuleBroken("PACE_INVALID", "Give a pace of at least one delivery a second.")
    if not 0 <= stops_over_percent <= 100:
        raise RuleBroken("LIMIT_INVALID", "Give the share of failures from 0 to 100 per cent.")
    plan = make_plan(wanted)
    if expected != digest_of_plan(wanted):
        raise StateConflict(
            "PLAN_CHANGED",
            "Since you saw the plan it has changed: now it is about "
            f"{count_of(plan.deliveries, 'delivery', 'deliveries')}. Nothing was done: look at it again, then decide.",
        )
    if not plan.units and not with_mails:
        raise RuleBroken("NOTHING_TO_REPLAY", "Nothing that was selected can run again.")
    # What happens from now on is none of what was seen.
    wanted = replace(wanted, up_to=newest_position())
    replay_id = new_id()
    if not is_try:
        outbox_replay.tell_start(replay_id, wanted, plan.units)
    parameters = {
        "wanted": wanted.in_words(),
        "replay_id": str(replay_id),
        "is_try": is_try,
        "with_mails": with_mails,
        "rate": rate,
        "stops_over_percent": stops_over_percent,
        "planned": plan.units,
        "filters": wanted.in_words(),
    }
    title = f"{'Try a replay' if is_try else 'Replay'}: {count_of(plan.deliveries, 'delivery', 'deliveries')}"
    return runs.start_run("event.replay_try" if is_try else "event.replay", parameters, title=title)


@action
def replay_unit(unit: Unit, wanted: Wanted, *, is_try: bool) -> Outcome:
    """Do one unit of a replay, or try it and take it back; returns what it did."""
    check(EVENT_OPERATE)
    return outbox_replay.perform(unit, wanted, is_dry_run=is_try)


@action
def end_replay(replay_id: UUID, wanted: Wanted, counts: Mapping[str, int]) -> None:
    """Tell that a replay ended, with its units by outcome."""
    check(EVENT_OPERATE)
    outbox_replay.tell_end(replay_id, wanted, counts)


def count_units(replay_id: UUID) -> tuple[int, int]:
    """Return how many units of a running replay have been done, and how many of them failed."""
    run = _run_of(replay_id)
    return (run.done, run.failed) if run else (0, 0)


def _run_of(replay_id: UUID) -> Run | None:
    kinds = ("event.replay", "event.replay_try")
    running = db.session.scalars(select(Run).where(Run.kind.in_(kinds), Run.status == "RUNNING"))
    return next((run for run in running if run.parameters.get("replay_id") == str(replay_id)), None)
