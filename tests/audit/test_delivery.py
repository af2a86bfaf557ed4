"""Checkpoints reach a webhook and mailboxes outside, at least once, and what keeps them from it is said."""

import base64
import dataclasses
import hmac
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from flask import Flask

from karokar.audit import actions
from karokar.audit.actions import delivery
from karokar.audit.queries import figures
from karokar.audit.rules import Checkpoint, Keys
from karokar.config import ConfigError, load_config
from karokar.kernel import clock
from karokar.kernel.schedule import JOBS, list_failures
from karokar.kernel.settings import settings
from karokar.outbox.processes.scheduler import run_job
from tests.audit.test_chain import happen

SECRET = "kY3-receiver-0f9Qz-of-checkpoints-71"


@dataclass
class Receiver:
    """A web server that keeps what is posted to it; `answer` is the status that it answers with."""

    answer: int = 204
    pause: float = 0.0
    posted: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.asked.append(self.path)
            made.posted.append(({name.lower(): value for name, value in self.headers.items()}, body))
            for letter in b"HTTP/1.1 200 OK\r\n" if made.pause else b"":
                time.sleep(made.pause)
                self.wfile.write(bytes([letter]))
            self.send_response(made.answer)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            made.asked.append(self.path)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}/checkpoints?from=karokar"
    yield made
    server.shutdown()
    server.server_close()


