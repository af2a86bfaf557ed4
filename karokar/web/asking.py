"""What the shell asks of contexts, without knowing them: `app.py` hands over their `queries`."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from flask import current_app


def questions(name: str) -> list[Callable[..., Any]]:
    """Return every context's answer to a question, in the order of contexts: `questions("search")`."""
    modules: dict[str, ModuleType] = current_app.extensions.get("karokar.queries", {})
    return [getattr(module, name) for module in modules.values() if hasattr(module, name)]


def ask(context: str, name: str, *args: Any, default: Any = None) -> Any:
    """Ask one context; `default` where it has no such question."""
    modules: dict[str, ModuleType] = current_app.extensions.get("karokar.queries", {})
    question = getattr(modules.get(context), name, None)
    return default if question is None else question(*args)
