"""Delivers a shard's events, a batch per transaction: handlers' rows, what was handled, how far we are; or none of it.

A batch that fails is rolled back and its events run one by one (`careful`). A start that was left behind tells that a
worker was lost on the way: its events run one delivery at a time, each begun in writing, so that one which ends every
worker is found and given up.
"""

import time
from collections.abc import Iterator, Sequence

from karokar.kernel.db import transaction
from karokar.kernel.heartbeat import beat
from karokar.kernel.log import get_logger
from karokar.outbox import careful, trouble
from karokar.outbox.plan import Overtaken, Plan, claim_untouched, make_plan, types_in, types_of
from karokar.outbox.react import is_passing, react
from karokar.outbox.registry import HANDLERS
from karokar.outbox.store import Store, StoredEvent
from karokar.outbox.store.base import Ahead, Row

LOST_AFTER_SECONDS = 1.0
"""A start without an end that is younger is somebody at work."""

ATTEMPTS_AT_ONCE = 20
"""How often a batch runs again for reasons that pass by themselves, before it is left for the next round."""

log = get_logger(__name__)


def deliver_shard(store: Store, ahead: Ahead) -> bool:
    """Deliver the shard's next events. Returns whether anything was delivered."""
    shard, progress, lost = ahead
    if lost is not None:
        return lost.age >= LOST_AFTER_SECONDS and _deliver_lost(store, shard)
    note, events = store.begin(shard, progress, store.batch_size)
    delivered = False
    for batch in split(events):
        beat()
        if not deliver_batch(store, shard, progress, batch):
            # Somebody else has the shard, or the database refused all the time: nobody was lost here.
            store.take_back_start(note)
            break
        delivered, progress = True, batch[-1].position
    return delivered


def _deliver_lost(store: Store, shard: int) -> bool:
    # Looked at again: meanwhile somebody may have begun to make up for the loss, and one is enough.
    ahead = next((ahead for ahead in store.look().shards if ahead.shard == shard), None)
    if ahead is None or ahead.lost is None or ahead.lost.age < LOST_AFTER_SECONDS:
        return False
    until, progress = ahead.lost.until, ahead.progress
    log.warning("worker_lost", shard=shard, until=until, progress=progress)
    events = store.read(shard, progress, store.batch_size)
    return careful.deliver_alone(store, shard, progress, [event for event in events if event.position <= until])


def split(events: Sequence[StoredEvent]) -> Iterator[Sequence[StoredEvent]]:
    """Cut events into batches: one that actions react to stands alone, because actions lock aggregates."""
    action_types = {name for handler in HANDLERS.values() if handler.effect == "action" for name in types_of(handler)}
    begin = 0
    for index, event in enumerate(events):
        if event.event_type in action_types:
            if begin < index:
                yield events[begin:index]
            yield events[index : index + 1]
            begin = index + 1
    if begin < len(events):
        yield events[begin:]


def deliver_batch(store: Store, shard: int, progress: int, events: Sequence[StoredEvent]) -> bool:
    """Deliver these events, all in one transaction or else one by one; False where somebody else has the shard."""
    for _ in range(ATTEMPTS_AT_ONCE):
        try:
            began = time.perf_counter()
            _deliver_together(type(store), shard, progress, events)
            store.keep_pace(len(events), time.perf_counter() - began)
        except Overtaken:
            return False
        except Exception as error:  # noqa: BLE001 - a handler may fail in any way
            if is_passing(error):
                continue
            log.info("batch_failed", shard=shard, events=len(events), error=type(error).__name__)
            return careful.deliver_one_by_one(store, shard, progress, events)
        else:
            return True
        finally:
            beat()
    return False


def _deliver_together(store: type[Store], shard: int, progress: int, events: Sequence[StoredEvent]) -> None:
    with transaction() as session:
        connection = session.connection()
        standing = claim_untouched(store, connection, shard, progress, types_in(events))
        plan = make_plan(standing, events)
        times = {number: react(reaction) for number, reaction in plan.reactions.items()}
        session.flush()
        trouble.add_waiting(connection, shard, plan.waiting)
        store.add_progress(connection, shard, handled_rows(events, plan, times))


def handled_rows(events: Sequence[StoredEvent], plan: Plan, times: dict[int, int]) -> list[Row]:
    """Return one row per event: the handlers in `times` that were given it, with how long each took."""
    handlers: dict[int, list[int]] = {event.position: [] for event in events}
    for number, reaction in plan.reactions.items():
        if number in times:
            for envelope in reaction.envelopes:
                handlers[envelope.position].append(number)
    return [Row(position, numbers, [times[number] for number in numbers]) for position, numbers in handlers.items()]
