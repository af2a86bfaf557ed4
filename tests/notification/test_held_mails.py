"""So many mails to one person: the others are held back and sent later; and a mail that ends its sender comes last."""

import dataclasses
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from karokar.identity.actions import invite_member
from karokar.identity.models import Role
from karokar.kernel import clock
from karokar.kernel.db import db, transaction
from karokar.notification.actions import send_mails, sending
from karokar.notification.models import Mail, Notification
from tests.factories import people
from tests.factories.booking import make_world


class Server:
    """Takes every mail; nothing travels."""

    sock = None

    def mail(self, _address):
        return 250, b"OK"

    def rcpt(self, _address):
        return 250, b"OK"

    def data(self, _content):
        return 250, b"OK"

    def rset(self):
        return 250, b"OK"

    def quit(self):
        """Nothing is open."""

    def close(self):
        """Nothing is open."""


@pytest.fixture
def limit(any_app, monkeypatch):
    def change(**limits):
        changed = dataclasses.replace(any_app.config["KAROKAR"], smtp_url="smtp://127.0.0.1:9", limits=limits)
        monkeypatch.setitem(any_app.config, "KAROKAR", changed)
        monkeypatch.setattr(sending, "open_server", lambda _seconds: Server())
        monkeypatch.setattr(sending, "TURN_SECONDS", 60.0)

    return change


@pytest.fixture
def world(any_app):
    """Three requests were told: three mails wait, each to the vendor's administrator."""
    made = make_world()
    for days in (0, 3, 6):
        made.requested(start=made.start + timedelta(days=days), end=made.end + timedelta(days=days))
    made.deliver()
    return made


def mails(*conditions):
    db.session.rollback()
    statement = select(Mail).join(Notification).where(*conditions).order_by(Mail.due_at, Mail.id)
    return list(db.session.scalars(statement.execution_options(populate_existing=True)))


def states():
    return sorted(one.state for one in mails())


def an_hour_passes():
    hour = timedelta(hours=1, minutes=1)
    with transaction():
        for one in db.session.scalars(select(Mail)).all():
            values = {name: getattr(one, name) - hour for name in ("sent_at", "held_until") if getattr(one, name)}
            db.session.execute(update(Mail).where(Mail.id == one.id).values(due_at=one.due_at - hour, **values))


@pytest.mark.parametrize("name", ["mails-recipient-hour", "mails-recipient-day"])
def test_what_is_over_a_persons_limit_is_held_back_with_a_reason_and_none_is_lost(world, limit, name):
    limit(**{name: 2})
    assert send_mails() == 2
    assert states() == ["QUEUED", "SENT", "SENT"]
    (held,) = mails(Mail.state == "QUEUED")
    assert "Held back: 2 mails were sent to this person within" in str(held.error)
    assert held.held_until > clock.now()
    assert held.attempts == 0
    assert send_mails() == 0
    for _ in range(24 if name.endswith("day") else 1):
        an_hour_passes()
    assert send_mails() == 1
    assert states() == ["SENT", "SENT", "SENT"]
    assert all(one.error is None for one in mails())


def test_mails_about_the_account_are_never_held_back_nor_counted(world, limit):
    limit(**{"mails-recipient-hour": 2})
    send_mails()
    (held,) = mails(Mail.state == "QUEUED")
    with transaction():
        db.session.execute(update(Notification).where(Notification.id == held.notification_id).values(kind="SECURITY"))
        db.session.execute(update(Mail).where(Mail.id == held.id).values(held_until=None))
    assert send_mails() == 1
    with transaction():
        db.session.execute(update(Notification).values(kind="ACCOUNT"))
        db.session.execute(update(Mail).where(Mail.id == held.id).values(state="QUEUED", sent_at=None))
        db.session.execute(
            update(Notification).where(Notification.id == held.notification_id).values(kind="BOOKING_REQUESTS")
        )
    assert send_mails() == 1


def test_others_get_their_mails_while_one_persons_are_held_back(world, limit):
    limit(**{"mails-recipient-hour": 1})
    role = db.session.scalars(select(Role.id).where(Role.code == "EMPLOYEE")).one()
    with world.acting(world.company_admin, clock.now()):
        invite_member(first_name="Mia", last_name="Berg", email="mia@textiles.example", role_id=role)
    world.deliver()
    assert send_mails() == 2
    assert [one.state for one in mails(Notification.kind == "ACCOUNT")] == ["SENT"]


def test_the_page_of_a_mail_says_that_it_is_held_back(world, limit, any_client):
    limit(**{"mails-recipient-hour": 2})
    send_mails()
    (held,) = mails(Mail.state == "QUEUED")
    people.sign_in(any_client, people.platform_admin())
    page = any_client.get(f"/notification/mail/{held.id}")
    assert page.status_code == 200
    assert "Held back: 2 mails were sent to this person within an hour" in page.text


def test_a_clock_that_went_ahead_holds_no_mail_back_after_it_was_put_right(world, limit):
    limit()
    with transaction():
        db.session.execute(update(Mail).values(held_until=clock.now() + timedelta(days=300)))
    assert send_mails() == 3


def test_a_mail_that_ended_its_sender_comes_after_the_others_and_is_given_up_with_its_reason(world, limit):
    limit()
    poison = mails()[0]
    killed = []
    for _ in range(sending.MOST_LOST):
        # The sender is gone right after it claimed the mail; its claim runs out, and another sender comes.
        assert sending.claim_one(poison.id) is not None
        with transaction():
            ran_out = clock.now() - timedelta(hours=1)
            db.session.execute(update(Mail).where(Mail.id == poison.id).values(claimed_until=ran_out))
        sending.release_lost()
        with transaction():
            db.session.execute(update(Mail).where(Mail.id == poison.id).values(due_at=clock.now() - timedelta(days=1)))
        killed.append(sending.list_due()[-1])
    assert killed[:-1] == [poison.id] * (sending.MOST_LOST - 1), "it is due longest, and comes last"
    (given_up,) = mails(Mail.id == poison.id)
    assert given_up.state == "FAILED"
    assert given_up.error == "Given up: the sender ended 3 times while it worked on this mail. The log says why."
    assert send_mails() == 2
    assert states() == ["FAILED", "SENT", "SENT"]
