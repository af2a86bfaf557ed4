"""What a happy history does not hold: an assignment to collect, a delivery that died, a run, an open invitation."""

from uuid import UUID

import pyotp
from flask import Flask
from sqlalchemy import select, text

from karokar.assignment import actions as assignment
from karokar.assignment.models import Assignment
from karokar.identity import actions as identity
from karokar.identity.models import Membership, User
from karokar.identity.queries import find_enrolment, list_roles_to_give, sign_in_link
from karokar.identity.resolver import actor_of_member
from karokar.kernel import clock
from karokar.kernel.actor import acting_as, current_actor
from karokar.kernel.db import db, transaction
from karokar.outbox.delivery.drain import drain_all
from karokar.outbox.models import DeferredDelivery
from karokar.runs import actions as runs
from karokar.runs import worker

SIGNED_IN = {
    f"{name}@karokar.example" for name in ("platform", "vendor", "vendor2", "corporate", "corporate2", "employee")
}
"""As whom tests sign in with a password alone."""


def member(app: Flask, email: str):
    """The actor that the owner of this address is."""
    user_id, organization_id = db.session.execute(
        select(User.id, Membership.organization_id)
        .join(Membership, Membership.user_id == User.id)
        .where(User.email == email)
    ).first()
    return actor_of_member(user_id, organization_id)


def add_rare_states(app: Flask) -> None:
    """Add them to a database with the example data."""
    _accept_direct_assignments(app)
    with acting_as(member(app, "corporate@karokar.example")):
        _invite_somebody()
        _check_a_file()
    _turn_on_a_second_factor(app)
    identity.request_password_reset("vendor2@karokar.example")
    identity.answer_reset_requests()
    with acting_as(member(app, "platform@karokar.example")):
        runs.start_run("delivery.retry", {"filters": {"q": "nothing matches this"}, "chosen": []})
    worker.work()
    drain_all()
    _let_a_delivery_die()


def links(app: Flask) -> dict[str, str]:
    """Addresses that only a mail holds."""
    with app.app_context():
        invited = db.session.scalars(select(Membership.id).where(Membership.status == "INVITED")).first()
        person = db.session.scalars(select(User.id).where(User.email == "vendor2@karokar.example")).one()
        found = {"identity.new_password": sign_in_link("password_reset", person)}
        if invited is not None:
            found["identity.invitation"] = sign_in_link("invitation", invited)
    return {endpoint: "/" + address.split("/", 3)[3] for endpoint, address in found.items()}


def _invite_somebody() -> None:
    actor = current_actor()
    roles = list_roles_to_give(actor.organization_id, actor.organization_type)
    identity.invite_member(
        first_name="Lakshmi",
        last_name="Iyer",
        email="new.driver@karokar.example",
        role_id=next(role.id for role in roles if role.code == "EMPLOYEE"),
    )


def _turn_on_a_second_factor(app: Flask) -> None:
    """Of somebody as whom no test signs in, so that the platform can remove it."""
    email = db.session.scalars(
        select(User.email)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.status == "ACTIVE", User.email.not_in(SIGNED_IN))
        .order_by(User.email)
    ).first()
    actor = member(app, email)
    with acting_as(actor):
        identity.begin_enrolment(actor.user_id)
        now = clock.now()
        with clock.standing_at(now):
            identity.confirm_enrolment(actor.user_id, pyotp.TOTP(find_enrolment(actor.user_id).secret).at(now))


def _check_a_file() -> None:
    rows = "Asha,Khan,asha.khan@karokar.example,\nRavi,Iyer,no address,Captain\n"
    runs.keep_file("identity.import", "new drivers.csv", f"first_name,last_name,email,role\n{rows}")


def _accept_direct_assignments(app: Flask) -> None:
    waiting = select(Assignment.id, Assignment.employee_id, Assignment.corporate_organization_id).where(
        Assignment.status == "PENDING", Assignment.booking_id.is_(None)
    )
    for assignment_id, employee_id, organization_id in db.session.execute(waiting).all():
        with acting_as(actor_of_member(employee_id, organization_id)):
            assignment.accept_assignment(assignment_id)


def _let_a_delivery_die() -> None:
    position, event_id, shard = db.session.execute(
        text("select position, event_id, shard from event_log order by position desc limit 1")
    ).one()
    handler = db.session.execute(text("select handler from subscriptions order by handler limit 1")).scalar_one()
    with transaction() as session:
        session.add(
            DeferredDelivery(
                handler=handler,
                position=position,
                event_id=event_id,
                shard=shard,
                stream=str(UUID(int=1)),
                state="dead",
                started=8,
                failed=8,
                error="ValueError: an example of a delivery that gave up",
                fingerprint="example",
                since=clock.now(),
            )
        )
