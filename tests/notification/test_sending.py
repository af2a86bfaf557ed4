"""Mails against a real SMTP server on this machine, with senders that are killed at every step."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from flask import Flask
from sqlalchemy import select, update

from karokar.app import create_app
from karokar.config import PROJECT, Config
from karokar.identity.actions import invite_member
from karokar.identity.models import Role, User
from karokar.kernel import clock
from karokar.kernel.db import db, transaction
from karokar.kernel.errors import StateConflict
from karokar.kernel.fairness.turns import Turns
from karokar.kernel.ids import new_id
from karokar.notification.actions import let_go, resend, send_again, send_mails, settle_as_arrived
from karokar.notification.actions.sending import MOST_LOST
from karokar.notification.models import Mail, Notification
from karokar.notification.rules.matrix import MOST_ATTEMPTS
from tests.factories.booking import World, make_world


@dataclass
class Server:
    """A mail server that keeps what it is given; `answers` says what it answers instead of taking it."""

    received: list[EmailMessage] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    url: str = ""
    silent_about: set[str] = field(default_factory=set)

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):  # noqa: N802 - the library's name
        if address in self.silent_about:
            await asyncio.sleep(60)
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - the library's name
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.received.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        if "hang up" in self.answers:
            server.transport.abort()
            return "421 gone"
        return "250 OK"

    def ids(self) -> list[str]:
        """The Message-IDs of what was taken, in order."""
        return [str(one["Message-ID"]) for one in self.received]


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    controller = Controller(made, hostname="127.0.0.1", port=_free_port())
    controller.start()
    made.url = f"smtp://127.0.0.1:{controller.port}"
    yield made
    controller.stop()


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def config_of(request: pytest.FixtureRequest, config: Config, server: Server) -> Config:
    """Settings with the mail server, on a database of this test alone."""
    name = {"sqlite": "database_url", "postgresql": "pg_database_url"}[request.param]
    return replace(config, database_url=request.getfixturevalue(name), smtp_url=server.url)


@contextmanager
def running(config: Config) -> Iterator[Flask]:
    app = create_app(config)
    with app.app_context():
        try:
            yield app
        finally:
            db.session.rollback()
            db.session.remove()
            db.engine.dispose()


@pytest.fixture
def app_with_mail(config_of: Config) -> Iterator[Flask]:
    with running(config_of) as app:
        yield app


@pytest.fixture
def world(app_with_mail: Flask) -> World:
    """A marketplace in which one request was told, so that one mail waits: to the vendor's administrator."""
    made = make_world()
    made.requested()
    made.deliver()
    return made


def mail() -> Mail:
    """The one mail, as it is now."""
    db.session.rollback()
    return db.session.scalars(select(Mail).execution_options(populate_existing=True)).one()


def let_claims_run_out() -> None:
    with transaction():
        db.session.execute(update(Mail).where(Mail.claimed_until.is_not(None)).values(claimed_until=_long_ago()))


def let_be_due() -> None:
    with transaction():
        db.session.execute(update(Mail).values(due_at=_long_ago()))


def _long_ago():
    return clock.now() - timedelta(hours=1)


def test_a_mail_arrives_once_in_text_and_html_with_its_own_message_id(world: World, server: Server):
    assert send_mails() == 1
    assert send_mails() == 0
    (received,) = server.received
    assert mail().state == "SENT"
    assert received["Message-ID"] == f"<{mail().id}@karokar.example>"
    assert (
        received["Subject"] == "Meridian Textiles asks for Skoda Octavia · " + str(received["Subject"]).split("· ")[1]
    )
    text = received.get_body(("plain",)).get_content()
    html = received.get_body(("html",)).get_content()
    assert "Please approve or reject it before it begins" in re.sub(r"\s+", " ", text)
    assert f"/notification/{mail().notification_id}" in text
    assert "<h1>Meridian Textiles asks for" in html
    notification = db.session.get(Notification, mail().notification_id)
    assert notification is not None
    assert notification.status == "SENT"