@contextmanager
def stalling() -> Iterator[str]:
    """A receiver that accepts with its head, and then sends nothing of the body that it announced."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\n")
                    while connection.recv(65536):
                        pass

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


@dataclass
class Mailbox:
    """A mail server that keeps what it is given."""

    answer: str = "250 OK"
    unknown: str = ""
    received: list[EmailMessage] = field(default_factory=list)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - the library's name
        if address == self.unknown:
            return "550 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - the library's name
        if self.answer.startswith("250"):
            self.received.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        return self.answer


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    made = Mailbox()
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = int(held.getsockname()[1])
    controller = Controller(made, hostname="127.0.0.1", port=port)
    controller.start()
    yield made, f"smtp://127.0.0.1:{port}"
    controller.stop()


@pytest.fixture
def sealed(
    any_app: Flask, receiver: Receiver, mailbox: tuple[Mailbox, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Flask:
    """Five sealed records, and places outside that want checkpoints of them."""
    changed = dataclasses.replace(
        any_app.config["KAROKAR"],
        audit_checkpoints=tmp_path / "checkpoints.jsonl",
        audit_webhook=receiver.url,
        audit_webhook_secret=SECRET,
        audit_mail=("audit@example.com", "revisor@example.org"),
        smtp_url=mailbox[1],
    )
    monkeypatch.setitem(any_app.config, "KAROKAR", changed)
    happen(5)
    actions.seal_chain()
    return any_app


def test_the_webhook_is_posted_each_new_checkpoint_once_signed_for_its_receiver(sealed: Flask, receiver: Receiver):
    first = actions.post_checkpoint()
    assert first is not None
    assert actions.post_checkpoint() is None, "Nothing new, nothing posted."
    happen(2)
    actions.seal_chain()
    assert actions.post_checkpoint() is not None
    assert receiver.asked == ["/checkpoints?from=karokar"] * 2
    keys = Keys.of(settings().audit_keys)
    for headers, body in receiver.posted:
        assert Checkpoint.parse(body.decode()).is_signed_by(keys)
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = base64.b64encode(hmac.digest(SECRET.encode(), signed, "sha256")).decode()
        assert headers["webhook-signature"] == f"v1,{wanted}"
        assert abs(int(headers["webhook-timestamp"]) - clock.now().timestamp()) < 300


def test_a_posted_checkpoint_proves_what_the_database_cannot(sealed: Flask, receiver: Receiver, tmp_path: Path):
    actions.post_checkpoint()
    copy = tmp_path / "posted.jsonl"
    copy.write_bytes(receiver.posted[0][1])
    found = sealed.test_cli_runner().invoke(args=["audit", "verify", "--from", str(copy)])
    assert found.exit_code == 0, found.output


def test_a_quiet_hour_is_told_from_one_in_which_nothing_is_sent(sealed: Flask, receiver: Receiver):
    actions.post_checkpoint()
    with clock.standing_at(clock.now() + timedelta(minutes=59)):
        assert actions.post_checkpoint() is None
    with clock.standing_at(clock.now() + timedelta(minutes=61)):
        assert actions.post_checkpoint() is not None


def test_a_clock_that_went_back_stops_nothing(sealed: Flask, receiver: Receiver, mailbox: tuple[Mailbox, str]):
    with clock.standing_at(clock.now() + timedelta(days=400)):
        actions.post_checkpoint()
        actions.mail_checkpoint()
    assert actions.post_checkpoint() is not None
    assert actions.mail_checkpoint() is not None


@pytest.mark.parametrize(("answer", "said"), [(500, "answered 500."), (302, "answered 302. It is not followed")])
def test_a_receiver_that_refuses_is_tried_again_and_named_on_system_health(
    sealed: Flask, receiver: Receiver, answer: int, said: str
):
    receiver.answer = answer
    for _ in range(2):
        run_job(JOBS["audit.post_checkpoint"])
    (failure,) = list_failures()
    assert said in failure.error
    assert receiver.asked == ["/checkpoints?from=karokar"] * 2, "A redirect is not followed."
    receiver.answer = 200
    run_job(JOBS["audit.post_checkpoint"])
    assert list_failures() == []


def test_a_receiver_that_is_away_is_named_and_gets_the_checkpoint_when_it_is_back(
    sealed: Flask, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    away = dataclasses.replace(sealed.config["KAROKAR"], audit_webhook="http://127.0.0.1:9/")
    with monkeypatch.context() as meanwhile:
        meanwhile.setitem(sealed.config, "KAROKAR", away)
        with pytest.raises(delivery.NotTaken, match="can't be reached"):
            actions.post_checkpoint()
    assert actions.post_checkpoint() is not None


def test_a_receiver_that_sends_a_letter_at_a_time_is_broken_off(
    sealed: Flask, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    receiver.pause = 0.5
    monkeypatch.setattr(delivery, "WHOLE_SECONDS", 1)
    with pytest.raises(delivery.NotTaken, match="can't be reached"):
        actions.post_checkpoint()


def test_nobody_waits_for_the_body_of_an_answer(sealed: Flask, monkeypatch: pytest.MonkeyPatch):
    with stalling() as url:
        changed = dataclasses.replace(sealed.config["KAROKAR"], audit_webhook=url)
        monkeypatch.setitem(sealed.config, "KAROKAR", changed)
        assert actions.post_checkpoint() is not None


def test_a_process_that_dies_after_the_answer_posts_the_checkpoint_again(
    sealed: Flask, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as dying:
        dying.setattr(delivery, "note_taken", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            actions.post_checkpoint()
    assert actions.post_checkpoint() is not None
    ids = [headers["webhook-id"] for headers, _ in receiver.posted]
    assert ids == [ids[0]] * 2, "The same id, by which the receiver knows a repeat."


def test_a_checkpoint_is_mailed_once_a_day_and_its_line_can_be_copied(
    sealed: Flask, mailbox: tuple[Mailbox, str], tmp_path: Path
):
    assert actions.mail_checkpoint() is not None
    assert actions.mail_checkpoint() is None
    with clock.standing_at(clock.now() + timedelta(hours=25)):
        assert actions.mail_checkpoint() is not None, "Also when nothing is new: a missing mail is a sign."
    assert [mail["To"] for mail in mailbox[0].received] == ["audit@example.com", "revisor@example.org"] * 2
    mail = mailbox[0].received[0]
    assert "Audit checkpoint" in mail["Subject"]
    line = next(line for line in mail.get_content().splitlines() if line.startswith("{"))
    (tmp_path / "copied").write_text(line)
    found = sealed.test_cli_runner().invoke(args=["audit", "verify", "--from", str(tmp_path / "copied")])
    assert found.exit_code == 0, found.output


def test_a_mail_server_that_refuses_is_named_and_tried_again(sealed: Flask, mailbox: tuple[Mailbox, str]):
    mailbox[0].answer = "451 Later"
    with pytest.raises(delivery.NotTaken, match="451"):
        actions.mail_checkpoint()
    mailbox[0].answer = "250 OK"
    assert actions.mail_checkpoint() is not None


def test_a_mail_server_that_greets_for_ever_is_broken_off(sealed: Flask, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(delivery, "WHOLE_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    while True:
                        connection.sendall(b"220-Welcome\r\n")
                        time.sleep(0.1)

        threading.Thread(target=greet, daemon=True).start()
        url = f"smtp://127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setitem(sealed.config, "KAROKAR", dataclasses.replace(sealed.config["KAROKAR"], smtp_url=url))
        with pytest.raises(delivery.NotTaken, match="didn't take"):
            actions.mail_checkpoint()


def test_a_receiver_that_stands_still_delays_neither_the_other_place_nor_anything_else():
    lanes = {name: JOBS[f"audit.{name}"].lane for name in ("post_checkpoint", "mail_checkpoint")}
    assert len(set(lanes.values())) == 2
    others = {job.lane for job in JOBS.values() if job.name.removeprefix("audit.") not in lanes}
    assert others.isdisjoint(lanes.values())


@pytest.mark.parametrize("name", ["post_checkpoint", "mail_checkpoint"])
def test_the_pauses_between_tries_grow_and_end_when_it_is_taken(name: str):
    job = JOBS[f"audit.{name}"]
    assert [job.pause_after(failures) for failures in (0, 1, 2, 3, 4, 1000)] == [60, 120, 240, 480, 900, 900]


def test_an_address_that_is_refused_is_named_until_it_takes_a_checkpoint_and_others_get_one_mail(
    sealed: Flask, mailbox: tuple[Mailbox, str]
):
    mailbox[0].unknown = "revisor@example.org"
    for _ in range(3):
        run_job(JOBS["audit.mail_checkpoint"])
    (failure,) = list_failures()
    assert "revisor@example.org" in failure.error
    assert "audit@example.com" not in failure.error
    assert [mail["To"] for mail in mailbox[0].received] == ["audit@example.com"], "Who has it is not sent it again."
    mailbox[0].unknown = ""
    run_job(JOBS["audit.mail_checkpoint"])
    assert list_failures() == []
    assert [mail["To"] for mail in mailbox[0].received] == ["audit@example.com", "revisor@example.org"]


def test_a_place_that_never_took_one_is_measured_and_one_that_is_no_longer_set_is_not(
    sealed: Flask, monkeypatch: pytest.MonkeyPatch
):
    actions.post_checkpoint()
    changed = dataclasses.replace(sealed.config["KAROKAR"], audit_webhook=None, audit_webhook_secret=None)
    monkeypatch.setitem(sealed.config, "KAROKAR", changed)
    with clock.standing_at(clock.now() + timedelta(days=3)):
        (taken,) = (family for family in figures() if family.name == "audit_checkpoint_taken_seconds")
    assert [sample.labels["place"] for sample in taken.samples] == ["mail"]
    assert taken.samples[0].value >= timedelta(days=3).total_seconds()


def test_how_long_ago_each_place_took_a_checkpoint_is_measured(sealed: Flask):
    actions.post_checkpoint()
    actions.mail_checkpoint()
    (taken,) = (family for family in figures() if family.name == "audit_checkpoint_taken_seconds")
    assert sorted(sample.labels["place"] for sample in taken.samples) == ["mail", "webhook"]


def test_without_a_place_nothing_is_sent(any_app: Flask):
    happen(2)
    actions.seal_chain()
    assert actions.post_checkpoint() is None
    assert actions.mail_checkpoint() is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"KAROKAR_AUDIT_WEBHOOK": "http://evidence.example.com/"}, "https address"),
        ({"KAROKAR_AUDIT_WEBHOOK": "https://me:secret@evidence.example.com/"}, "without user and password"),
        ({"KAROKAR_AUDIT_WEBHOOK": "https://evidence.example.com/"}, "belong together"),
        ({"KAROKAR_AUDIT_WEBHOOK_SECRET": SECRET}, "belong together"),
        ({"KAROKAR_AUDIT_MAIL": "audit@example.com"}, "needs a mail server"),
        ({"KAROKAR_AUDIT_MAIL": "nobody", "KAROKAR_SMTP_URL": "smtp://localhost"}, "addresses such as"),
    ],
)
def test_settings_that_could_not_work_are_refused_at_the_start(tmp_path: Path, given: dict[str, str], said: str):
    with pytest.raises(ConfigError, match=said):
        load_config({"KAROKAR_DATA": str(tmp_path / "var"), **given})
