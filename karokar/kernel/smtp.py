"""The connection to the mail server that the settings name."""

import smtplib
import ssl
from urllib.parse import SplitResult, unquote, urlsplit

from karokar.kernel.settings import settings


def open_server(seconds: float) -> smtplib.SMTP:
    """Return a connection to the mail server, encrypted as the settings demand and signed in where they say so.

    `seconds` is how long each of its answers may take. Raises OSError and smtplib.SMTPException.
    """
    parts = urlsplit(settings().smtp_url or "")
    host, context = parts.hostname or "", ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=seconds, context=context)
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=seconds)
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
