"""The settings that more than the start needs, by the names of `karokar.config.Config`."""

from pathlib import Path
from typing import Protocol, cast

from flask import current_app


class Settings(Protocol):
    """What contexts may read of the configuration."""

    @property
    def data(self) -> Path: ...  # noqa: D102
    @property
    def base_url(self) -> str: ...  # noqa: D102
    @property
    def environment(self) -> str: ...  # noqa: D102
    @property
    def demo(self) -> bool: ...  # noqa: D102
    @property
    def testing(self) -> bool: ...  # noqa: D102
    @property
    def require_2fa(self) -> bool: ...  # noqa: D102
    @property
    def max_upload_mb(self) -> int: ...  # noqa: D102
    @property
    def clamd(self) -> str | None: ...  # noqa: D102
    @property
    def export_rows_at_once(self) -> int: ...  # noqa: D102
    @property
    def smtp_url(self) -> str | None: ...  # noqa: D102
    @property
    def mail_from(self) -> str: ...  # noqa: D102
    @property
    def secure_cookies(self) -> bool: ...  # noqa: D102
    @property
    def smtp_tls(self) -> str: ...  # noqa: D102
    @property
    def demo_on_network(self) -> bool: ...  # noqa: D102
    @property
    def secret_key(self) -> str: ...  # noqa: D102
    @property
    def secret_keys(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def is_sqlite(self) -> bool: ...  # noqa: D102
    @property
    def database_url(self) -> str: ...  # noqa: D102
    @property
    def database_tls(self) -> str: ...  # noqa: D102
    @property
    def audit_keys(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def audit_checkpoints(self) -> Path: ...  # noqa: D102
    @property
    def redis_url(self) -> str | None: ...  # noqa: D102
    @property
    def proxies(self) -> int: ...  # noqa: D102
    @property
    def event_bus_dispatcher(self) -> str: ...  # noqa: D102
    @property
    def event_bus_delivery_interval_ms(self) -> int: ...  # noqa: D102
    @property
    def event_bus_max_attempts(self) -> int: ...  # noqa: D102
    @property
    def event_bus_retry_base_ms(self) -> int: ...  # noqa: D102
    @property
    def event_bus_max_depth(self) -> int: ...  # noqa: D102


def settings() -> Settings:
    """Return the settings of the application at work."""
    return cast("Settings", current_app.config["KAROKAR"])
