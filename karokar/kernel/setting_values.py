"""How the value of a setting is read: each parser takes its name and text, and raises ConfigError for nonsense."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from karokar.kernel.fairness.limits import LIMITS
from karokar.kernel.text.email_addresses import as_sender, email_problem
from karokar.kernel.text.nearest import nearest

SHORTEST_SECRET_KEY = 32
_FEWEST_LETTERS = 10
HIGHEST_PORT = 65535

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_SMTP_EXAMPLE = "smtp://user:password@mail.example.com:587"


class ConfigError(Exception):
    """A setting stops the start. The message is one line that names the setting and says what to do."""


# What a value must look like ------------------------------------------------------------------------------------------


def _refuse(name: str, value: str, expected: str) -> ConfigError:
    shown = value if len(value) <= 60 and value.isprintable() and not _holds_password(value) else "what is given"
    return ConfigError(f"{name}={shown} is not understood: give {expected}.")


def _holds_password(value: str) -> bool:
    return "@" in value and "://" in value


def parse_text(_name: str, value: str) -> str:
    """Return the value as it is."""
    return value


def parse_truth(name: str, value: str) -> bool:
    """Return whether a value means yes. Raises ConfigError for one that means neither."""
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise _refuse(name, value, "true or false")


def whole_number(least: int, most: int) -> Callable[[str, str], int]:
    """Return a parser of whole numbers between two bounds, both included."""

    def parse(name: str, value: str) -> int:
        # int() would also take "1_000", " 7" and digits of other scripts.
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise _refuse(name, value, f"a whole number from {least} to {most}")
        return int(value)

    return parse


def one_of(*allowed: str) -> Callable[[str, str], str]:
    """Return a parser that takes one of these words, in any case."""

    def parse(name: str, value: str) -> str:
        if value.lower() not in allowed:
            raise _refuse(name, value, f"one of {', '.join(allowed)}")
        return value.lower()

    return parse


def parse_label(name: str, value: str) -> str:
    """Return a short label. Raises ConfigError for anything else."""
    if not re.fullmatch(r"[\w .-]{1,30}", value):
        raise _refuse(name, value, "a short label such as production, staging or demo")
    return value


def parse_base_url(name: str, value: str) -> str:
    """Return an http or https address without its last slash. Raises ConfigError for anything else."""
    parts = _split(name, value, "an address such as https://karokar.example.com")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise _refuse(name, value, "an address such as https://karokar.example.com")
    return value.rstrip("/")


def parse_redis_url(name: str, value: str) -> str:
    """Return the address of a Redis, on the network or by a socket. Raises ConfigError for anything else."""
    expected = "an address such as redis://localhost:6379/0 or unix:///run/redis.sock"
    parts = _split(name, value, expected)
    is_network = parts.scheme in {"redis", "rediss"} and bool(parts.hostname)
    is_socket = parts.scheme == "unix" and bool(parts.path)
    if not (is_network or is_socket):
        raise _refuse(name, value, expected)
    return value


def parse_smtp_url(name: str, value: str) -> str:
    """Return the address of a mail server. Raises ConfigError for anything else."""
    parts = _split(name, value, f"an address such as {_SMTP_EXAMPLE}")
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise _refuse(name, value, f"an address such as {_SMTP_EXAMPLE}")
    return value


def parse_clamd(name: str, value: str) -> str:
    """Return the address of clamd's socket. Raises ConfigError for anything else."""
    expected = "a socket such as unix:///run/clamav/clamd.ctl or tcp://localhost:3310"
    parts = _split(name, value, expected)
    if not ((parts.scheme == "unix" and parts.path) or (parts.scheme == "tcp" and parts.hostname)):
        raise _refuse(name, value, expected)
    return value


