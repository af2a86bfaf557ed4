"""The form of a handover or return, for a booking and for a company's own vehicle alike."""

from typing import Any

from flask import Flask, flash, redirect, url_for
from flask_wtf.file import FileField, MultipleFileField
from werkzeug.wrappers import Response
from wtforms import BooleanField, IntegerField, SelectMultipleField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from karokar.files.cleaning import clean_photo
from karokar.files.formats import kinds
from karokar.kernel.actor import current_actor
from karokar.kernel.db import db
from karokar.kernel.log import get_logger
from karokar.kernel.settings import settings
from karokar.kernel.vehicles import handover
from karokar.kernel.vehicles.handover import HandoverFacts, PhotoColumns, PhotoUpload
from karokar.kernel.vehicles.odometer import MAX_KILOMETRES
from karokar.web.forms.base import LocalTimeField, choices
from karokar.web.forms.form_files import FileForm
from karokar.web.forms.odometer import OdometerForm
from karokar.web.responses.stored_files import send_lost, send_stored, state_of_content
from karokar.web.shell.words import names_by_kind

_PICTURES = {"accept": kinds.ACCEPT_PICTURES}
_DIGITS = {"inputmode": "numeric", "autocomplete": "off"}
_READING = [
    InputRequired("Read the odometer."),
    NumberRange(0, MAX_KILOMETRES, f"Enter whole kilometres, {MAX_KILOMETRES:,} at most."),
]
_POSITIONS = {
    "photo_front": "front",
    "photo_back": "back",
    "photo_left": "left",
    "photo_right": "right",
    "photos": "detail",
}
"""Each field for pictures, and what they show."""


class MultiCheckboxField(SelectMultipleField):
    """Several of a list, each with its own box."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class HandoverForm(FileForm, OdometerForm):
    """What is found on the vehicle when it goes out."""

    accepts = kinds.PICTURES
    most_files = handover.MOST_PHOTOS

    odometer = IntegerField("Odometer (km)", _READING, render_kw=_DIGITS)
    fuel_percent = IntegerField(
        "Fuel or charge (%)",
        [InputRequired("Read the gauge."), NumberRange(0, 100, "Enter a percentage from 0 to 100.")],
        render_kw={"inputmode": "numeric", "min": 0, "max": 100},
    )
    checks = MultiCheckboxField("Looked at", [Optional()], choices=choices(handover.CHECKS.items()))
    notes = TextAreaField("Notes", [Length(max=2000)], description="Scratches, missing parts, agreements.")
    photo_front = FileField("Front", [Optional()], render_kw=_PICTURES)
    photo_back = FileField("Back", [Optional()], render_kw=_PICTURES)
    photo_left = FileField("Left side", [Optional()], render_kw=_PICTURES)
    photo_right = FileField("Right side", [Optional()], render_kw=_PICTURES)
    photos = MultipleFileField("Details", [Optional()], render_kw=_PICTURES | {"multiple": True})

    def found(self) -> dict[str, Any]:
        """Return what the form says as the actions take it: the pictures in one list, empty notes as text."""
        values = self.values()
        photos = []
        for name, position in _POSITIONS.items():
            values.pop(name)
            photos += [
                PhotoUpload(position, file.media_type, file.path.read_bytes(), file.sha256)
                for file in self.files_of(name)
            ]
        return {**values, "notes": values.get("notes") or "", "photos": photos}


class ReturnForm(HandoverForm):
    """What is found on the vehicle when it comes back."""

    returned_at = LocalTimeField(
        "Returned at", [Optional()], description="Leave it empty if the vehicle came back just now."
    )
    is_damaged = BooleanField("There is new damage (describe it in the notes)")


class CorrectionForm(OdometerForm):
    """What the odometer really showed at a handover or return."""

    odometer = IntegerField("Odometer (km)", _READING, render_kw=_DIGITS)


def corrector(found: HandoverFacts) -> str:
    """Return who corrected a handover's reading, as the acting person may know it: people of others by organization."""
    actor = current_actor()
    is_named = actor.is_platform or found.corrected_for == actor.organization_id
    kind, who = ("User", found.corrected_by) if is_named else ("Organization", found.corrected_for)
    return names_by_kind({kind: {who}}).of(who) if who else "Somebody"


def nothing_to_correct(endpoint: str, **values: Any) -> Response:
    """Send somebody who would correct a reading that was never taken back to the page of the thing."""
    flash("No reading has been recorded here yet, so there is none to correct.", "info")
    return redirect(url_for(endpoint, **values), 303)


def say_corrected(doubt: str) -> None:
    """Say on the next page that a reading was corrected, and what is odd about the new one."""
    flash(f"Corrected. {doubt}".strip(), "wait" if doubt else "good")


def install(app: Flask) -> None:
    """Give templates the name of who corrected a reading."""
    app.jinja_env.filters["corrector"] = corrector


def photo_limits() -> tuple[int, int]:
    """Return how many megabytes one photo may have, and all of a handover together."""
    each = settings().max_upload_mb
    return each, handover.photos_together_mb(each)


def most_bytes() -> int:
    """Return how many bytes a handover with its photos may have."""
    return (photo_limits()[1] + 1) * handover.MEGABYTE


def page_values(**more: Any) -> dict[str, Any]:
    """Return what the macros of `_shared/handover.html` need, and `more`."""
    return {
        "photo_limits": photo_limits(),
        "checks": handover.CHECKS,
        "positions": handover.PHOTO_POSITIONS,
        **more,
    }


def photo_response(photo: PhotoColumns) -> Response:
    """Return a picture as a browser is sent it; one that was stored before pictures were cleaned is cleaned first."""
    if photo.sha256 is None:
        clean_photo(type(photo), photo.id)
        db.session.refresh(photo)
    content, name = photo.content, f"{photo.position}.{kinds.KEPT.get(photo.media_type, 'bin')}"
    state = state_of_content(content, photo.sha256, photo.media_type)
    if state != "whole":
        get_logger(__name__).error("photo_damaged", photo=str(photo.id))
        return send_lost(state, is_inline=True)
    return send_stored([content], len(content), media_type=photo.media_type, filename=name, is_inline=True)
