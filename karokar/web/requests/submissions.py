"""A form that is sent twice does its work once: the second sending is led to what the first one did.

Twice means with the same content. Whoever goes back, changes something and sends the form again has sent something
else: it is done, and they are told that the first content was done as well.
"""

import hashlib
import json
import time
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from flask import Flask, flash, g, make_response, redirect, render_template, request
from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError, OperationalError
from werkzeug.wrappers import Response

from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.db import db
from karokar.kernel.fairness.limits import FORMS_OF_PERSON
from karokar.kernel.fairness.quotas import most_of
from karokar.kernel.ports import ports
from karokar.kernel.schedule import every
from karokar.web.models import FormSubmission

_PATIENCE_S = 3.0
_STEP_S = 0.1
_CHUNK = 1_000_000


class _SomebodyElses(Exception):
    """The key is of a form that was rendered for somebody else."""


def _connection() -> Connection:
    # A connection of its own: whether the form was seen before does not depend on what becomes of its work.
    return db.engine.connect().execution_options(karokar_write=True)


def begin() -> Response | None:
    """Note that this form was sent; answer at once where it was sent before."""
    key = _key()
    if key is None:
        return None
    digest, user_id = _digest(), current_actor().user_id
    try:
        with _connection() as connection, connection.begin():
            row = {"key": key, "digest": digest, "user_id": user_id, "sent_at": clock.now(), "location": None}
            connection.execute(insert(FormSubmission).values(**row))
            others = connection.execute(
                select(FormSubmission.user_id).where(FormSubmission.key == key, FormSubmission.digest != digest)
            ).all()
            if any(other.user_id != user_id for other in others):
                raise _SomebodyElses
            g.was_form_sent_otherwise = bool(others)
            _make_room(connection, user_id)
    except _SomebodyElses:
        return _refused()
    except IntegrityError:
        return _again(key, digest)
    except OperationalError:
        # Too busy to note it. The form's own rules (versions, unique keys) still stand.
        return None
    g.form_key = (key, digest)
    return None


def _make_room(connection: Connection, user_id: UUID | None) -> None:
    """Forget the oldest forms of whoever sent more than are remembered of one person."""
    is_theirs = FormSubmission.user_id == user_id if user_id else FormSubmission.user_id.is_(None)
    sent = select(FormSubmission.sent_at).where(is_theirs).order_by(FormSubmission.sent_at.desc())
    newest_of_old = connection.execute(sent.offset(most_of(FORMS_OF_PERSON)).limit(1)).scalar()
    if newest_of_old is not None:
        connection.execute(delete(FormSubmission).where(is_theirs, FormSubmission.sent_at <= newest_of_old))


def _key() -> UUID | None:
    # The page that asks who it is only passes a form on.
    if request.method != "POST" or request.endpoint in {None, ports().sign_in.confirm_with}:
        return None
    try:
        return UUID(request.form.get("form_key", ""))
    except ValueError:
        return None


def _digest() -> str:
    """Return what names the content of the form: where it is sent, every field and every file."""
    content = hashlib.sha256(request.full_path.encode())
    for name, values in sorted(request.form.lists()):
        if name != "csrf_token":
            content.update(json.dumps([name, values]).encode())
    for name, files in sorted(request.files.lists()):
        for file in files:
            content.update(json.dumps([name, file.filename]).encode())
            while chunk := file.stream.read(_CHUNK):
                content.update(chunk)
            file.stream.seek(0)
    return content.hexdigest()


def _again(key: UUID, digest: str) -> Response:
    give_up_at = time.monotonic() + _PATIENCE_S
    while True:
        with db.engine.connect() as connection:
            found = connection.execute(
                select(FormSubmission.user_id, FormSubmission.location).where(*_is((key, digest)))
            ).one_or_none()
        if found is not None and found.location and found.user_id == current_actor().user_id:
            flash("This form had been sent already; it was done once.", "info")
            return redirect(found.location, 303)
        if found is None or time.monotonic() > give_up_at:
            break
        time.sleep(_STEP_S)
    return _refused()


def _refused() -> Response:
    sentence = (
        "This form was sent twice; the first one is still being worked on. Look at the list before you try again."
    )
    return make_response(render_template("errors/page.html", status=409, title="Sent twice", sentence=sentence), 409)


def end(response: Response) -> Response:
    """Keep where the form led, or forget it where it did nothing, so that it may be sent again."""
    form = g.pop("form_key", None)
    if form is None:
        return response
    location = response.headers.get("Location") or response.headers.get("HX-Redirect")
    if location and len(location) <= 2000:
        # What the form did is done: whether that can be noted changes nothing of the answer.
        with suppress(OperationalError), _connection() as connection, connection.begin():
            connection.execute(update(FormSubmission).where(*_is(form)).values(location=location))
        if g.pop("was_form_sent_otherwise", False):
            flash(
                "You had sent this form before with other content. Both were done: check that you meant both.", "wait"
            )
    else:
        _forget(form)
    return response


def _forget(form: tuple[UUID, str]) -> None:
    with suppress(OperationalError), _connection() as connection, connection.begin():
        connection.execute(delete(FormSubmission).where(*_is(form)))


def _is(form: tuple[UUID, str]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    key, digest = form
    return FormSubmission.key == key, FormSubmission.digest == digest


def _leave(_error: BaseException | None) -> None:
    form = g.pop("form_key", None)
    if form is not None:
        _forget(form)


@every(3600)
def forget_old_submissions() -> None:
    """Forget forms sent more than two days ago."""
    with _connection() as connection, connection.begin():
        connection.execute(delete(FormSubmission).where(FormSubmission.sent_at < clock.now() - timedelta(days=2)))


def install(app: Flask) -> None:
    """Watch every form that carries a key."""
    app.before_request(begin)
    app.after_request(end)
    app.teardown_request(_leave)
