"""What the desk does: decides about deliveries, handlers and settings, on behalf of whoever may do so."""

from uuid import UUID

from karokar.administration.models.settings import Setting
from karokar.administration.permissions import EVENT_OPERATE, SETTING_MANAGE
from karokar.administration.rules import as_text, rule_of
from karokar.events.bus import publish
from karokar.kernel import clock
from karokar.kernel.actor import Scope
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken, StaleVersion, StateConflict
from karokar.kernel.permissions import check
from karokar.outbox import actions as outbox
from karokar.outbox.actions import Selection
from karokar.outbox.state import failure_groups

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
def retry_failures(handler: str, fingerprint: str, expected: int) -> int:
    """Let all failures of one kind run again; returns how many.

    Raises StateConflict where their number is no longer the one that the person saw.
    """
    check(EVENT_OPERATE)
    _refuse_changed_count(handler, fingerprint, expected)
    return outbox.retry_deliveries(Selection(handler=handler, fingerprint=fingerprint, states=("retrying", "dead")))


@action
def dismiss_failures(handler: str, fingerprint: str, expected: int, reason: str) -> int:
    """Leave all failures of one kind undone; returns how many.

    Raises StateConflict where their number is no longer the one that the person saw, RuleBroken without a reason.
    """
    check(EVENT_OPERATE)
    _refuse_changed_count(handler, fingerprint, expected)
    return outbox.dismiss_deliveries(
        Selection(handler=handler, fingerprint=fingerprint, states=("retrying", "dead")), reason
    )


def _refuse_changed_count(handler: str, fingerprint: str, expected: int) -> None:
    now = next((one.count for one in failure_groups() if (one.handler, one.fingerprint) == (handler, fingerprint)), 0)
    if now != expected:
        raise StateConflict(
            "COUNT_CHANGED",
            f"You saw {expected:,} failures, now there are {now:,}. Nothing was done: look at them again, then decide.",
        )


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