def test_an_event_delivered_again_makes_no_second_mail(world: World, server: Server):
    send_mails()
    with transaction() as session:
        for table in ("progress", "handled"):
            session.connection().exec_driver_sql(f"delete from {table}")
    world.deliver()
    assert send_mails() == 0
    assert len(server.received) == 1


def test_a_refused_address_is_shown_and_not_tried_again(world: World, server: Server):
    server.answers["RCPT"] = "550 no such user here"
    send_mails()
    assert mail().state == "REFUSED"
    assert "550" in str(mail().error)
    let_be_due()
    assert send_mails() == 0
    assert server.received == []


def test_a_server_that_puts_it_off_is_asked_again_later_and_not_for_ever(world: World, server: Server):
    server.answers["DATA"] = "451 come back later"
    send_mails()
    assert mail().state == "QUEUED"
    assert mail().due_at > clock.now()
    assert send_mails() == 0, "it is not due yet"
    for _ in range(MOST_ATTEMPTS - 1):
        let_be_due()
        assert send_mails() == 1
    assert mail().state == "FAILED"
    assert mail().attempts == MOST_ATTEMPTS
    server.answers.clear()
    with world.acting(world.vendor_admin, clock.now()):
        send_again(mail().id)
    let_be_due()
    send_mails()
    assert mail().state == "SENT"


def test_a_server_that_is_away_costs_only_time(world: World, server: Server, config_of: Config):
    with running(replace(config_of, smtp_url=f"smtp://127.0.0.1:{_free_port()}")):
        send_mails()
        assert mail().state == "QUEUED"
        assert "could not be used" in str(mail().error)
        let_be_due()
    send_mails()
    assert mail().state == "SENT"
    assert len(server.received) == 1


def test_a_server_without_encryption_gets_no_mail_where_encryption_is_required(
    world: World, server: Server, config_of: Config
):
    with running(replace(config_of, smtp_tls="required")):
        send_mails()
    assert not server.received
    assert mail().state == "QUEUED"


def test_a_connection_lost_while_the_server_takes_it_leaves_an_unknown_outcome_for_a_person(
    world: World, server: Server
):
    server.answers["hang up"] = "yes"
    send_mails()
    assert mail().state == "UNKNOWN"
    let_be_due()
    assert send_mails() == 0, "nobody repeats it blindly"
    with world.acting(world.platform_admin, clock.now()):
        settle_as_arrived(mail().id)
        assert mail().state == "SENT"
        with pytest.raises(StateConflict):
            let_go(mail().id)


SENDER = """
import os, signal, sys
from karokar.app import create_app
from karokar.notification.actions import sending

def killed(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def after(function):
    def run(*args, **kwargs):
        function(*args, **kwargs)
        killed()
    return run

step = sys.argv[1]
if step == "claimed":
    sending.deliver = killed
elif step == "addressed":
    sending._address = after(sending._address)
elif step == "handing over":
    sending.begin_handing_over = after(sending.begin_handing_over)
elif step == "taken":
    sending.finish = killed
elif step == "noted":
    sending.finish = after(sending.finish)
with create_app().app_context():
    sending.send_mails()
"""


def run_sender(config: Config, step: str) -> int:
    environ = {
        **os.environ,
        "KAROKAR_DATA": str(config.data),
        "DATABASE_URL": config.database_url,
        "SECRET_KEY": config.secret_key,
        "KAROKAR_SMTP_URL": str(config.smtp_url),
        "KAROKAR_TESTING": "true",
        "KAROKAR_ENVIRONMENT": "test",
        "EVENT_BUS_DISPATCHER": "none",
    }
    db.session.remove()
    command = [sys.executable, "-c", SENDER, step]
    return subprocess.run(command, check=False, env=environ, cwd=PROJECT, timeout=100).returncode


@pytest.mark.parametrize(
    ("step", "end"),
    [
        ("claimed", (1, "SENT")),
        ("addressed", (1, "SENT")),
        ("handing over", (0, "UNKNOWN")),
        ("taken", (1, "UNKNOWN")),
        ("noted", (1, "SENT")),
    ],
)
def test_a_sender_killed_at_any_step_never_makes_a_second_mail(
    world: World, server: Server, config_of: Config, step: str, end: tuple[int, str]
):
    assert run_sender(config_of, step) == -signal.SIGKILL
    let_claims_run_out()
    let_be_due()
    send_mails()
    send_mails()
    assert (len(server.received), mail().state) == end


