"""Delivers events, a batch per transaction: handlers' rows, what was handled, how far each shard is; or none of it.

Shards with few events make a batch together, so that a trickle costs one transaction, not one per shard. A batch that
fails is rolled back and runs shard by shard, and where it fails again, its events run one by one (`isolated`). A start
that was left behind tells that a worker was lost on the way: its deliveries become retries. These run one at a
time, each begun in writing, so that one which ends every worker is found and given up.
"""

import time
from collections.abc import Iterator, Mapping, Sequence

from karokar.events.handlers import HANDLERS
from karokar.kernel.db import transaction
from karokar.kernel.log import get_logger
from karokar.kernel.processes.heartbeat import beat
from karokar.outbox.delivery import deferred, isolated
from karokar.outbox.delivery.dispatch_plan import ClaimLost, Plan, claim, make_plan, types_in, types_of
from karokar.outbox.delivery.invoke import invoke, is_passing
from karokar.outbox.store import Store, StoredEvent
from karokar.outbox.store.base import Ahead, Lost, Row

LOST_AFTER_SECONDS = 1.0
"""A start without an end that is younger is somebody at work."""

HELD_SECONDS = LOST_AFTER_SECONDS / 2
"""What a worker has begun and not come to by then it leaves to the next round, before others take it for lost."""

ATTEMPTS_AT_ONCE = 20
"""How often a batch runs again for reasons that pass by themselves, before it is left for the next round."""

log = get_logger(__name__)


def deliver_shards(store: Store, shards: Sequence[Ahead]) -> bool:
    """Deliver the next events of these shards. Returns whether anything was delivered."""
    delivered = False
    for ahead in shards:
        if ahead.lost is not None and _is_gone(ahead.lost):
            delivered |= _deliver_lost(store, ahead.shard)
    for group in pack([ahead for ahead in shards if ahead.lost is None], store.batch_size):
        delivered |= _deliver_group(store, {ahead.shard: ahead.progress for ahead in group})
    return delivered


def pack(shards: Sequence[Ahead], size: int) -> Iterator[Sequence[Ahead]]:
    """Put shards together whose events make a batch of this size at most; one with more stands alone."""
    group: list[Ahead] = []
    for ahead in shards:
        if group and sum(one.events for one in group) + ahead.events > size:
            yield group
            group = []
        group.append(ahead)
    if group:
        yield group


def _deliver_group(store: Store, progress: dict[int, int]) -> bool:
    notes, events = store.begin(progress)
    leaves_at = time.monotonic() + HELD_SECONDS
    reached = {shard: progress[shard] for shard in notes}
    delivered = False
    for batch in split(events):
        if time.monotonic() > leaves_at:
            break
        beat()
        ours = [event for event in batch if event.shard in reached]
        done = deliver_batch(store, reached, ours) if ours else set()
        for event in ours:
            if event.shard in done:
                delivered, reached[event.shard] = True, event.position
            elif reached.pop(event.shard, None) is not None:
                # Somebody else has the shard, or the database refused all the time: nobody was lost here.
                store.take_back_start(notes[event.shard])
    last = {event.shard: event.position for event in events}
    for shard, position in reached.items():
        if position < last[shard]:
            store.take_back_start(notes[shard])
    return delivered


def _deliver_lost(store: Store, shard: int) -> bool:
    # Looked at again: meanwhile somebody may have made up for the loss.
    ahead = next((ahead for ahead in store.poll().shards if ahead.shard == shard), None)
    if ahead is None or ahead.lost is None or not _is_gone(ahead.lost):
        return False
    until, progress = ahead.lost.until, ahead.progress
    log.warning("worker_lost", shard=shard, until=until, progress=progress)
    events = store.read(shard, progress, store.batch_size)
    # The loss counts as an attempt of those that may have caused it.
    return isolated.defer(store, shard, progress, [event for event in events if event.position <= until], started=1)


def _is_gone(lost: Lost) -> bool:
    # A start that lies ahead of now was noted by a clock that has been put right since.
    return abs(lost.age) >= LOST_AFTER_SECONDS


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


def deliver_batch(store: Store, progress: Mapping[int, int], events: Sequence[StoredEvent]) -> set[int]:
    """Deliver these events, all in one transaction or else shard by shard, and one by one where something is wrong.

    Returns the shards of which all were delivered: somebody else has the others.
    """
    for _ in range(ATTEMPTS_AT_ONCE):
        try:
            began = time.perf_counter()
            done = _deliver_together(type(store), progress, events)
            store.keep_pace(len(events), time.perf_counter() - began)
        except ClaimLost:
            return set()
        except Exception as error:  # noqa: BLE001 - a handler may fail in any way
            if is_passing(error):
                continue
            log.info("batch_failed", events=len(events), error=type(error).__name__)
            return _deliver_apart(store, progress, events)
        else:
            return done
        finally:
            beat()
    return set()


def _deliver_apart(store: Store, progress: Mapping[int, int], events: Sequence[StoredEvent]) -> set[int]:
    """Deliver what failed together, so that what is wrong in one shard is a matter of that shard."""
    shards = {event.shard for event in events}
    if len(shards) == 1:
        (shard,) = shards
        return shards if isolated.deliver_one_by_one(store, shard, progress[shard], events) else set()
    done: set[int] = set()
    for shard in sorted(shards):
        done |= deliver_batch(store, progress, [event for event in events if event.shard == shard])
    return done


def _deliver_together(store: type[Store], progress: Mapping[int, int], events: Sequence[StoredEvent]) -> set[int]:
    with transaction() as session:
        connection = session.connection()
        seen = {event.shard: progress[event.shard] for event in events}
        standing = claim(store, connection, seen, types_in(events))
        ours = [event for event in events if event.shard in standing.progress]
        plan = make_plan(standing, ours)
        times = {number: invoke(reaction) for number, reaction in plan.reactions.items()}
        session.flush()
        deferred.add_deferred(session, plan.waiting)
        # In position order: the last one of a shard stays.
        store.add_progress(connection, handled_rows(ours, plan, times), {event.shard: event.position for event in ours})
    return set(standing.progress)


def handled_rows(events: Sequence[StoredEvent], plan: Plan, times: dict[int, int]) -> list[Row]:
    """Return one row per event: the handlers in `times` that were given it, with how long each took."""
    handlers: dict[int, list[int]] = {event.position: [] for event in events}
    for number, reaction in plan.reactions.items():
        if number in times:
            for envelope in reaction.envelopes:
                handlers[envelope.position].append(number)
    return [Row(position, numbers, [times[number] for number in numbers]) for position, numbers in handlers.items()]
