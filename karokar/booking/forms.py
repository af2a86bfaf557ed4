"""The forms of bookings. They check shape; the booking checks rules."""

from wtforms import SelectField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from karokar.web.forms.base import Form, LocalTimeField, NameField, after

_OTHER_SIDE_READS = "The other side reads it."
_END_AFTER_START = "The end has to come after the start."


class BookingForm(Form):
    """A draft: when, and what for."""

    start = LocalTimeField("Start", [InputRequired("Say when you need the vehicle.")])
    end = LocalTimeField("End", [InputRequired("Say when you bring it back."), after("start", _END_AFTER_START)])
    purpose = NameField(
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


class CommentForm(Form):
    """A message to the other side."""

    text = TextAreaField("Message", [DataRequired("Write something."), Length(max=2000)])
