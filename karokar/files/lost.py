"""Which stored files are missing or damaged: noted where they are found so, shown to whoever runs the console."""

from sqlalchemy import delete, func, select

from karokar.files.models import LostFile
from karokar.files.storage import State
from karokar.kernel.db import db, transaction
from karokar.kernel.log import get_logger


def note_state(sha256: str, state: State, **facts: str) -> None:
    """Note how a stored file was found; a whole one is lost no longer. What is lost is an error of the log as well."""
    known = db.session.scalar(select(LostFile.state).where(LostFile.sha256 == sha256))
    if state != "whole":
        get_logger(__name__).error(f"document_{state}", sha256=sha256, **facts)
    if known == state or (known is None and state == "whole"):
        return
    with transaction() as session:
        session.execute(delete(LostFile).where(LostFile.sha256 == sha256))
        if state != "whole":
            session.add(LostFile(sha256=sha256, state=state))


def count_lost() -> int:
    """Return how many stored files are missing or damaged, as far as anybody has looked."""
    return db.session.scalar(select(func.count()).select_from(LostFile)) or 0
