"""Long work of the platform: dead letters retried or dismissed, replays."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from karokar.administration import actions
from karokar.administration.permissions import EVENT_OPERATE
from karokar.outbox.monitoring.dead_letters import all_dead_letters
from karokar.outbox.operations.replay import is_going_wrong
from karokar.outbox.operations.replay_plan import Unit, Wanted, list_units
from karokar.runs.kinds import End, Item, Paced, Skipped, Stopped, row_kind


def _list_dead(parameters: Mapping[str, Any]) -> Iterator[Item]:
    filters = parameters["filters"]
    for found in all_dead_letters(
        handler=filters.get("handler"), types=filters.get("type"), keys=tuple(parameters.get("chosen", ()))
    ):
        yield Item(f"{found.event_type} for {found.handler}", {"name": found.handler, "position": found.position})


def _retry_dead(item: Item, _parameters: Mapping[str, Any]) -> None:
    if not actions.retry_dead_letter(item.data["name"], item.data["position"]):
        raise Skipped("It is not dead any more.")


def _dismiss_dead(item: Item, parameters: Mapping[str, Any]) -> None:
    if not actions.dismiss_dead_letter(item.data["name"], item.data["position"], parameters["reason"]):
        raise Skipped("It is not dead any more.")


RETRY = row_kind(
    "delivery.retry", "Retry dead letters", permission=EVENT_OPERATE, list_items=_list_dead, do=_retry_dead
)
DISMISS = row_kind(
    "delivery.dismiss", "Dismiss dead letters", permission=EVENT_OPERATE, list_items=_list_dead, do=_dismiss_dead
)


def _items(parameters: Mapping[str, Any]) -> Iterator[Item]:
    wanted = Wanted.of_words(parameters["wanted"])
    for unit in list_units(wanted, with_mails=bool(parameters.get("with_mails"))):
        yield Item(unit.label, unit.as_data())


def _do(item: Item, parameters: Mapping[str, Any]) -> Paced:
    done, failed = actions.count_units(UUID(parameters["replay_id"]))
    percent = parameters["stops_over_percent"]
    if is_going_wrong(done, failed, percent):
        raise Stopped(
            f"Stopped by itself: {failed:,} of {done:,} units failed, more than {percent} %. Look at the refused rows; "
            "trying them again also goes on with the rest."
        )
    wanted = Wanted.of_words(parameters["wanted"])
    outcome = actions.replay_unit(Unit(**item.data), wanted, is_try=bool(parameters["is_try"]))
    return Paced(outcome.in_words, outcome.deliveries / parameters["rate"])


def _ended(parameters: Mapping[str, Any], end: End) -> None:
    done = end.ok + end.failed + end.skipped
    left = parameters["planned"] - done if end.left is None else end.left
    counts = {"done": end.ok, "failed": end.failed, "skipped": end.skipped, "left": left}
    actions.end_replay(UUID(parameters["replay_id"]), Wanted.of_words(parameters["wanted"]), counts)


row_kind(
    "event.replay",
    "Replay events",
    permission=EVENT_OPERATE,
    list_items=_items,
    do=_do,
    ended=_ended,
    is_bulk=False,
)
row_kind("event.replay_try", "Try a replay", permission=EVENT_OPERATE, list_items=_items, do=_do, is_bulk=False)
