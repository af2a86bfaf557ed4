"""What the test of simultaneous approvals starts: so many processes that wait at a barrier, then approve what they have.

    python -m tests.booking.approve_at_once PROCESSES DATABASE_URL DATA VENDOR_ADMIN_USER VENDOR MOMENT BOOKING…

Prints all outcomes as one JSON list. The application is loaded once and the processes are forked from it; each opens
connections of its own.
"""

import json
import multiprocessing
import sys
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Flask

from karokar.app import create_app
from karokar.config import load_config
from karokar.kernel.clock import standing_at
from karokar.kernel.db import db


def main() -> None:
    processes, url, data, user, vendor, moment, *bookings = sys.argv[1:]
    app = create_app(
        load_config(
            {
                "DATABASE_URL": url,
                "KAROKAR_DATA": data,
                "SECRET_KEY": "a-key-for-tests-alone-0123456789",
                "KAROKAR_TESTING": "true",
                "KAROKAR_ENVIRONMENT": "test",
                "EVENT_BUS_DISPATCHER": "none",
            }
        )
    )
    fork = multiprocessing.get_context("fork")
    barrier, outcomes = fork.Barrier(int(processes)), fork.SimpleQueue()
    workers = [
        fork.Process(
            target=work, args=(app, barrier, outcomes, (user, vendor, moment), bookings[number :: int(processes)])
        )
        for number in range(int(processes))
    ]
    for worker in workers:
        worker.start()
    found = [outcome for _ in workers for outcome in outcomes.get()]
    for worker in workers:
        worker.join()
    print(json.dumps(found))


def work(app: Flask, barrier: Any, outcomes: Any, who_and_when: tuple[str, str, str], bookings: list[str]) -> None:
    from tests.factories.booking import actor

    user, vendor, moment = who_and_when
    with app.app_context():
        who = actor(UUID(user), UUID(vendor), "VENDOR_ADMIN")
        db.session.rollback()
        barrier.wait(60)
        with standing_at(datetime.fromisoformat(moment)):
            outcomes.put([approve(UUID(one), who) for one in bookings])
        db.session.remove()
        db.engine.dispose()


def approve(booking_id: UUID, who: Any) -> str:
    """Approve and reject all who lose by it; return "approved", the refusal's code, or what else went wrong."""
    from karokar.booking.actions import approve_booking
    from karokar.kernel.actor import acting_as
    from karokar.kernel.errors import DomainError

    try:
        with acting_as(who):
            approve_booking(booking_id, reject_overlapping=True, reason="ALREADY_PROMISED", note="Sorry")
    except DomainError as refusal:
        return refusal.code
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "approved"


if __name__ == "__main__":
    main()
