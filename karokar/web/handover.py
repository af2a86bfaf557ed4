"""The form of a handover or return, for a booking and for a company's own vehicle alike."""

from typing import Any

from flask import Response, make_response
from flask_wtf.file import FileField, MultipleFileField
from wtforms import BooleanField, IntegerField, SelectMultipleField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from karokar.kernel import handover
from karokar.kernel.handover import PhotoColumns, PhotoUpload
from karokar.kernel.settings import settings
from karokar.web.forms import LocalTimeField, choices
from karokar.web.odometer import OdometerForm

_PICTURES = {"accept": "image/jpeg,image/png"}


class MultiCheckboxField(SelectMultipleField):
    """Several of a list, each with its own box."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class HandoverForm(OdometerForm):
    """What is found on the vehicle when it goes out."""

    odometer = IntegerField(
        "Odometer (km)",
        [InputRequired("Read the odometer."), NumberRange(0, 9_999_999, "Enter whole kilometres.")],
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )
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
        files = [(position, values.pop(f"photo_{position}")) for position in ("front", "back", "left", "right")]
        files += [("detail", file) for file in values.pop("photos") or []]
        # One byte more than allowed tells a photo that is too large, without reading the rest of it.
        most = settings().max_upload_mb * handover.MEGABYTE + 1
        uploads = [PhotoUpload(position, file.read(most)) for position, file in files if getattr(file, "filename", "")]
        return {**values, "notes": values.get("notes") or "", "photos": uploads}


class ReturnForm(HandoverForm):
    """What is found on the vehicle when it comes back."""

    returned_at = LocalTimeField(
        "Returned at", [Optional()], description="Leave it empty if the vehicle came back just now."
    )
    is_damaged = BooleanField("There is new damage (describe it in the notes)")


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
    """Return a picture as a browser is sent it."""
    response = make_response(photo.content)
    response.headers["Content-Type"] = photo.media_type
    return response
