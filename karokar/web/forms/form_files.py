"""Files of a form: each is taken in or refused by name, and what was accepted is held until the form goes through.

    class HandoverForm(FileForm):
        accepts, most_files = kinds.PICTURES, 12
        photos = MultipleFileField("Details")

    if form.is_sent():                               # takes the files in, whatever else is wrong with the form
        actions.activate_booking(photos=form.files_of("photos"))

A browser keeps no files. A form that is shown again lists those that are held, each with a box that keeps it, so that
a person chooses only those again that were refused. They are forgotten once the form went through, or after a day.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from flask import Flask, g, request
from sqlalchemy import delete, select
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response
from wtforms.validators import StopValidation

from karokar.files.formats import kinds
from karokar.files.intake import AcceptedFile, FileRefused, accept, of_content
from karokar.files.models import HeldFile
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.db import db, transaction
from karokar.kernel.errors import LimitReached
from karokar.kernel.fairness.limits import HELD_FILES_OF_PERSON
from karokar.kernel.fairness.quotas import most_of
from karokar.kernel.ids import new_id
from karokar.kernel.schedule import every
from karokar.web.forms.base import Form
from karokar.web.requests.uploads import count_upload

HELD = "held"
"""The name under which a form sends the ids of files that are held for it."""
KEPT_FOR = timedelta(days=1)
_FIELDS = {"FileField", "MultipleFileField"}


@dataclass(frozen=True)
class Kept:
    """A file that is held, as the form shows it."""

    id: UUID
    file: AcceptedFile


class FilesNeeded:
    """A validator: at least one file, chosen now or held since an earlier sending."""

    field_flags: ClassVar = {"required": True}

    def __init__(self, message: str) -> None:
        self._message = message

    def __call__(self, _form: Any, field: Any) -> None:
        """Raise StopValidation where there is none."""
        if not _files(field.data) and not request.form.getlist(HELD):
            raise StopValidation(self._message)


class FileForm(Form):
    """A form with files: see above. `accepts` are media types, `most_files` how many files it takes in all."""

    accepts: ClassVar[Collection[str]] = kinds.DOCUMENTS
    most_files: ClassVar[int] = 12
    _kept: Sequence[Kept] = ()

    def is_sent(self) -> bool:
        """Whether the form was sent, its shape is right, and every file was accepted."""
        is_fine = super().is_sent()
        if self.is_submitted():
            self._take_in()
        return is_fine and not self.errors

    def files_of(self, name: str) -> list[AcceptedFile]:
        """Return the files of a field: those just chosen, and those held since an earlier sending."""
        return [one.file for one in self._kept if one.file.field == name]

    def _take_in(self) -> None:
        fields = {field.short_name: field for field in self if field.type in _FIELDS}
        chosen = [(name, file) for name, field in fields.items() for file in _files(field.data)]
        # A field for one file has the newest.
        replaced = {name for name, _file in chosen if fields[name].type == "FileField"}
        kept = [one for one in _held_before() if one.file.field in fields and one.file.field not in replaced]
        if len(chosen) + len(kept) > self.most_files:
            _refuse(fields[chosen[-1][0] if chosen else kept[-1].file.field], _too_many(len(chosen) + len(kept), self))
            chosen = []
        for name, file in chosen:
            try:
                count_upload(file.stream)
                accepted = accept(file.filename or "", file.stream, allowed=self.accepts, in_field=name)
            except (FileRefused, LimitReached) as refused:
                _refuse(fields[name], refused.sentence)
            else:
                _taken().append(accepted)
                kept.append(Kept(_hold(accepted), accepted))
        self._kept = kept
        for name, field in fields.items():
            field.kept = [one for one in kept if one.file.field == name]
            if field.kept:
                field.flags.required = False


def _too_many(count: int, form: FileForm) -> str:
    word = "files" if kinds.PDF in form.accepts else "photos"
    return f"These are {count} {word}; {form.most_files} are taken at once. Leave some out."


def _files(data: Any) -> list[FileStorage]:
    given = data if isinstance(data, list | tuple) else [data]
    return [file for file in given if isinstance(file, FileStorage) and file.filename]


def _refuse(field: Any, sentence: str) -> None:
    field.errors = [*field.errors, sentence]


def _purpose() -> str:
    return request.full_path[:500]


def _taken() -> list[AcceptedFile]:
    files: list[AcceptedFile] = g.setdefault("accepted_files", [])
    return files


def held_ids() -> list[UUID]:
    """Return the files that are held for the form of this request."""
    ids: list[UUID] = g.setdefault("held_files", [])
    return ids


def _held_before() -> list[Kept]:
    """Return what the form says to keep, of what the acting person sent with this very form before."""
    ids = []
    for text in request.form.getlist(HELD)[: most_of(HELD_FILES_OF_PERSON)]:
        try:
            ids.append(UUID(text))
        except ValueError:
            continue
    if not ids:
        return []
    actor = current_actor()
    statement = select(HeldFile).where(
        HeldFile.id.in_(ids),
        HeldFile.user_id == actor.user_id,
        HeldFile.organization_id == actor.organization_id,
        HeldFile.purpose == _purpose(),
    )
    found = []
    for row in db.session.scalars(statement.order_by(HeldFile.id)).all():
        file = of_content(row.content, row.filename, row.media_type, row.received_sha256, row.field)
        _taken().append(file)
        held_ids().append(row.id)
        found.append(Kept(row.id, file))
    return found


def _hold(file: AcceptedFile) -> UUID:
    actor, held_id = current_actor(), new_id()
    if actor.user_id is None:
        return held_id  # Nobody to hold it for.
    with transaction() as session:
        mine = select(HeldFile.id).where(HeldFile.user_id == actor.user_id).order_by(HeldFile.id.desc())
        oldest = session.scalars(mine.offset(most_of(HELD_FILES_OF_PERSON) - 1)).all()
        session.execute(delete(HeldFile).where(HeldFile.id.in_(oldest)))
        session.add(
            HeldFile(
                id=held_id,
                user_id=actor.user_id,
                organization_id=actor.organization_id,
                purpose=_purpose(),
                field=file.field,
                filename=file.filename,
                media_type=file.media_type,
                received_sha256=file.received_sha256,
                content=file.path.read_bytes(),
            )
        )
    held_ids().append(held_id)
    return held_id


def _forget(response: Response) -> Response:
    """Forget what was held for a form that went through."""
    ids = g.get("held_files")
    if ids and response.status_code < 400:
        with transaction() as session:
            session.execute(delete(HeldFile).where(HeldFile.id.in_(ids)))
    return response


def _discard(_error: BaseException | None) -> None:
    for file in g.pop("accepted_files", ()):
        file.discard()


@every(3600)
def forget_held_files() -> None:
    """Forget files of forms that nobody sent again within a day."""
    with transaction() as session:
        session.execute(delete(HeldFile).where(HeldFile.created_at < clock.now() - KEPT_FOR))


def install(app: Flask) -> None:
    """Forget each request's files when it has ended."""
    app.after_request(_forget)
    app.teardown_request(_discard)
