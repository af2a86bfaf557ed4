"""Settings, typed, from the environment.

Everything that can be set has a default that works on a bare machine. A setting that is malformed, or whose name nobody
knows, stops the start with one line: a typing mistake that is silently ignored is found in production.
"""

import contextlib
import dataclasses
import json
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from karokar import safety
from karokar.kernel.setting_values import (
    ConfigError,
    parse_database_url,
    parse_path,
    parse_secret_key,
    parse_secret_keys,
)
from karokar.kernel.settings import SETTINGS, Config, refuse_unknown_names

__all__ = ["PROJECT", "Config", "ConfigError", "load_config", "remember"]

PROJECT = Path(__file__).resolve().parent.parent
SECRET_KEY_FILE = "secret_key"  # noqa: S105 -- a file's name, not a secret
AUDIT_KEYS_FILE = "audit_keys"
AUDIT_CHECKPOINTS_FILE = "audit-checkpoints.jsonl"
DATABASE_FILE = "karokar.sqlite3"
MEMORY_FILE = "up.json"


def load_config(environ: Mapping[str, str] | None = None) -> Config:
    """Read the settings from `environ` and make the data directory.

    By default that is the process's environment, and below it what `bin/up` left for commands in the project's folder.

    Raises ConfigError, with one line, for an unknown `KAROKAR_*` or `EVENT_BUS_*` name, a malformed value, or a data
    directory that cannot be made or written.
    """
    source = {**_remembered(os.environ), **os.environ} if environ is None else environ
    refuse_unknown_names(source)
    # An empty value means "not set": that is what `NAME= command` and most container tools leave behind.
    given = {name: value.strip() for name, value in source.items() if value.strip()}
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Config):
        setting = SETTINGS[field.name]
        if setting.name in given and field.default is not dataclasses.MISSING:
            values[field.name] = setting.parse(setting.name, given[setting.name])
    if "secure_cookies" not in values:
        values["secure_cookies"] = str(values.get("base_url", "")).startswith("https://")
    data = _data_directory(given.get("KAROKAR_DATA"))
    if "DATABASE_URL" in given:
        database_url = parse_database_url("DATABASE_URL", given["DATABASE_URL"])
    else:
        database_url = f"sqlite:///{data / DATABASE_FILE}"
    secret_key = (
        parse_secret_key("SECRET_KEY", given["SECRET_KEY"])
        if "SECRET_KEY" in given
        else _kept_key(data / SECRET_KEY_FILE, "SECRET_KEY")
    )
    if "smtp_tls" not in values and "smtp_url" in values and not safety.is_on_this_machine(values["smtp_url"]):
        values["smtp_tls"] = "required"
    config = Config(
        data=data,
        secret_key=secret_key,
        database_url=database_url,
        audit_keys=_audit_keys(data, given),
        audit_checkpoints=(
            parse_path("KAROKAR_AUDIT_CHECKPOINTS", given["KAROKAR_AUDIT_CHECKPOINTS"])
            if "KAROKAR_AUDIT_CHECKPOINTS" in given
            else data / AUDIT_CHECKPOINTS_FILE
        ),
        **values,
    )
    safety.refuse_unsafe(config)
    return config


# Data directory and secret key ----------------------------------------------------------------------------------------


def _data_directory(value: str | None) -> Path:
    data = parse_path("KAROKAR_DATA", value) if value else PROJECT / "var"
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(
            f"The data directory {data} cannot be made: a file is in the way. Set KAROKAR_DATA to another directory."
        ) from None
    except OSError as error:
        raise _unwritable(data, error) from None
    if not os.access(data, os.W_OK | os.X_OK):
        raise _unwritable(data, None)
    return data


def _unwritable(data: Path, error: OSError | None) -> ConfigError:
    reason = f" ({error.strerror})" if error is not None and error.strerror else ""
    return ConfigError(
        f"The data directory {data} cannot be written{reason}. Set KAROKAR_DATA to one that this user may write."
    )


def _audit_keys(data: Path, given: Mapping[str, str]) -> tuple[str, ...]:
    """Return the keys that sign the audit log, the newest first: those that are set, or those kept, one a line."""
    name = "KAROKAR_AUDIT_KEYS"
    if name in given:
        return parse_secret_keys(name, given[name])
    kept = _kept_key(data / AUDIT_KEYS_FILE, name)
    return tuple(line.strip() for line in kept.splitlines() if line.strip())


def _kept_key(path: Path, name: str) -> str:
    """Return the key kept in the data directory; the first process of several that start at once makes it.

    `name` is the setting that may hold it instead.
    """
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_text(encoding="ascii").strip()
        mode = stat.S_IMODE(path.stat().st_mode)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The secret key file {path} cannot be read or made ({error}). Set {name} or correct its rights."
        ) from None
    parse_secret_key(f"The key in {path}", key)
    if mode & 0o077:
        with contextlib.suppress(OSError):
            path.chmod(0o600)
    return key


def _make_key(path: Path) -> None:
    # Written aside and linked into place: whoever links first wins, and nobody ever reads half a key.
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


# What commands in the project's folder find ---------------------------------------------------------------------------


def remember(config: Config, environ: Mapping[str, str]) -> None:
    """Leave the settings of a running `bin/up`, so that `flask` in the project's folder finds the same database."""
    names = {setting.name for setting in SETTINGS.values() if setting.is_remembered}
    settings = {name: value for name, value in environ.items() if name in names}
    _write_memory(config.data, settings)
    if config.data != PROJECT / "var":
        # The project's folder may be read-only; then commands need KAROKAR_DATA, as docs/operations.md says.
        with contextlib.suppress(OSError):
            (PROJECT / "var").mkdir(mode=0o700, exist_ok=True)
            _write_memory(PROJECT / "var", {"KAROKAR_DATA": str(config.data)})


def forget_place(config: Config) -> None:
    """Let commands in the project's folder find its own data again, once a `bin/up` on other data has ended."""
    if _read_memory(PROJECT / "var").get("KAROKAR_DATA") == str(config.data):
        with contextlib.suppress(OSError):
            (PROJECT / "var" / MEMORY_FILE).unlink()


def _remembered(environ: Mapping[str, str]) -> dict[str, str]:
    own = PROJECT / "var"
    given = environ.get("KAROKAR_DATA", "").strip()
    if given:
        return _read_memory(parse_path("KAROKAR_DATA", given))
    settings = _read_memory(own)
    elsewhere = settings.get("KAROKAR_DATA")
    if elsewhere is None:
        return settings
    # A place that is gone was somebody's trial.
    return {**_read_memory(Path(elsewhere)), "KAROKAR_DATA": elsewhere} if Path(elsewhere).is_dir() else {}


def _write_memory(directory: Path, settings: Mapping[str, str]) -> None:
    draft = directory / f".{MEMORY_FILE}.{os.getpid()}"
    # It may hold a database's password.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(dict(settings), file, indent=2)
    draft.replace(directory / MEMORY_FILE)


def _read_memory(directory: Path) -> dict[str, str]:
    try:
        settings = json.loads((directory / MEMORY_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    known = {setting.name for setting in SETTINGS.values()}
    return {name: value for name, value in settings.items() if name in known and isinstance(value, str)}
