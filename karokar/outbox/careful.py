"""The slow ways to deliver, for events among which something is wrong.

One by one: a transaction per event, a savepoint per handler, so that a failure harms nobody else. Alone: a transaction
per delivery, begun in writing, so that a delivery that ends its worker is known by its traces.
"""

from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from karokar.kernel.db import transaction
from karokar.kernel.heartbeat import beat
from karokar.outbox import trouble
from karokar.outbox.models import Trouble
from karokar.outbox.plan import Overtaken, Reaction, claim, claim_untouched, make_plan
from karokar.outbox.react import is_passing, react
from karokar.outbox.store import Store, StoredEvent
from karokar.outbox.store.base import Row

ATTEMPTS_AT_ONCE = 20
LOST_ATTEMPTS = 3


def deliver_one_by_one(store: Store, shard: int, progress: int, events: Sequence[StoredEvent]) -> bool:
    """Deliver each event in a transaction of its own; what fails is written down and the others go on."""
    for event in events:
        try:
            if not again_while_passing(partial(_deliver_one, type(store), shard, progress, event)):
                return False
        except Overtaken:
            return False
        except Exception:  # noqa: BLE001 - whatever made the commit fail is found delivery by delivery
            if not deliver_alone(store, shard, progress, [event]):
                return False
        progress = event.position
    return True


def deliver_alone(
    store: Store,
    shard: int,
    progress: int,
    events: Sequence[StoredEvent],
) -> bool:
    """Deliver each delivery in a transaction of its own that was begun in writing."""
    for event in events:
        store.note_start(shard, events[-1].position)
        try:
            with transaction() as session:
                plan = make_plan(
                    claim(type(store), session.connection(), {shard: progress}, [event.event_type]), [event]
                )
            for reaction in plan.reactions.values():
                beat()
                _deliver_begun(type(store), shard, progress, reaction, event)
            with transaction() as session:
                connection = session.connection()
                claim(type(store), connection, {shard: progress})
                done = session.scalars(
                    select(Trouble.handler).where(Trouble.position == event.position, Trouble.state == "done")
                ).all()
                trouble.add_waiting(connection, plan.waiting)
                rows = [Row(event.position, done, [0] * len(done))]
                store.add_progress(connection, rows, {shard: event.position})
        except Overtaken:
            return False
        progress = event.position
    return True


def _deliver_one(store: type[Store], shard: int, progress: int, event: StoredEvent) -> None:
    with transaction() as session:
        connection = session.connection()
        plan = make_plan(claim_untouched(store, connection, {shard: progress}, [event.event_type]), [event])
        done: dict[int, int] = {}
        for number, reaction in plan.reactions.items():
            try:
                with session.begin_nested():
                    took = react(reaction)
            except Exception as error:
                if is_passing(error):
                    raise
                row = trouble.begin(session, number, reaction.handler, event)
                trouble.fail(session, row, reaction.handler, event, error)
            else:
                done[number] = took
        session.flush()
        trouble.add_waiting(connection, plan.waiting)
        rows = [Row(event.position, list(done), list(done.values()))]
        store.add_progress(connection, rows, {shard: event.position})


def _deliver_begun(store: type[Store], shard: int, progress: int, reaction: Reaction, event: StoredEvent) -> None:
    number, handler = reaction.number, reaction.handler
    with transaction() as session:
        claim(store, session.connection(), {shard: progress})
        row = trouble.begin(session, number, handler, event)
        if row.state != "retrying":
            return
        if row.started - row.failed > LOST_ATTEMPTS:
            row.started -= 1
            trouble.bury(session, row, handler, event, trouble.ENDED_THE_WORKER)
            return

    def take(session: Session) -> Trouble:
        # Two may have begun behind the same loss: whoever comes second finds that the first one came to an end.
        claim(store, session.connection(), {shard: progress})
        taken = session.get_one(Trouble, (number, event.position), populate_existing=True)
        if taken.state != "retrying":
            raise Overtaken
        return taken

    def run() -> None:
        with transaction() as session:
            taken = take(session)
            react(reaction)
            session.flush()
            taken.state = "done"

    try:
        is_done = again_while_passing(run)
    except Overtaken:
        raise
    except Exception as error:  # noqa: BLE001 - a handler may fail in any way
        with transaction() as session:
            trouble.fail(session, take(session), handler, event, error)
        return
    if not is_done:
        # An attempt that the database did not let run counts as none.
        with transaction() as session:
            take(session).started -= 1
        raise Overtaken


def again_while_passing(run: Callable[[], None]) -> bool:
    """Run, again while the database refuses only for now; False where it went on refusing."""
    for _ in range(ATTEMPTS_AT_ONCE):
        beat()
        try:
            run()
        except Exception as error:
            if not is_passing(error):
                raise
        else:
            return True
    return False