def parse_limits(name: str, value: str) -> dict[str, int]:
    """Return the limits that are changed, by name. Raises ConfigError for one that does not exist, or is no number."""
    number, found = whole_number(1, 999_999_999), {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        limit, separator, most = (text.strip() for text in part.partition("="))
        if not separator:
            raise _refuse(name, value, "limits such as runs-person=20, exports-person=60")
        if limit not in LIMITS:
            meant = nearest(limit, list(LIMITS), cutoff=0.0)
            raise ConfigError(f"{name}: there is no limit called {limit[:60]!r}: did you mean {meant}?")
        found[limit] = number(name, most)
    return found


def parse_webhook(name: str, value: str) -> str:
    """Return the address of a receiver. Raises ConfigError for one that isn't encrypted and not on this machine."""
    expected = "an https address such as https://evidence.example.com/karokar, without user and password"
    parts = _split(name, value, expected)
    is_local = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if not parts.hostname or parts.username or parts.fragment or not (parts.scheme == "https" or is_local):
        raise _refuse(name, value, expected)
    return value


def parse_addresses(name: str, value: str) -> tuple[str, ...]:
    """Return email addresses that are divided by commas. Raises ConfigError for one that can't be mailed to."""
    found = tuple(address.strip() for address in value.split(",") if address.strip())
    for address in found:
        if not re.fullmatch(r"[^<>@\s]+@[^<>@\s]+", address) or email_problem(address):
            raise _refuse(name, address, "addresses such as audit@example.com, divided by commas")
    return found


def parse_mail_from(name: str, value: str) -> str:
    """Return the sender, its domain as it is sent. Raises ConfigError for anything else."""
    if not re.fullmatch(r"[^<>@\r\n]*<[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+", value):
        raise _refuse(name, value, "a sender such as KaroKar <no-reply@example.com>")
    if (sender := as_sender(value)) is None:
        raise _refuse(name, value, "a sender with no other letters than A to Z before the @")
    return sender


_KEY_COMMAND = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
_WORDS_OF_GUESSES = (
    "changeme",
    "change-me",
    "secret",
    "password",
    "example",
    "insecure",
    "default",
    "0123456789abcdef",
)


def parse_secret_key(name: str, value: str) -> str:
    """Return the key. Raises ConfigError for one that could be guessed: short, monotonous, or out of documentation."""
    if len(value) < SHORTEST_SECRET_KEY:
        raise ConfigError(
            f"{name} is too short: give {SHORTEST_SECRET_KEY} characters or more, such as {_KEY_COMMAND}."
        )
    rest = value.lower()
    for word in _WORDS_OF_GUESSES:
        rest = rest.replace(word, "")
    if len(set(rest)) < _FEWEST_LETTERS or len(rest) < SHORTEST_SECRET_KEY // 2 or _repeats(value):
        raise ConfigError(f"{name} could be guessed: make a random one, such as {_KEY_COMMAND}.")
    return value


def _repeats(value: str) -> bool:
    """Whether a text is a shorter one several times over."""
    return value in (value + value)[1:-1]


def parse_secret_keys(name: str, value: str) -> tuple[str, ...]:
    """Return keys that are divided by commas. Raises ConfigError for one that could be guessed."""
    return tuple(parse_secret_key(name, key.strip()) for key in value.split(",") if key.strip())


def parse_database_url(name: str, value: str) -> str:
    """Return the address with the driver that it needs. Raises ConfigError for another kind of database."""
    expected = "sqlite:////path/to/file or postgresql://user:password@host/database"
    if value.startswith("sqlite:///"):
        return value
    scheme, separator, rest = value.partition("://")
    if scheme in {"postgres", "postgresql", "postgresql+psycopg"} and separator and rest:
        _split(name, value, expected)
        return f"postgresql+psycopg://{rest}"
    raise _refuse(name, value, expected)


def parse_path(_name: str, value: str) -> Path:
    """Return an absolute path."""
    return Path(value).expanduser().resolve()


def _split(name: str, value: str, expected: str) -> Any:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise _refuse(name, value, expected) from None
    if port is not None and not 0 < port <= HIGHEST_PORT:
        raise _refuse(name, value, expected)
    return parts
