"""Checkpoints sent away: to a webhook and by mail, where whoever administers this machine can't change them.

Each place is sent a checkpoint at least once: what it accepted is noted after its answer, so a process that dies in
between sends it again. A place that doesn't take it is tried again, after pauses that grow, in a lane of the scheduler
in which nothing else waits, and is listed on System health until it does.
"""

import base64
import hmac
import http.client
import smtplib
import socket
import ssl
import threading
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr
from urllib.parse import urlsplit

from karokar.audit.actions.checkpoints import sign_newest
from karokar.audit.models import WEBHOOK, AuditDelivery, mail_place
from karokar.audit.rules import Checkpoint
from karokar.kernel import clock
from karokar.kernel.db import action, db
from karokar.kernel.errors import DomainError
from karokar.kernel.schedule import every
from karokar.kernel.settings import settings
from karokar.kernel.smtp import open_server

ANSWER_SECONDS = 10
WHOLE_SECONDS = 30
"""How long a receiver may take altogether: one that sends a letter at a time would never run into the other bound."""
LONGEST_PAUSE = 900
MAIL_EVERY = timedelta(days=1)
WEBHOOK_AT_LEAST_EVERY = timedelta(hours=1)
"""Also without anything new, so that a receiver can tell a quiet day from one on which nothing is sent any more."""


class NotTaken(DomainError):
    """A place didn't take a checkpoint."""

    def __init__(self, sentence: str) -> None:
        super().__init__("CHECKPOINT_NOT_TAKEN", sentence)


@every(60, lane="webhook", longest_pause=LONGEST_PAUSE)
def post_checkpoint() -> Checkpoint | None:
    """Post the newest checkpoint to the webhook; None where there is nothing to post. Raises NotTaken."""
    url, secret = settings().audit_webhook, settings().audit_webhook_secret
    made = sign_newest() if url and secret else None
    if not url or not secret or made is None or not _is_due(WEBHOOK, made.position, WEBHOOK_AT_LEAST_EVERY):
        return None
    body = made.as_line().encode()
    status = _post(url, body, signed_headers(secret, made, body, clock.now()))
    if not 200 <= status < 300:
        more = " It is not followed elsewhere." if 300 <= status < 400 else ""
        raise NotTaken(f"The receiver of audit checkpoints answered {status}.{more}")
    note_taken(WEBHOOK, made.position)
    return made


@every(60, lane="checkpoint_mail", longest_pause=LONGEST_PAUSE)
def mail_checkpoint() -> Checkpoint | None:
    """Mail the newest checkpoint to each address, once a day; None where there is nothing to mail. Raises NotTaken."""
    wanted = settings().audit_mail
    made = sign_newest() if wanted else None
    due = [address for address in wanted if _is_due(mail_place(address), None, MAIL_EVERY)]
    if made is None or not due:
        return None
    refused: dict[str, Exception] = {}
    try:
        with ExitStack() as stack:
            server = open_server(ANSWER_SECONDS, whole=WHOLE_SECONDS)
            stack.callback(_leave, server)
            for address in due:
                try:
                    server.send_message(_mail(made, address))
                except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
                    refused[address] = error
                else:
                    note_taken(mail_place(address), made.position)
    except (OSError, smtplib.SMTPException) as error:
        raise NotTaken(f"The mail server didn't take the audit checkpoint: {_short(error)}") from error
    if refused:
        reasons = "; ".join(f"to {address}: {_short(error)}" for address, error in refused.items())
        raise NotTaken(f"The mail server refused the audit checkpoint {reasons}")
    return made


@action
def note_taken(place: str, position: int) -> None:
    """Note up to which position a place has a checkpoint."""
    row = db.session.get(AuditDelivery, place, populate_existing=True)
    if row is None:
        row = AuditDelivery(place=place, position=position, taken_at=clock.now())
        db.session.add(row)
    row.position, row.taken_at = position, clock.now()


def signed_headers(secret: str, made: Checkpoint, body: bytes, at: datetime) -> dict[str, str]:
    """Return the headers by which the receiver knows who sends this, and when.

    They follow the Standard Webhooks specification: the signature is HMAC-SHA-256 over id, time and body, divided by
    full stops, with the secret's bytes as key.
    """
    message_id, seconds = f"checkpoint-{made.position}", str(int(at.timestamp()))
    signed = hmac.digest(secret.encode(), f"{message_id}.{seconds}.".encode() + body, "sha256")
    return {
        "Content-Type": "application/json",
        "User-Agent": "KaroKar",
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def _is_due(place: str, position: int | None, at_least_every: timedelta) -> bool:
    row = db.session.get(AuditDelivery, place, populate_existing=True)
    db.session.rollback()  # nobody's network is waited for inside a transaction
    if row is None or (position is not None and row.position != position):
        return True
    # A time ahead of now was noted by a clock that has been put right since.
    return not timedelta(0) <= clock.now() - row.taken_at < at_least_every


def _post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Post, and return the status. Redirects aren't followed, and no body is read. Raises NotTaken."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, parts.port, timeout=ANSWER_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=ANSWER_SECONDS)
    end = threading.Timer(WHOLE_SECONDS, _break_off, [connection])
    end.daemon = True
    end.start()
    try:
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection.request("POST", path, body, headers)
        # The head says it all; for a body, nobody could break off once http.client has let go of the socket.
        with connection.getresponse() as answer:
            return answer.status
    except (OSError, http.client.HTTPException) as error:
        raise NotTaken(f"The receiver of audit checkpoints can't be reached: {_short(error)}") from error
    finally:
        end.cancel()
        connection.close()


def _break_off(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)


def _mail(made: Checkpoint, to: str) -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    sender = settings().mail_from
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = f"Audit checkpoint {made.position:,} of {settings().base_url}"
    mail["Date"] = format_datetime(clock.now())
    mail["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rsplit("@", 1)[-1])
    mail["Auto-Submitted"] = "auto-generated"
    # The line stays one line, so that it can be copied as it is.
    mail.set_content(_TEXT.format(url=settings().base_url, line=made.as_line()), cte="7bit")
    return mail


_TEXT = """\
This is the signed checkpoint of the audit log of {url}. Keep this mail where
nobody who administers that system can change it.

{line}

To check later that nothing was cut off or forged since, copy the line into a
file and run:

    flask audit verify --from FILE

A mail like this comes once a day. If none comes, find out why.
"""


def _leave(server: smtplib.SMTP) -> None:
    with suppress(OSError, smtplib.SMTPException):
        server.quit()


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