def test_only_the_mail_whose_acknowledgement_was_lost_can_repeat_and_it_has_the_same_message_id(
    world: World, server: Server, config_of: Config
):
    run_sender(config_of, "taken")
    let_claims_run_out()
    send_mails()
    with world.acting(world.platform_admin, clock.now()):
        send_again(mail().id)
    let_be_due()
    send_mails()
    assert mail().state == "SENT"
    assert len(server.received) == 2
    assert len(set(server.ids())) == 1


def test_a_sender_that_lost_its_claim_hands_nothing_over(world: World, server: Server):
    from karokar.notification.actions import sending

    claim = sending.claim_one(mail().id)
    assert claim is not None
    let_claims_run_out()
    with sending._server(sending._patience) as connect:
        outcome = sending.deliver(claim, connect)
        sending.finish(claim, outcome)
    assert server.received == []
    let_be_due()
    send_mails()
    assert len(server.received) == 1


def test_senders_at_work_at_the_same_time_take_each_mail_once(world: World, server: Server, config_of: Config):
    for number in range(12):
        world.requested(
            start=world.start + timedelta(days=2 * number + 2), end=world.end + timedelta(days=2 * number + 2)
        )
    world.deliver()
    app = create_app(config_of)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with app.app_context():
                while send_mails():
                    pass
                db.session.remove()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with app.app_context():
        db.engine.dispose()
    assert failures == []
    while send_mails():
        pass
    assert len(server.received) == 13
    assert len(set(server.ids())) == 13


def test_a_replay_that_asks_for_it_sends_anew_under_a_new_number(world: World, server: Server):
    send_mails()
    event_id: UUID = db.session.scalars(select(Notification.source_event_id)).first()  # type: ignore[assignment]
    assert resend(event_id) == 1
    assert resend(event_id) == 0, "the new one is still on its way"
    send_mails()
    assert len(set(server.ids())) == 2


# Mails that cannot be sent hold up no other ---------------------------------------------------------------------------


def invite(world: World, email: str) -> None:
    """Invite somebody to the vendor, and change their address afterwards: as if it had been accepted."""
    with world.acting(world.vendor_admin, clock.now()):
        role_id = db.session.scalars(select(Role.id).where(Role.code == "VENDOR_ADMIN")).one()
        membership = invite_member(
            first_name="Jörg", last_name="Müller", email=f"{new_id()}@x.example", role_id=role_id
        )
    with transaction():
        db.session.execute(update(User).where(User.id == membership.user_id).values(email=email))


def mail_to(email: str) -> Mail:
    db.session.rollback()
    statement = select(Mail).join(User, User.id == Mail.recipient_id).where(User.email == email)
    return db.session.scalars(statement.execution_options(populate_existing=True)).one()


def test_forty_mails_that_cannot_be_sent_do_not_hold_up_an_ordinary_one(world: World, server: Server):
    addresses = [f"m.müller{number}@rental.example" for number in range(40)]
    for address in addresses:
        invite(world, address)
    invite(world, "asha@rental.example")
    world.deliver()
    send_mails()
    assert "asha@rental.example" in [str(one["To"]).split("<")[-1].strip("<>") for one in server.received]
    for address in addresses:
        assert mail_to(address).state == "REFUSED"
        assert "“ü”" in str(mail_to(address).error)


