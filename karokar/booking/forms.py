"""The forms of bookings. They check shape; the booking checks rules."""

from collections.abc import Iterable

from flask_wtf.file import FileField, MultipleFileField
from wtforms import BooleanField, IntegerField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from karokar.booking import rules
from karokar.web.forms import Form, LocalTimeField, after

_OTHER_SIDE_READS = "The other side reads it."
_PICTURES = {"accept": "image/jpeg,image/png"}
_END_AFTER_START = "The end has to come after the start."


def choices(pairs: Iterable[tuple[str, str]]) -> list[SelectChoice]:
    """Return what a select offers, from (value, words) pairs."""
    return [SelectChoice(value, label) for value, label in pairs]


class MultiCheckboxField(SelectMultipleField):
    """Several of a list, each with its own box."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class BookingForm(Form):
    """A draft: when, and what for."""

    start = LocalTimeField("Start", [InputRequired("Say when you need the vehicle.")])
    end = LocalTimeField("End", [InputRequired("Say when you bring it back."), after("start", _END_AFTER_START)])
    purpose = StringField(
        "Purpose",
        [Length(max=500)],
        description="For your own company only; the vendor does not see it.",
    )


class ReasonForm(Form):
    """Why something is called off: a reason from a list and a note."""

    reason = SelectField("Reason", [DataRequired("Choose a reason from the list.")])
    note = TextAreaField(
        "Note",
        [DataRequired("Add a note: the other side reads it."), Length(max=1000)],
        description=_OTHER_SIDE_READS,
    )


class RejectForm(ReasonForm):
    """Why a request is turned down, and which vehicle is offered instead."""

    offered_vehicle_id = SelectField("Offer another vehicle instead", [Optional()])


class AssignForm(Form):
    """Who gets the vehicle."""

    employee_id = SelectField("Employee", [DataRequired("Choose who gets the vehicle.")])


class HandoverForm(Form):
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
    checks = MultiCheckboxField("Looked at", [Optional()], choices=choices(rules.CHECKS.items()))
    notes = TextAreaField("Notes", [Length(max=2000)], description="Scratches, missing parts, agreements.")
    photo_front = FileField("Front", [Optional()], render_kw=_PICTURES)
    photo_back = FileField("Back", [Optional()], render_kw=_PICTURES)
    photo_left = FileField("Left side", [Optional()], render_kw=_PICTURES)
    photo_right = FileField("Right side", [Optional()], render_kw=_PICTURES)
    photos = MultipleFileField("Details", [Optional()], render_kw=_PICTURES | {"multiple": True})


class ReturnForm(HandoverForm):
    """What is found on the vehicle when it comes back."""

    returned_at = LocalTimeField(
        "Returned at", [Optional()], description="Leave it empty if the vehicle came back just now."
    )
    is_damaged = BooleanField("There is new damage (describe it in the notes)")


class CommentForm(Form):
    """A message to the other side."""

    text = TextAreaField("Message", [DataRequired("Write something."), Length(max=2000)])
