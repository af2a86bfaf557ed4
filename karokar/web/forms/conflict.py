"""What the conflict page shows when somebody else was faster: who did what meanwhile, and, field by field, what it was,
what is saved now and what was typed here.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import request

from karokar.events.base import SUBJECT_TYPES
from karokar.kernel.actor import current_actor
from karokar.kernel.db import Aggregate, Base, db
from karokar.kernel.errors import StaleVersion
from karokar.kernel.permissions import PERMISSIONS
from karokar.outbox.reading.timeline import timeline
from karokar.web.forms.form_files import HELD, held_ids
from karokar.web.requests.session_end import chosen_files
from karokar.web.shell import words
from karokar.web.shell.links import entity_url
from karokar.web.shell.times import to_local
from karokar.web.timeline import event_presenter

_FORM_PARTS = {"csrf_token", "acting_for", "form_key", "version", "form_base"}
_MOST_TOLD = 3
_TYPED_TIME = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d")
"""As the control of a moment sends it."""


@dataclass(frozen=True)
class FieldDifference:
    """One field of a conflict: what it was, what the other person made of it, what was typed here."""

    name: str
    label: str
    base: str
    theirs: str
    mine: str

    @property
    def is_contested(self) -> bool:
        """Whether both changed it, to different values."""
        return self.mine != self.theirs and self.base not in {self.mine, self.theirs}

    @property
    def keeps_mine(self) -> bool:
        """Whether what was typed here is the better first choice: only it changed, or both did."""
        return self.mine != self.base


def compare(error: StaleVersion) -> dict[str, Any]:
    """Return what the conflict page shows: what happened meanwhile, per field base, theirs and mine, and the version to
    save on. A field that asks for what is not saved (the reason of a decision) is sent again as it was typed.
    """
    entity = error.facts.get("entity")
    if isinstance(entity, Base):
        db.session.refresh(entity)
    base = _opened_with()
    differences: list[FieldDifference] = []
    untouched: list[tuple[str, str]] = []
    for name in dict.fromkeys([*request.form, *base]):
        if name in _FORM_PARTS or "password" in name:
            continue
        typed, mine = request.form.getlist(name), ", ".join(request.form.getlist(name))
        try:
            saved = _saved(entity, name)
        except LookupError:
            untouched += [(name, one) for one in typed]
            continue
        if not typed and not isinstance(saved, bool):
            continue  # An empty box sends nothing; anything else that sent nothing was not on the page.
        theirs = _shown(saved)
        if mine == theirs:
            untouched += [(name, one) for one in typed]
        else:
            differences.append(FieldDifference(name, _label(name), base.get(name, theirs), theirs, mine))
    # Files that were accepted are held: they go with the form.
    untouched += [(HELD, str(one)) for one in held_ids() if (HELD, str(one)) not in untouched]
    return {
        "differences": differences,
        "untouched": untouched,
        "files": {} if held_ids() else chosen_files(),
        "happened": _happened(entity, error.facts.get("expected")) if isinstance(entity, Aggregate) else (),
        "version": getattr(entity, "version", None),
        "changed_at": getattr(entity, "updated_at", None),
        "leave": entity_url(entity.aggregate_type, entity.id) if isinstance(entity, Aggregate) else None,
        "label": getattr(entity, "label", "entry"),
        "action": request.full_path.rstrip("?"),
    }


def _saved(entity: Any, name: str) -> Any:
    saved_as = getattr(entity, "saved_as", None)
    if saved_as is None:
        raise LookupError(name)
    return saved_as(name)


def in_words(name: str, value: str) -> str:
    """Return a field's value as people read it."""
    if not value:
        return "nothing"
    if name.startswith(_MAY):
        return _REACHES.get(value, value)
    if _TYPED_TIME.fullmatch(value):
        try:
            at = datetime.fromisoformat(value)
        except ValueError:  # The thirtieth of February, say.
            return value
        return f"{at.day} {at:%b %Y, %H:%M}"
    return "yes" if value == "y" else words.show(name, value, _NO_NAMES)


_MAY = "may."
_REACHES = {"no": "no", "own": "yes", "self": "their own only"}
_NO_NAMES = words.Names()


def _label(name: str) -> str:
    if name.startswith(_MAY):
        permission = PERMISSIONS.get(name.removeprefix(_MAY))
        return permission.description if permission is not None else name
    return words.label(name.removesuffix("_id"))


def _happened(entity: Aggregate, opened_with: int | None) -> Sequence[event_presenter.Line]:
    """Return the newest things that happened to it since the form was opened, as the acting person may see them."""
    if entity.aggregate_type not in SUBJECT_TYPES:
        return ()
    viewer, whose = current_actor(), (entity.aggregate_type, entity.id)
    entries = timeline(*whose, viewer).entries
    own = [entry for entry in entries if (entry.event.aggregate_type, entry.event.aggregate_id) == whose]
    behind = entity.version - opened_with if opened_with is not None else 1
    return event_presenter.lines(own[: min(behind, _MOST_TOLD)], viewer, whose)


def _opened_with() -> dict[str, str]:
    try:
        base = json.loads(request.form.get("form_base", "{}"))
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in base.items()} if isinstance(base, dict) else {}


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if hasattr(value, "tzinfo") and value.tzinfo is not None:
        return to_local(value).strftime("%Y-%m-%dT%H:%M")
    if isinstance(value, bool):
        return "y" if value else ""
    return str(getattr(value, "value", value))