@pytest.mark.parametrize("step", ["render_mail", "_message", "_address"])
def test_whatever_happens_to_a_mail_is_its_outcome_with_a_reason_and_tries_end(
    world: World, server: Server, monkeypatch: pytest.MonkeyPatch, step: str
):
    from karokar.notification.actions import sending

    invite(world, "asha@rental.example")
    world.deliver()
    bad, good = sorted(db.session.scalars(select(Mail.id)), key=str)
    real = getattr(sending, step)

    def broken(*args, **kwargs):
        if bad_notification in args or any(getattr(one, "mail_id", None) == bad for one in args) or step == "_address":
            raise RuntimeError("broken")
        return real(*args, **kwargs)

    bad_notification = db.session.get_one(Mail, bad).notification_id
    monkeypatch.setattr(sending, step, broken)
    for _ in range(MOST_ATTEMPTS):
        assert send_mails() > 0
        let_be_due()
    failed = db.session.get_one(Mail, bad, populate_existing=True)
    assert failed.state == "FAILED"
    assert "could not be prepared (RuntimeError)" in str(failed.error)
    assert db.session.get_one(Notification, failed.notification_id, populate_existing=True).status == "FAILED"
    if step != "_address":
        assert db.session.get_one(Mail, good, populate_existing=True).state == "SENT"


def test_a_mail_that_ends_its_sender_each_time_is_given_up_and_the_others_go_on(
    world: World, server: Server, config_of: Config
):
    for _ in range(MOST_LOST):
        assert run_sender(config_of, "claimed") == -signal.SIGKILL
        let_claims_run_out()
        with transaction():
            from karokar.notification.actions.sending import release_lost

            release_lost()
        assert mail().state == "FAILED" or mail().attempts == 1 or mail().due_at > clock.now(), "others come first"
        let_be_due()
    assert mail().state == "FAILED"
    assert f"Given up: the sender ended {MOST_LOST} times while it worked on this mail" in str(mail().error)
    invite(world, "asha@rental.example")
    world.deliver()
    assert send_mails() == 1
    assert mail_to("asha@rental.example").state == "SENT"


def test_a_server_that_is_silent_about_some_recipients_gets_short_time_for_the_next(
    world: World, server: Server, monkeypatch: pytest.MonkeyPatch
):
    from karokar.notification.actions import sending

    patience = sending._Patience()
    monkeypatch.setattr(sending, "_patience", patience)
    monkeypatch.setattr(sending, "SERVER_TIMEOUT_SECONDS", 2)
    monkeypatch.setattr(sending, "TURN_SECONDS", 30.0)
    server.silent_about.add("slow@rental.example")
    invite(world, "slow@rental.example")
    world.deliver()
    send_mails()
    assert mail_to("slow@rental.example").state == "QUEUED"
    assert "could not be used" in str(mail_to("slow@rental.example").error)
    assert patience.seconds == sending.IMPATIENT_SECONDS
    assert len(server.received) == 1, "the vendor's ordinary mail went out in the same turn"


def test_organizations_take_turns(world: World, server: Server, monkeypatch: pytest.MonkeyPatch):
    from karokar.notification.actions import sending

    monkeypatch.setattr(sending, "_turns", Turns())
    for number in range(5):
        invite(world, f"p{number}@rental.example")
    with world.acting(world.company_admin, clock.now()):
        role_id = db.session.scalars(select(Role.id).where(Role.code == "EMPLOYEE")).one()
        invite_member(first_name="Mia", last_name="Berg", email="mia@textiles.example", role_id=role_id)
    world.deliver()
    with transaction():
        late = select(User.id).where(User.email == "mia@textiles.example").scalar_subquery()
        db.session.execute(update(Mail).where(Mail.recipient_id != late).values(due_at=_long_ago()))
    send_mails()
    order = [str(one["To"]) for one in server.received]
    assert "mia@textiles.example" in order[0] + order[1]


def test_a_clock_that_was_ahead_and_is_put_right_holds_up_no_mail(world: World, server: Server):
    ahead = clock.now() + timedelta(hours=1)
    with transaction():
        db.session.execute(update(Mail).values(state="SENDING", claimed_until=ahead, attempts=2))
    assert send_mails() == 0, "it waits for the pause after a try that was lost"
    assert mail().state == "QUEUED"
    assert mail().due_at < clock.now() + timedelta(minutes=5)
    with transaction():
        db.session.execute(update(Mail).values(due_at=ahead))
    assert send_mails() == 1
    assert mail().state == "SENT"
