"""The sender: takes mails that are due to the mail server, each at most once that anybody can know of.

A mail is claimed with a random token and a deadline by the database's clock, and committed. It is connected, named a
sender and a recipient; up to there whoever dies leaves a claim that runs out, and the mail is due again. Then
HANDING_OVER is committed, the server is given the content, and its answer is committed. Whoever dies between these two
leaves an outcome that nobody can know: the mail becomes UNKNOWN, and a person decides. The Message-ID is always the
same, so that a copy is recognised.
"""

import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, parseaddr
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from uuid import UUID

from sqlalchemy import DateTime, func, select, update

from karokar.kernel import clock
from karokar.kernel.db import UtcDateTime, action, db
from karokar.kernel.errors import NotFound
from karokar.kernel.ids import new_id
from karokar.kernel.schedule import every
from karokar.kernel.settings import settings
from karokar.notification.actions.wording import Rendered, render_mail
from karokar.notification.models import Mail, MailState, Notification, Status
from karokar.notification.queries import is_anything_on_its_way
from karokar.notification.rules.matrix import MOST_ATTEMPTS, message_id, pause_before_retry

CLAIM_SECONDS = 60
TURN_SECONDS = 5.0
"""How long one turn of the sender goes on taking mails; the clock comes again."""
SERVER_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Claim:
    """A mail that this sender alone may take to the server, until the deadline."""

    mail_id: UUID
    token: UUID
    attempts: int
    notification_id: UUID
    recipient_id: UUID
    kind: str
    template: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of a try. A QUEUED mail is tried again after a pause."""

    state: MailState
    error: str | None = None


@every(2, lane="mail")
def send_mails() -> int:
    """Send the mails that are due, for a few seconds at most, and return how many were taken up.

    Without a mail server they are kept, to be read in the console.
    """
    if not is_anything_on_its_way():
        return 0
    release_lost()
    if settings().smtp_url is None:
        return keep_all()
    until = time.monotonic() + TURN_SECONDS
    count = 0
    with _server() as connect:
        while time.monotonic() < until and (claim := claim_one()) is not None:
            finish(claim, deliver(claim, connect))
            count += 1
    return count


@action
def release_lost() -> None:
    """Make claims that ran out due again; whoever was handing over leaves an unknown outcome, for a person."""
    ran_out = Mail.claimed_until < _database_time()
    _update(
        (Mail.state == MailState.SENDING, ran_out),
        state=MailState.QUEUED,
        claim_token=None,
        claimed_until=None,
    )
    _update(
        (Mail.state == MailState.HANDING_OVER, ran_out),
        state=MailState.UNKNOWN,
        error="The sender ended while the mail server was taking the mail; nobody can tell whether it arrived.",
    )


@action
def keep_all() -> int:
    """Keep every mail that is due: there is no mail server. Returns how many."""
    kept = _update((Mail.state == MailState.QUEUED,), state=MailState.KEPT)
    if kept:
        waiting = select(Mail.notification_id).where(Mail.state == MailState.KEPT)
        db.session.execute(
            update(Notification)
            .where(Notification.status == Status.PENDING, Notification.id.in_(waiting))
            .values(status=Status.SENT)
            .execution_options(synchronize_session=False)
        )
    return kept


@action
def claim_one() -> Claim | None:
    """Claim the mail that has been due the longest; None where none is due."""
    due = (
        select(Mail.id)
        .where(Mail.state == MailState.QUEUED, Mail.due_at <= _database_time())
        .order_by(Mail.due_at, Mail.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    mail_id = db.session.scalar(due)
    if mail_id is None:
        return None
    token = new_id()
    _update(
        (Mail.id == mail_id,),
        state=MailState.SENDING,
        claim_token=token,
        claimed_until=_database_time(CLAIM_SECONDS),
        attempts=Mail.attempts + 1,
    )
    row = db.session.execute(select(Mail.attempts, Notification).join(Notification).where(Mail.id == mail_id)).one()
    notification = row[1]
    return Claim(
        mail_id,
        token,
        row[0],
        notification.id,
        notification.recipient_id,
        notification.kind,
        notification.template,
        dict(notification.data),
    )


@action
def begin_handing_over(claim: Claim) -> bool:
    """Note that the server is about to take the mail; False where the claim ran out, and the mail is not ours."""
    mine = (
        Mail.id == claim.mail_id,
        Mail.claim_token == claim.token,
        Mail.state == MailState.SENDING,
        Mail.claimed_until > _database_time(),
    )
    changed = _update(mine, state=MailState.HANDING_OVER, claimed_until=_database_time(CLAIM_SECONDS))
    return changed == 1


@action
def finish(claim: Claim, outcome: Outcome) -> None:
    """Note what became of a try, unless the claim was lost in the meantime to somebody else."""
    state, error = outcome.state, outcome.error
    if state is MailState.QUEUED and claim.attempts >= MOST_ATTEMPTS:
        state = MailState.FAILED
    values: dict[str, Any] = {"state": state, "error": error, "claimed_until": None}
    if state is MailState.QUEUED:
        values["due_at"] = clock.now() + pause_before_retry(claim.attempts)
    if state is MailState.SENT:
        values["sent_at"] = clock.now()
    # A sender that was frozen may come back after its mail was declared unknown: it knows, so its word counts.
    mine = (
        Mail.id == claim.mail_id,
        Mail.claim_token == claim.token,
        Mail.state.in_([MailState.SENDING, MailState.HANDING_OVER, MailState.UNKNOWN]),
    )
    if not _update(mine, **values):
        return
    ends = {MailState.SENT: Status.SENT, MailState.REFUSED: Status.FAILED, MailState.FAILED: Status.FAILED}
    if state in ends or state is MailState.OBSOLETE:
        status = ends.get(state, Status.SENT)
        db.session.execute(
            update(Notification)
            .where(Notification.id == claim.notification_id)
            .values(status=status)
            .execution_options(synchronize_session=False)
        )


def deliver(claim: Claim, connect: Callable[[], smtplib.SMTP]) -> Outcome:
    """Take a claimed mail to the server that `connect` gives, and return what became of it."""
    try:
        rendered = render_mail(claim.notification_id, claim.recipient_id, claim.kind, claim.template, claim.data)
    except NotFound:
        return Outcome(MailState.OBSOLETE, "The recipient's account is gone.")
    if rendered is None:
        return Outcome(MailState.OBSOLETE, "There is nothing left to say: what the mail was about is over.")
    has_begun = False
    try:
        server = connect()
        _address(server, rendered)
        has_begun = begin_handing_over(claim)
        if not has_begun:
            server.rset()
            return Outcome(MailState.QUEUED, "The claim ran out before the mail was handed over.")
        code, answer = server.data(_message(claim, rendered).as_bytes(policy=SMTP))
    except _Answer as refused:
        return _by_code(refused.code, refused.text)
    except smtplib.SMTPDataError as refused:
        return _by_code(refused.smtp_code, refused.smtp_error)
    except (OSError, smtplib.SMTPException, ssl.SSLError) as error:
        if has_begun:
            return Outcome(MailState.UNKNOWN, f"The connection broke while the mail was handed over: {_plain(error)}")
        return Outcome(MailState.QUEUED, _plain(error))
    return Outcome(MailState.SENT) if code == 250 else _by_code(code, answer)


class _Answer(Exception):
    """The server refused a step before the content."""

    def __init__(self, code: int, text: bytes) -> None:
        super().__init__(code)
        self.code, self.text = code, text


def _address(server: smtplib.SMTP, rendered: Rendered) -> None:
    sender = parseaddr(settings().mail_from)[1]
    for say, address in ((server.mail, sender), (server.rcpt, rendered.to)):
        code, answer = say(address)
        if code not in {250, 251}:
            raise _Answer(code, answer)


def _by_code(code: int, answer: bytes | str) -> Outcome:
    said = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    sentence = f"The mail server answered {code}: {said}"[:500]
    return Outcome(MailState.REFUSED if code >= 500 else MailState.QUEUED, sentence)


def _plain(error: BaseException) -> str:
    return f"The mail server could not be used: {type(error).__name__}: {error}"[:500]


def _message(claim: Claim, rendered: Rendered) -> EmailMessage:
    made = EmailMessage(policy=SMTP)
    sender = settings().mail_from
    made["From"] = sender
    made["To"] = formataddr((rendered.name, rendered.to))
    made["Subject"] = rendered.subject
    made["Date"] = format_datetime(clock.now())
    made["Message-ID"] = message_id(claim.mail_id, parseaddr(sender)[1].rsplit("@", 1)[-1])
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(rendered.text)
    made.add_alternative(rendered.html, subtype="html")
    return made


@contextmanager
def _server() -> Iterator[Callable[[], smtplib.SMTP]]:
    """Give a function that returns a connection to the mail server: one for the turn, opened when first needed."""
    held: list[smtplib.SMTP] = []

    def connect() -> smtplib.SMTP:
        if held:
            with suppress(smtplib.SMTPException, OSError):
                if held[0].rset()[0] == 250:
                    return held[0]
            held.pop().close()
        held.append(_open())
        return held[0]

    try:
        yield connect
    finally:
        for server in held:
            with suppress(smtplib.SMTPException, OSError):
                server.quit()


def _open() -> smtplib.SMTP:
    parts = urlsplit(settings().smtp_url or "")
    host, context = parts.hostname or "", ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, parts.port or 465, timeout=SERVER_TIMEOUT_SECONDS, context=context
        )
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=SERVER_TIMEOUT_SECONDS)
    try:
        _greet(server, parts, context)
    except (OSError, smtplib.SMTPException):
        server.close()
        raise
    return server


def _greet(server: smtplib.SMTP, parts: SplitResult, context: ssl.SSLContext) -> None:
    server.ehlo()
    # smtplib refuses a required STARTTLS that the server does not offer (or that somebody on the way took out).
    if parts.scheme == "smtp" and (settings().smtp_tls == "required" or server.has_extn("starttls")):
        server.starttls(context=context)
        server.ehlo()
    if parts.username:
        server.login(unquote(parts.username), unquote(parts.password or ""))


def _update(conditions: tuple[Any, ...], **values: Any) -> int:
    result: Any = db.session.execute(
        update(Mail).where(*conditions).values(**values).execution_options(synchronize_session=False)
    )
    return int(result.rowcount)


def _database_time(seconds: int = 0) -> Any:
    """Return the database's own time, so many seconds from now, as its columns hold times."""
    if db.session.get_bind().dialect.name == "postgresql":
        return func.clock_timestamp(type_=DateTime(timezone=True)) + timedelta(seconds=seconds)
    return func.strftime("%Y-%m-%d %H:%M:%f000", "now", f"+{seconds} seconds", type_=UtcDateTime())
