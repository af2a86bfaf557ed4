"""The connection to the mail server that the settings name."""

import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from karokar.kernel.settings import settings


class _Connection(smtplib.SMTP):
    """A connection that is broken off after `whole` seconds; None: never."""

    def __init__(self, host: str, port: int, *, whole: float | None, **more: Any) -> None:
        self._end = threading.Timer(whole or 0, self._break_off)
        self._end.daemon = True
        if whole is not None:
            self._end.start()
        super().__init__(host, port, **more)

    def close(self) -> None:
        self._end.cancel()
        super().close()

    def _break_off(self) -> None:
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


class _EncryptedConnection(_Connection, smtplib.SMTP_SSL):
    """The same, encrypted from the start."""


def open_server(seconds: float, *, whole: float | None = None) -> smtplib.SMTP:
    """Return a connection to the mail server, encrypted as the settings demand and signed in where they say so.

    `seconds` is how long each of its answers may take, `whole` how long all of them. Raises OSError and
    smtplib.SMTPException.
    """
    parts = urlsplit(settings().smtp_url or "")
    host, context = parts.hostname or "", ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = _EncryptedConnection(
            host, parts.port or 465, whole=whole, timeout=seconds, context=context
        )
    else:
        server = _Connection(host, parts.port or 25, whole=whole, timeout=seconds)
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
