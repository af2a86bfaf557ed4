"""Which stored files are missing or damaged: noted where they are found so, shown to whoever runs the console."""

from collections.abc import Mapping

from sqlalchemy import delete, func, select

from karokar.files.models import LostFile
from karokar.files.storage import State
from karokar.kernel.db import db, transaction
from karokar.kernel.log import get_logger


def note_state(sha256: str, state: State, **facts: str) -> None:
    """Note how a stored file was found; a whole one is lost no longer. What is lost is an error of the log as well."""
    note_states({sha256: state}, **facts)


def note_states(found: Mapping[str, State], **facts: str) -> None:
    """Note how several stored files were found, by their SHA-256."""
    rows = db.session.execute(select(LostFile.sha256, LostFile.state).where(LostFile.sha256.in_(found)))
    known = {sha256: state for sha256, state in rows}  # noqa: C416 - rows are no pairs to mypy
    for sha256, state in found.items():
        if state != "whole":
            get_logger(__name__).error(f"document_{state}", sha256=sha256, **facts)
    changed = {sha256: state for sha256, state in found.items() if known.get(sha256, "whole") != state}
    if not changed:
        return
    with transaction() as session:
        session.execute(delete(LostFile).where(LostFile.sha256.in_(changed)))
        session.add_all([LostFile(sha256=sha256, state=state) for sha256, state in changed.items() if state != "whole"])


def count_lost() -> int:
    """Return how many stored files are missing or damaged, as far as anybody has looked."""
    return db.session.scalar(select(func.count()).select_from(LostFile)) or 0
