"""The list of settings: their names, how their values are read, and what they are for."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from karokar.kernel.email_addresses import as_sender
from karokar.kernel.nearest import nearest

OWN_PREFIXES = ("KAROKAR_", "EVENT_BUS_")
SHORTEST_SECRET_KEY = 32
_FEWEST_LETTERS = 10
HIGHEST_PORT = 65535
DEFAULT_DEMO_PASSWORD = "karokar-demo"  # noqa: S105 -- printed in the README: it opens example data only

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


def _text(_name: str, value: str) -> str:
    return value


def _truth(name: str, value: str) -> bool:
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise _refuse(name, value, "true or false")


def _whole_number(least: int, most: int) -> Callable[[str, str], int]:
    def parse(name: str, value: str) -> int:
        # int() would also take "1_000", " 7" and digits of other scripts.
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise _refuse(name, value, f"a whole number from {least} to {most}")
        return int(value)

    return parse


def _one_of(*allowed: str) -> Callable[[str, str], str]:
    def parse(name: str, value: str) -> str:
        if value.lower() not in allowed:
            raise _refuse(name, value, f"one of {', '.join(allowed)}")
        return value.lower()

    return parse


def _label(name: str, value: str) -> str:
    if not re.fullmatch(r"[\w .-]{1,30}", value):
        raise _refuse(name, value, "a short label such as production, staging or demo")
    return value


def _base_url(name: str, value: str) -> str:
    parts = _split(name, value, "an address such as https://karokar.example.com")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise _refuse(name, value, "an address such as https://karokar.example.com")
    return value.rstrip("/")


def _redis_url(name: str, value: str) -> str:
    expected = "an address such as redis://localhost:6379/0 or unix:///run/redis.sock"
    parts = _split(name, value, expected)
    is_network = parts.scheme in {"redis", "rediss"} and bool(parts.hostname)
    is_socket = parts.scheme == "unix" and bool(parts.path)
    if not (is_network or is_socket):
        raise _refuse(name, value, expected)
    return value


def _smtp_url(name: str, value: str) -> str:
    parts = _split(name, value, f"an address such as {_SMTP_EXAMPLE}")
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise _refuse(name, value, f"an address such as {_SMTP_EXAMPLE}")
    return value


def _clamd(name: str, value: str) -> str:
    expected = "a socket such as unix:///run/clamav/clamd.ctl or tcp://localhost:3310"
    parts = _split(name, value, expected)
    if not ((parts.scheme == "unix" and parts.path) or (parts.scheme == "tcp" and parts.hostname)):
        raise _refuse(name, value, expected)
    return value


def _mail_from(name: str, value: str) -> str:
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


# The list -------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """One environment variable: its name, the Config field it fills, how it is read, and what it is for."""

    name: str
    field: str
    parse: Callable[[str, str], Any]
    default: str
    description: str


SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="KAROKAR_DATA",
        field="data",
        parse=parse_path,
        default="`var` in the project's folder",
        description="Directory of the embedded database, uploads, the secret key and sockets. Made with mode 0700.",
    ),
    Setting(
        name="SECRET_KEY",
        field="secret_key",
        parse=parse_secret_key,
        default="generated once, kept in the data directory",
        description="Signs sessions and links. Give the same one to every machine that serves the same database.",
    ),
    Setting(
        name="SECRET_KEY_FALLBACKS",
        field="secret_key_fallbacks",
        parse=parse_secret_keys,
        default="none",
        description=(
            "Former values of SECRET_KEY, separated by commas. What they signed or encrypted stays valid; "
            "nothing new is signed with them."
        ),
    ),
    Setting(
        name="KAROKAR_AUDIT_KEYS",
        field="audit_keys",
        parse=parse_secret_keys,
        default="generated once, kept in the data directory",
        description=(
            "Sign the audit log: one key, or several divided by commas, the newest first; former ones still verify. "
            "Keep them where whoever administers the database cannot read them."
        ),
    ),
    Setting(
        name="KAROKAR_AUDIT_CHECKPOINTS",
        field="audit_checkpoints",
        parse=parse_path,
        default="`audit-checkpoints.jsonl` in the data directory",
        description="File to which signed checkpoints of the audit log are appended. Best on another machine's disk.",
    ),
    Setting(
        name="DATABASE_URL",
        field="database_url",
        parse=parse_database_url,
        default="a SQLite file in the data directory",
        description="`postgresql://user:password@host/database` or `sqlite:////path/to/file`.",
    ),
    Setting(
        name="KAROKAR_DATABASE_TLS",
        field="database_tls",
        parse=_one_of("as-in-url", "verify-full"),
        default="as-in-url",
        description=(
            "verify-full: connect to PostgreSQL only over TLS, with a certificate that is valid for its host. "
            "as-in-url: as `sslmode` in DATABASE_URL says."
        ),
    ),
    Setting(
        name="REDIS_URL",
        field="redis_url",
        parse=_redis_url,
        default="the embedded Valkey of `bin/up`",
        description=(
            "Carries the bells that wake workers, and counts tries to sign in; "
            "may be lost at any time without losing an event."
        ),
    ),
    Setting(
        name="KAROKAR_BASE_URL",
        field="base_url",
        parse=_base_url,
        default="http://127.0.0.1:8000",
        description="The address people use; links in mails begin with it.",
    ),
    Setting(
        name="KAROKAR_ENVIRONMENT",
        field="environment",
        parse=_label,
        default="production",
        description="Label in the page header, so that nobody mistakes a trial for the real thing.",
    ),
    Setting(
        name="KAROKAR_DEMO",
        field="demo",
        parse=_truth,
        default="false",
        description=(
            "Example data is loaded: demo accounts can sign in and need no second factor, links of kept mails "
            "are shown. Needs another KAROKAR_ENVIRONMENT than production."
        ),
    ),
    Setting(
        name="KAROKAR_DEMO_ON_NETWORK",
        field="demo_on_network",
        parse=_truth,
        default="false",
        description=(
            "Allows KAROKAR_DEMO at an address that others can reach, although everybody knows the demo password."
        ),
    ),
    Setting(
        name="KAROKAR_DEMO_PASSWORD",
        field="demo_password",
        parse=_text,
        default=DEFAULT_DEMO_PASSWORD,
        description="Password of the demo accounts, read when the example data is loaded.",
    ),
    Setting(
        name="KAROKAR_REQUIRE_2FA",
        field="require_2fa",
        parse=_truth,
        default="false",
        description="Everybody must set up a second factor before going on.",
    ),
    Setting(
        name="KAROKAR_MAX_UPLOAD_MB",
        field="max_upload_mb",
        parse=_whole_number(1, 1000),
        default="10",
        description="Largest document that may be uploaded, in megabytes.",
    ),
    Setting(
        name="KAROKAR_CLAMD",
        field="clamd",
        parse=_clamd,
        default="none: files are not scanned",
        description=(
            "Scanner for uploaded files: clamd's socket, `unix:///run/clamav/clamd.ctl` or `tcp://host:3310`. "
            "While it does not answer, no file is accepted."
        ),
    ),
    Setting(
        name="KAROKAR_EXPORT_ROWS_AT_ONCE",
        field="export_rows_at_once",
        parse=_whole_number(1, 100_000),
        default="5000",
        description="Longer lists are exported in the background, as a run that makes the file.",
    ),
    Setting(
        name="KAROKAR_SMTP_URL",
        field="smtp_url",
        parse=_smtp_url,
        default="none: mails are kept and readable in the console",
        description="Mail server, `smtp://` (STARTTLS) or `smtps://`, with user, password and port.",
    ),
    Setting(
        name="KAROKAR_SMTP_TLS",
        field="smtp_tls",
        parse=_one_of("required", "offered"),
        default="required, except for a mail server on this machine",
        description=(
            "required: mail is only handed over encrypted, to a server with a valid certificate. "
            "offered: STARTTLS when the server offers it."
        ),
    ),
    Setting(
        name="KAROKAR_MAIL_FROM",
        field="mail_from",
        parse=_mail_from,
        default="KaroKar <no-reply@karokar.example>",
        description="Sender of mails.",
    ),
    Setting(
        name="KAROKAR_SECURE_COOKIES",
        field="secure_cookies",
        parse=_truth,
        default="true when KAROKAR_BASE_URL begins with https://",
        description="Cookies travel over https only.",
    ),
    Setting(
        name="KAROKAR_PROXIES",
        field="proxies",
        parse=_whole_number(0, 10),
        default="0",
        description="How many reverse proxies in front may be believed about the client's address, scheme and host.",
    ),
    Setting(
        name="KAROKAR_LOG_FORMAT",
        field="log_format",
        parse=_one_of("text", "json"),
        default="text",
        description="Log lines for people (text) or for machines (json).",
    ),
    Setting(
        name="KAROKAR_SECURITY_LOG",
        field="security_log",
        parse=parse_path,
        default="standard error",
        description="File that takes the security log, one JSON object a line; may be rotated by renaming it.",
    ),
    Setting(
        name="KAROKAR_TESTING",
        field="testing",
        parse=_truth,
        default="false",
        description=(
            "Set by the test suite, together with KAROKAR_ENVIRONMENT=test: errors are raised instead of turned into "
            "pages, no rate limits. Refused anywhere else."
        ),
    ),
    Setting(
        name="KAROKAR_HEARTBEAT",
        field="heartbeat",
        parse=parse_path,
        default="none",
        description="Set by `bin/up`: the file that a supervised relay or worker touches to say that it is alive.",
    ),
    Setting(
        name="EVENT_BUS_DISPATCHER",
        field="event_bus_dispatcher",
        parse=_one_of("worker", "web", "none"),
        default="worker",
        description="Who delivers events: RQ workers, the web process itself, or nobody (tests only).",
    ),
    Setting(
        name="EVENT_BUS_DELIVERY_INTERVAL_MS",
        field="event_bus_delivery_interval_ms",
        parse=_whole_number(50, 60_000),
        default="1000",
        description="How often the relay looks for events and retries that wait, in milliseconds.",
    ),
    Setting(
        name="EVENT_BUS_MAX_ATTEMPTS",
        field="event_bus_max_attempts",
        parse=_whole_number(1, 100),
        default="8",
        description="Failed attempts after which a delivery is dead and waits for a person.",
    ),
    Setting(
        name="EVENT_BUS_RETRY_BASE_MS",
        field="event_bus_retry_base_ms",
        parse=_whole_number(1, 600_000),
        default="500",
        description="First pause before a retry, in milliseconds; it doubles with every failure, up to one hour.",
    ),
    Setting(
        name="EVENT_BUS_MAX_DEPTH",
        field="event_bus_max_depth",
        parse=_whole_number(1, 1000),
        default="16",
        description="How long a chain of events causing events may get before it is stopped as a loop.",
    ),
)


def refuse_unknown_names(source: Mapping[str, str]) -> None:
    """Raise ConfigError for a name that looks like one of ours and is none, with the nearest that is."""
    known = [setting.name for setting in SETTINGS]
    for name in sorted(source):
        if name.startswith(OWN_PREFIXES) and name not in known:
            meant = nearest(name, known, cutoff=0.0)
            raise ConfigError(f"{name} is not a setting of KaroKar: did you mean {meant}? Correct or unset it.")
