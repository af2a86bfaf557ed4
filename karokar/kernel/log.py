"""Structured logging: one line of JSON (or of text at a terminal) per fact, with the correlation id."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from karokar.kernel.actor import current_cause


def _correlate(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    line.setdefault("correlation_id", str(current_cause().correlation_id))
    return line


def configure(log_format: str, level: int = logging.INFO) -> None:
    """Send log lines to standard error as `text` or `json`."""
    renderer: Any = (
        structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _correlate,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> Any:
    """Return the logger of a module."""
    return structlog.get_logger(source=name)
