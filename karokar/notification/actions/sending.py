"""The sender: takes mails that are due to the mail server, each at most once that anybody can know of.

Organizations take turns. A mail is claimed with a random token and a deadline by the database's clock, and committed.
The server is connected and told the sender and the recipient; whoever dies before that is done leaves a claim that
runs out, and the mail is due again, up to the limit of tries. Then HANDING_OVER is committed, the server is given the
content, and its answer is committed. Whoever dies between these two leaves an outcome that nobody can know: the mail
becomes UNKNOWN, and a person decides. The Message-ID is always the same, so that a copy is recognised.
"""

import smtplib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, parseaddr
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select, update

from karokar.kernel import clock
from karokar.kernel.db import action, database_now, db
from karokar.kernel.errors import NotFound
from karokar.kernel.fairness.turns import Turns
from karokar.kernel.ids import new_id
from karokar.kernel.log import get_logger
from karokar.kernel.schedule import every
from karokar.kernel.settings import settings
from karokar.kernel.smtp import open_server
from karokar.kernel.text.email_addresses import email_problem
from karokar.notification.actions.held_mails import hold_back, is_not_held
from karokar.notification.actions.rendering import Rendered, render_mail
from karokar.notification.models import Mail, MailState, Notification, Status
from karokar.notification.queries import is_anything_on_its_way
from karokar.notification.rules.matrix import MOST_ATTEMPTS, message_id, pause_before_retry

MOST_LOST = 3
"""After so many senders that ended while they worked on it, a mail is given up: it may be what ends them."""
_TRIES = range(1, MOST_ATTEMPTS + 1)
CLAIM = timedelta(seconds=60)
TURN_SECONDS = 5.0
"""How long one turn of the sender goes on taking mails; the clock comes again."""
AT_A_TURN = 25
"""How many mails of an organization are looked up at once."""
SERVER_TIMEOUT_SECONDS = 10
IMPATIENT_SECONDS = 1
IMPATIENT_FOR_SECONDS = 60.0


class _Patience:
    """How long the server may take to answer before a mail is handed over.

    Once it did not answer in time, the mails of the next minute get a second each: a server that is silent about some
    recipients must not hold up the mails to everybody else. Those that were cut short are tried again after a pause.
    """

    def __init__(self) -> None:
        self._lost_until = 0.0

    def lose(self) -> None:
        """Be short with the server for a while, unless that is so already."""
        if time.monotonic() >= self._lost_until:
            self._lost_until = time.monotonic() + IMPATIENT_FOR_SECONDS

    @property
    def seconds(self) -> int:
        """How long to wait for an answer now."""
        return IMPATIENT_SECONDS if time.monotonic() < self._lost_until else SERVER_TIMEOUT_SECONDS


_patience = _Patience()
_turns = Turns()


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
    is_server_silent: bool = False


Connect = Callable[[], smtplib.SMTP]


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
    with _server(_patience) as connect:
        while due := list_due():
            for mail_id in due:
                if time.monotonic() > until:
                    return count
                claim = claim_one(mail_id)
                if claim is None:
                    continue
                outcome = deliver(claim, connect)
                if outcome.is_server_silent:
                    _patience.lose()
                finish(claim, outcome)
                count += 1
    return count


@action
def release_lost() -> None:
    """Make claims that ran out due again, after a pause from the second one on, or give them up after the last try.

    Whoever was handing over leaves an unknown outcome, for a person.
    """
    now = database_now(db.session())
    ran_out = or_(Mail.claimed_until < now, Mail.claimed_until > now + CLAIM + clock.TOLERANCE)
    lost = select(Mail.id, Mail.attempts, Mail.lost, Mail.notification_id).where(
        Mail.state == MailState.SENDING, ran_out
    )
    for mail_id, attempts, before, notification_id in db.session.execute(lost.with_for_update(skip_locked=True)).all():
        is_over = attempts >= MOST_ATTEMPTS or before + 1 >= MOST_LOST
        _update(
            (Mail.id == mail_id,),
            state=MailState.FAILED if is_over else MailState.QUEUED,
            # Once may be a restart. Whoever ends the sender again and again must not be first each time.
            due_at=now + (pause_before_retry(attempts - 1) if attempts > 1 else timedelta()),
            error=_lost_in_words(before + 1),
            lost=before + 1,
            claim_token=None,
            claimed_until=None,
        )
        if is_over:
            _set_status(notification_id, Status.FAILED)
    is_too_far = or_(
        Mail.attempts == 0,
        *(
            and_(Mail.attempts == tries, Mail.due_at > now + pause_before_retry(tries) + clock.TOLERANCE)
            for tries in _TRIES
        ),
    )
    # Later than any pause from now: the clock that said so has been put right since.
    _update((Mail.state == MailState.QUEUED, Mail.due_at > now, is_too_far), due_at=now)
    _update(
        (Mail.state == MailState.HANDING_OVER, ran_out),
        state=MailState.UNKNOWN,
        error="The sender ended while the mail server was taking the mail; nobody can tell whether it arrived.",
    )


def _lost_in_words(times: int) -> str:
    if times >= MOST_LOST:
        return f"Given up: the sender ended {times} times while it worked on this mail. The log says why."
    return "The sender ended while it worked on this mail."


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


