"""Every setting, stated once: its field, its environment variable, how it is read, its default, and its purpose.

`karokar.config` fills them at the start; the table in docs/operations.md is held against them by a test.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_type_hints

from flask import current_app

from karokar.kernel.setting_values import (
    ConfigError,
    one_of,
    parse_addresses,
    parse_base_url,
    parse_clamd,
    parse_database_url,
    parse_label,
    parse_limits,
    parse_mail_from,
    parse_path,
    parse_redis_url,
    parse_secret_key,
    parse_secret_keys,
    parse_smtp_url,
    parse_text,
    parse_truth,
    parse_webhook,
    whole_number,
)
from karokar.kernel.text.nearest import nearest

OWN_PREFIXES = ("KAROKAR_", "EVENT_BUS_")
DEFAULT_DEMO_PASSWORD = "karokar-demo"  # noqa: S105 -- printed in the README: it opens example data only


@dataclasses.dataclass(frozen=True)
class Setting:
    """What belongs to a field of Config: its environment variable, the parser of its value, and its purpose.

    `default` describes a default that the field's own cannot: one that depends on the machine or on other settings.
    What is not remembered belongs to one process, or is secret: commands do not take it from a running `bin/up`.
    """

    name: str
    parse: Callable[[str, str], Any]
    default: str = ""
    _: dataclasses.KW_ONLY
    purpose: str
    is_remembered: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Every setting, checked. Times in milliseconds where the name ends in `_ms`, sizes as the name says.

    A field without a default has one in the data directory.
    """

    data: Annotated[
        Path,
        Setting(
            "KAROKAR_DATA",
            parse_path,
            "`var` in the project's folder",
            is_remembered=False,
            purpose="Directory of the embedded database, uploads, the secret key and sockets. Made with mode 0700.",
        ),
    ]
    secret_key: Annotated[
        str,
        Setting(
            "SECRET_KEY",
            parse_secret_key,
            "generated once, kept in the data directory",
            is_remembered=False,
            purpose="Signs sessions and links. Give the same one to every machine that serves the same database.",
        ),
    ] = dataclasses.field(repr=False)
    secret_key_fallbacks: Annotated[
        tuple[str, ...],
        Setting(
            "SECRET_KEY_FALLBACKS",
            parse_secret_keys,
            "none",
            is_remembered=False,
            purpose=(
                "Former values of SECRET_KEY, separated by commas. What they signed or encrypted stays valid; "
                "nothing new is signed with them."
            ),
        ),
    ] = dataclasses.field(default=(), repr=False)
    database_url: Annotated[
        str,
        Setting(
            "DATABASE_URL",
            parse_database_url,
            "a SQLite file in the data directory",
            purpose="`postgresql://user:password@host/database` or `sqlite:////path/to/file`.",
        ),
    ] = dataclasses.field(repr=False)
    audit_keys: Annotated[
        tuple[str, ...],
        Setting(
            "KAROKAR_AUDIT_KEYS",
            parse_secret_keys,
            "generated once, kept in the data directory",
            is_remembered=False,
            purpose=(
                "Sign the audit log: one key, or several divided by commas, the newest first; former ones still "
                "verify. Keep them where whoever administers the database cannot read them."
            ),
        ),
    ] = dataclasses.field(repr=False)
    audit_checkpoints: Annotated[
        Path,
        Setting(
            "KAROKAR_AUDIT_CHECKPOINTS",
            parse_path,
            "`audit-checkpoints.jsonl` in the data directory",
            purpose="File to which signed checkpoints of the audit log are appended. Best on another machine's disk.",
        ),
    ]
    audit_mail: Annotated[
        tuple[str, ...],
        Setting(
            "KAROKAR_AUDIT_MAIL",
            parse_addresses,
            "none",
            purpose="Addresses, divided by commas, to which a signed checkpoint of the audit log is mailed once a day.",
        ),
    ] = ()
    audit_webhook: Annotated[
        str | None,
        Setting(
            "KAROKAR_AUDIT_WEBHOOK",
            parse_webhook,
            "none",
            is_remembered=False,
            purpose=(
                "https address to which signed checkpoints of the audit log are posted, at most one a minute. "
                "Needs KAROKAR_AUDIT_WEBHOOK_SECRET."
            ),
        ),
    ] = dataclasses.field(default=None, repr=False)
    audit_webhook_secret: Annotated[
        str | None,
        Setting(
            "KAROKAR_AUDIT_WEBHOOK_SECRET",
            parse_secret_key,
            "none",
            is_remembered=False,
            purpose="With it the receiver of KAROKAR_AUDIT_WEBHOOK knows that a checkpoint comes from here.",
        ),
    ] = dataclasses.field(default=None, repr=False)
    database_tls: Annotated[
        Literal["as-in-url", "verify-full"],
        Setting(
            "KAROKAR_DATABASE_TLS",
            one_of("as-in-url", "verify-full"),
            purpose=(
                "verify-full: connect to PostgreSQL only over TLS, with a certificate that is valid for its host. "
                "as-in-url: as `sslmode` in DATABASE_URL says."
            ),
        ),
    ] = "as-in-url"
    redis_url: Annotated[
        str | None,
        Setting(
            "REDIS_URL",
            parse_redis_url,
            "the embedded Valkey of `bin/up`",
            purpose=(
                "Carries the bells that wake workers, and counts tries to sign in; "
                "may be lost at any time without losing an event."
            ),
        ),
    ] = dataclasses.field(default=None, repr=False)
    base_url: Annotated[
        str,
        Setting("KAROKAR_BASE_URL", parse_base_url, purpose="The address people use; links in mails begin with it."),
    ] = "http://127.0.0.1:8000"
    environment: Annotated[
        str,
        Setting(
            "KAROKAR_ENVIRONMENT",
            parse_label,
            purpose="Label in the page header, so that nobody mistakes a trial for the real thing.",
        ),
    ] = "production"
    demo: Annotated[
        bool,
        Setting(
            "KAROKAR_DEMO",
            parse_truth,
            purpose=(
                "Example data is loaded: demo accounts can sign in and need no second factor, links of kept mails "
                "are shown. Needs another KAROKAR_ENVIRONMENT than production."
            ),
        ),
    ] = False
    demo_on_network: Annotated[
        bool,
        Setting(
            "KAROKAR_DEMO_ON_NETWORK",
            parse_truth,
            purpose=(
                "Allows KAROKAR_DEMO at an address that others can reach, although everybody knows the demo password."
            ),
        ),
    ] = False
    demo_password: Annotated[
        str,
        Setting(
            "KAROKAR_DEMO_PASSWORD",
            parse_text,
            purpose="Password of the demo accounts, read when the example data is loaded.",
        ),
    ] = dataclasses.field(default=DEFAULT_DEMO_PASSWORD, repr=False)
    require_2fa: Annotated[
        bool,
        Setting("KAROKAR_REQUIRE_2FA", parse_truth, purpose="Everybody must set up a second factor before going on."),
    ] = False
    max_sessions: Annotated[
        int,
        Setting(
            "KAROKAR_MAX_SESSIONS",
            whole_number(1, 1000),
            purpose="Browsers in which one person can be signed in; one more ends the session used longest ago.",
        ),
    ] = 10
    max_upload_mb: Annotated[
        int,
        Setting(
            "KAROKAR_MAX_UPLOAD_MB",
            whole_number(1, 1000),
            purpose="Largest document that may be uploaded, in megabytes.",
        ),
    ] = 10
    clamd: Annotated[
        str | None,
        Setting(
            "KAROKAR_CLAMD",
            parse_clamd,
            "none: files are not scanned",
            purpose=(
                "Scanner for uploaded files: clamd's socket, `unix:///run/clamav/clamd.ctl` or `tcp://host:3310`. "
                "While it does not answer, no file is accepted."
            ),
        ),
    ] = None
    limits: Annotated[
        Mapping[str, int],
        Setting(
            "KAROKAR_LIMITS",
            parse_limits,
            "none: see [Limits](#limits)",
            purpose="Limits that differ from the table, by name: `runs-person=20, exports-person=60`.",
        ),
    ] = dataclasses.field(default_factory=dict, hash=False)
    export_rows_at_once: Annotated[
        int,
        Setting(
            "KAROKAR_EXPORT_ROWS_AT_ONCE",
            whole_number(1, 100_000),
            purpose="Longer lists are exported in the background, as a run that makes the file.",
        ),
    ] = 5000
    smtp_url: Annotated[
        str | None,
        Setting(
            "KAROKAR_SMTP_URL",
            parse_smtp_url,
            "none: mails are kept and readable in the console",
            purpose="Mail server, `smtp://` (STARTTLS) or `smtps://`, with user, password and port.",
        ),
    ] = dataclasses.field(default=None, repr=False)
    smtp_tls: Annotated[
        Literal["required", "offered"],
        Setting(
            "KAROKAR_SMTP_TLS",
            one_of("required", "offered"),
            "required, except for a mail server on this machine",
            purpose=(
                "required: mail is only handed over encrypted, to a server with a valid certificate. "
                "offered: STARTTLS when the server offers it."
            ),
        ),
    ] = "offered"
    mail_from: Annotated[str, Setting("KAROKAR_MAIL_FROM", parse_mail_from, purpose="Sender of mails.")] = (
        "KaroKar <no-reply@karokar.example>"
    )
    secure_cookies: Annotated[
        bool,
        Setting(
            "KAROKAR_SECURE_COOKIES",
            parse_truth,
            "true when KAROKAR_BASE_URL begins with https://",
            purpose="Cookies travel over https only.",
        ),
    ] = False
    proxies: Annotated[
        int,
        Setting(
            "KAROKAR_PROXIES",
            whole_number(0, 10),
            purpose="How many reverse proxies in front may be believed about the client's address, scheme and host.",
        ),
    ] = 0
    log_format: Annotated[
        Literal["text", "json"],
        Setting(
            "KAROKAR_LOG_FORMAT", one_of("text", "json"), purpose="Log lines for people (text) or for machines (json)."
        ),
    ] = "text"
    security_log: Annotated[
        Path | None,
        Setting(
            "KAROKAR_SECURITY_LOG",
            parse_path,
            "standard error",
            purpose="File that takes the security log, one JSON object a line; may be rotated by renaming it.",
        ),
    ] = None
    testing: Annotated[
        bool,
        Setting(
            "KAROKAR_TESTING",
            parse_truth,
            is_remembered=False,
            purpose=(
                "Set by the test suite, together with KAROKAR_ENVIRONMENT=test: errors are raised instead of turned "
                "into pages, no rate limits. Refused anywhere else."
            ),
        ),
    ] = False
    heartbeat: Annotated[
        Path | None,
        Setting(
            "KAROKAR_HEARTBEAT",
            parse_path,
            "none",
            is_remembered=False,
            purpose="Set by `bin/up`: the file that a supervised relay or worker touches to say that it is alive.",
        ),
    ] = None
    event_bus_dispatcher: Annotated[
        Literal["worker", "none"],
        Setting(
            "EVENT_BUS_DISPATCHER",
            one_of("worker", "none"),
            purpose="Who delivers events: RQ workers, or the relay alone, which needs no Redis (none).",
        ),
    ] = "worker"
    event_bus_delivery_interval_ms: Annotated[
        int,
        Setting(
            "EVENT_BUS_DELIVERY_INTERVAL_MS",
            whole_number(50, 60_000),
            purpose="How often the relay looks for events and retries that wait, in milliseconds.",
        ),
    ] = 1000
    event_bus_max_attempts: Annotated[
        int,
        Setting(
            "EVENT_BUS_MAX_ATTEMPTS",
            whole_number(1, 100),
            purpose="Failed attempts after which a delivery is dead and waits for a person.",
        ),
    ] = 8
    event_bus_retry_base_ms: Annotated[
        int,
        Setting(
            "EVENT_BUS_RETRY_BASE_MS",
            whole_number(1, 600_000),
            purpose="First pause before a retry, in milliseconds; it doubles with every failure, up to one hour.",
        ),
    ] = 500
    event_bus_max_depth: Annotated[
        int,
        Setting(
            "EVENT_BUS_MAX_DEPTH",
            whole_number(1, 1000),
            purpose="How long a chain of events causing events may get before it is stopped as a loop.",
        ),
    ] = 16

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is the embedded one."""
        return self.database_url.startswith("sqlite")

    @property
    def connect_arguments(self) -> dict[str, Any]:
        """What the driver is told beside the address."""
        if self.is_sqlite or self.database_tls == "as-in-url":
            return {}
        own_root = {} if "sslrootcert=" in self.database_url else {"sslrootcert": "system"}
        return {"sslmode": "verify-full", **own_root}

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The key that signs and encrypts, then those whose work still counts."""
        return (self.secret_key, *self.secret_key_fallbacks)


def _described(field: dataclasses.Field[Any], hints: Mapping[str, Any]) -> Setting:
    setting: Setting = hints[field.name].__metadata__[0]
    if setting.default or field.default is dataclasses.MISSING:
        return setting
    shown = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
    return dataclasses.replace(setting, default=shown)


def _settings_of_fields() -> dict[str, Setting]:
    hints = get_type_hints(Config, include_extras=True)
    return {field.name: _described(field, hints) for field in dataclasses.fields(Config)}


SETTINGS = _settings_of_fields()
"""The setting of each field of Config."""


def refuse_unknown_names(source: Mapping[str, str]) -> None:
    """Raise ConfigError for a name that looks like one of ours and is none, with the nearest that is."""
    known = [setting.name for setting in SETTINGS.values()]
    for name in sorted(source):
        if name.startswith(OWN_PREFIXES) and name not in known:
            meant = nearest(name, known, cutoff=0.0)
            raise ConfigError(f"{name} is not a setting of KaroKar: did you mean {meant}? Correct or unset it.")


def settings() -> Config:
    """Return the settings of the application at work."""
    return cast("Config", current_app.config["KAROKAR"])
