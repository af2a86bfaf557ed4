"""Checkpoints of the chain, kept outside the database: whoever cuts its end off, or forges it, contradicts them."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy import select

from karokar.audit.models import AuditSeal
from karokar.audit.rules import Checkpoint, Finding, Keys
from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.kernel.log import get_logger
from karokar.kernel.schedule import every
from karokar.kernel.settings import settings

_AT_ONCE = 500
_LAST_BYTES = 4096


@every(60)
def write_checkpoint() -> Checkpoint | None:
    """Sign how far the chain is, append it to the file and to the log; None where nothing was sealed since."""
    made, written = sign_newest(), newest_checkpoint()
    if made is None or (written is not None and written.position >= made.position):
        return None
    _append(settings().audit_checkpoints, made.as_line())
    get_logger(__name__).info("audit_checkpoint", checkpoint=made.as_line())
    return made


def sign_newest() -> Checkpoint | None:
    """Return a signed checkpoint of the newest link; None where nothing has been sealed yet."""
    newest = db.session.execute(
        select(AuditSeal.position, AuditSeal.hash).order_by(AuditSeal.position.desc()).limit(1)
    ).one_or_none()
    if newest is None:
        return None
    return Checkpoint.signed(Keys.of(settings().audit_keys), newest.position, newest.hash, clock.now())


def newest_checkpoint() -> Checkpoint | None:
    """Return the last checkpoint of the file; None where there is none, or its last line is none."""
    path = settings().audit_checkpoints
    if not path.exists():
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LAST_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return next(_parsed(reversed(lines)), None)


def read_checkpoints(lines: Iterable[str]) -> Iterator[Checkpoint]:
    """Yield the checkpoints of a file's lines, or of log lines. Raises ValueError where a line holds none."""
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        try:
            yield Checkpoint.parse(text)
        except ValueError:
            message = f"Line {number} is no checkpoint."
            raise ValueError(message) from None


def contradiction(checkpoints: Iterable[Checkpoint]) -> Finding | None:
    """Return the first way in which the chain, or a checkpoint itself, is not what was signed; None where it is."""
    keys = Keys.of(settings().audit_keys)
    chunk: list[Checkpoint] = []
    for checkpoint in checkpoints:
        if not checkpoint.is_signed_by(keys):
            return Finding(checkpoint.position, "The checkpoint was not signed with any of KAROKAR_AUDIT_KEYS.")
        chunk.append(checkpoint)
        if len(chunk) == _AT_ONCE:
            found = _compare(chunk)
            if found is not None:
                return found
            chunk = []
    return _compare(chunk)


def _compare(checkpoints: list[Checkpoint]) -> Finding | None:
    positions = [checkpoint.position for checkpoint in checkpoints]
    links = {
        row.position: row.hash
        for row in db.session.execute(
            select(AuditSeal.position, AuditSeal.hash).where(AuditSeal.position.in_(positions))
        )
    }
    for checkpoint in checkpoints:
        link = links.get(checkpoint.position)
        if link is None:
            return Finding(
                checkpoint.position, f"The chain ends before, or skips, what was signed on {checkpoint.at}: it was cut."
            )
        if link != checkpoint.hash:
            return Finding(checkpoint.position, f"The chain is not the one that was signed on {checkpoint.at}.")
    return None


def _parsed(lines: Iterable[str]) -> Iterator[Checkpoint]:
    for line in lines:
        try:
            yield Checkpoint.parse(line)
        except ValueError:
            continue


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
