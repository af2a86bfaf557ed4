"""Engines that break a promise on purpose: whoever checks must catch them."""

import os
import random
import signal
import time

from karokar.kernel.db import transaction
from karokar.outbox.delivery import batch, isolated
from karokar.outbox.delivery import deferred as deferred_row
from karokar.outbox.delivery.batch import handled_rows
from karokar.outbox.delivery.dispatch_plan import ClaimLost, claim, defer_all, make_plan, types_in
from karokar.outbox.delivery.invoke import invoke
from karokar.outbox.store.base import Row
from karokar.outbox.store.postgresql import PostgresqlStore

DIES_BETWEEN = 0.3
"""Often enough that a run of any seed shows it, however many events a batch has."""


def commit_effects_and_progress_apart() -> None:
    """What handlers wrote is committed first, how far we are afterwards: whoever dies in between does it twice."""

    chance = random.SystemRandom()

    def deliver_together(store, progress, events):
        seen = {event.shard: progress[event.shard] for event in events}
        with transaction() as session:
            standing = claim(store, session.connection(), seen, types_in(events))
            ours = [event for event in events if event.shard in standing.progress]
            plan = make_plan(standing, ours)
            times = {number: invoke(reaction) for number, reaction in plan.reactions.items()}
        if chance.random() < DIES_BETWEEN:
            os.kill(os.getpid(), signal.SIGKILL)
        with transaction() as session:
            connection = session.connection()
            claim(store, connection, standing.progress)
            deferred_row.add_deferred(session, plan.waiting)
            reached = {event.shard: event.position for event in ours}
            store.add_progress(connection, handled_rows(ours, plan, times), reached)
        return set(reached)

    batch._deliver_together = deliver_together


def make_up_for_losses_apart() -> None:
    """Move the progress of a lost batch first, leave its deliveries to retries afterwards: who dies between loses them."""

    chance = random.SystemRandom()

    def defer(store, shard, progress, events, *, started=0):
        if not events:
            return False
        try:
            with transaction() as session:
                connection = session.connection()
                standing = claim(type(store), connection, {shard: progress}, types_in(events))
                rows = [Row(event.position, [], []) for event in events]
                store.add_progress(connection, rows, {shard: events[-1].position})
        except ClaimLost:
            return False
        if chance.random() < DIES_BETWEEN:
            os.kill(os.getpid(), signal.SIGKILL)
        with transaction() as session:
            deferred = defer_all(standing, events, {event.position: () for event in events})
            deferred_row.add_deferred(session, deferred, started=started)
        return True

    isolated.defer = defer


def poll_by_cursor() -> None:
    """Read on from the last row number that was seen: a number that is committed later is never seen."""

    def sequence(self):
        self._execute(
            "insert into event_log(position, event_id, shard)"
            " select (select coalesce(max(position), 0) from event_log) + row_number() over (order by id), id, shard"
            " from events where id > (select coalesce(max(event_id), 0) from event_log) on conflict do nothing"
        )

    PostgresqlStore.sequence = sequence


def slow_commits(seconds: float) -> None:
    """Hold each writer's transaction open for a while after its event was recorded."""
    from karokar.outbox import recorder

    recorded = recorder.add_event

    def add_event(connection, event):
        recorded(connection, event)
        time.sleep(seconds * (event.aggregate_seq % 5) / 4)

    recorder.add_event = add_event


BROKEN = {
    "apart": commit_effects_and_progress_apart,
    "losses apart": make_up_for_losses_apart,
    "cursor": poll_by_cursor,
}