def list_due() -> list[UUID]:
    """Return mails that are due, a few of each organization by turns, those of one that have been due longest first."""
    now = database_now(db.session())
    # What may have ended a sender comes after all else of its organization.
    number = func.row_number().over(partition_by=Mail.organization_id, order_by=(Mail.lost, Mail.due_at, Mail.id))
    ranked = (
        select(Mail.id, Mail.organization_id, Mail.due_at, number.label("number"))
        .where(Mail.state == MailState.QUEUED, Mail.due_at <= now, is_not_held(now))
        .subquery()
    )
    few = select(ranked).where(ranked.c.number <= AT_A_TURN).order_by(ranked.c.number, ranked.c.due_at)
    rows = db.session.execute(few).all()
    places = {one: place for place, one in enumerate(_turns.in_order(row.organization_id for row in rows))}
    return [row.id for row in sorted(rows, key=lambda row: (row.number, places[row.organization_id]))]


@action
def claim_one(mail_id: UUID) -> Claim | None:
    """Claim a mail that is due; None where somebody else has taken it, or its recipient has had enough for now."""
    now = database_now(db.session())
    due = (
        select(Mail.organization_id, Mail.recipient_id, Notification.kind)
        .join(Notification)
        .where(Mail.id == mail_id, Mail.state == MailState.QUEUED, Mail.due_at <= now, is_not_held(now))
    )
    found = db.session.execute(due.with_for_update(of=Mail, skip_locked=True)).one_or_none()
    if found is None or hold_back(found.recipient_id, found.kind, now):
        return None
    _turns.take(found.organization_id)
    token = new_id()
    _update(
        (Mail.id == mail_id,),
        state=MailState.SENDING,
        claim_token=token,
        claimed_until=database_now(db.session()) + CLAIM,
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
        Mail.claimed_until > database_now(db.session()),
    )
    changed = _update(mine, state=MailState.HANDING_OVER, claimed_until=database_now(db.session()) + CLAIM)
    return changed == 1


@action
def finish(claim: Claim, outcome: Outcome) -> None:
    """Note what became of a try, unless the claim was lost in the meantime to somebody else."""
    state, error = outcome.state, outcome.error
    if state is MailState.QUEUED and claim.attempts >= MOST_ATTEMPTS:
        state = MailState.FAILED
    values: dict[str, Any] = {"state": state, "error": error, "claimed_until": None}
    if state is MailState.QUEUED:
        values["due_at"] = database_now(db.session()) + pause_before_retry(claim.attempts)
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
        _set_status(claim.notification_id, ends.get(state, Status.SENT))


def _set_status(notification_id: UUID, status: Status) -> None:
    db.session.execute(
        update(Notification)
        .where(Notification.id == notification_id)
        .values(status=status)
        .execution_options(synchronize_session=False)
    )


def deliver(claim: Claim, connect: Connect) -> Outcome:
    """Take a claimed mail to the server that `connect` gives, and return what became of it.

    Whatever happens on the way is this mail's outcome: nothing about one mail may end the loop over all of them.
    """
    has_begun = False
    try:
        rendered = render_mail(claim.notification_id, claim.recipient_id, claim.kind, claim.template, claim.data)
        if rendered is None:
            return Outcome(MailState.OBSOLETE, "There is nothing left to say: what the mail was about is over.")
        if not rendered.to.isascii():
            return Outcome(MailState.REFUSED, email_problem(rendered.to))
        content = _message(claim, rendered).as_bytes(policy=SMTP)
        server = connect()
        _address(server, rendered)
        has_begun = begin_handing_over(claim)
        if not has_begun:
            server.rset()
            return Outcome(MailState.QUEUED, "The claim ran out before the mail was handed over.")
        _wait_for(server, SERVER_TIMEOUT_SECONDS)
        code, answer = server.data(content)
    except NotFound:
        return Outcome(MailState.OBSOLETE, "The recipient's account is gone.")
    except _Answer as refused:
        return _by_code(refused.code, refused.text)
    except smtplib.SMTPDataError as refused:
        return _by_code(refused.smtp_code, refused.smtp_error)
    except Exception as error:  # noqa: BLE001 - see above
        return _failed(claim, error, has_begun=has_begun)
    return Outcome(MailState.SENT) if code == 250 else _by_code(code, answer)


def _failed(claim: Claim, error: Exception, *, has_begun: bool) -> Outcome:
    """Return the outcome of a try that an error ended. Of one that is no mail server's, the log has the details."""
    is_connection = isinstance(error, OSError | smtplib.SMTPException)
    if not is_connection:
        get_logger(__name__).exception("mail_failed", mail=str(claim.mail_id))
    if has_begun:
        return Outcome(MailState.UNKNOWN, f"The connection broke while the mail was handed over: {_plain(error)}")
    if is_connection:
        return Outcome(MailState.QUEUED, _plain(error), is_server_silent=True)
    sentence = f"The mail could not be prepared ({type(error).__name__}). The log has the details under this mail's id."
    return Outcome(MailState.QUEUED, sentence)


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
def _server(patience: _Patience) -> Iterator[Connect]:
    """Give a function that returns a connection to the mail server: one for the turn, opened when first needed."""
    held: list[smtplib.SMTP] = []

    def connect() -> smtplib.SMTP:
        if held:
            _wait_for(held[0], patience.seconds)
            with suppress(smtplib.SMTPException, OSError):
                if held[0].rset()[0] == 250:
                    return held[0]
            held.pop().close()
        held.append(open_server(patience.seconds))
        return held[0]

    try:
        yield connect
    finally:
        for server in held:
            with suppress(smtplib.SMTPException, OSError):
                server.quit()


def _wait_for(server: smtplib.SMTP, seconds: int) -> None:
    if server.sock is not None:
        server.sock.settimeout(seconds)


def _update(conditions: tuple[Any, ...], **values: Any) -> int:
    result: Any = db.session.execute(
        update(Mail).where(*conditions).values(**values).execution_options(synchronize_session=False)
    )
    return int(result.rowcount)
