"""The forms of assignments. They check shape; the assignment checks rules."""

from wtforms import IntegerField, SelectField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from karokar.assignment import rules
from karokar.web.forms import Form, LocalTimeField, after, choices


class AssignmentForm(Form):
    """Which of the company's own vehicles goes to whom, and for how long."""

    vehicle_id = SelectField("Vehicle", [DataRequired("Choose a vehicle.")])
    employee_id = SelectField("Employee", [DataRequired("Choose who gets it.")])
    start = LocalTimeField("Start", [InputRequired("Say from when.")])
    end = LocalTimeField(
        "End",
        [Optional(), after("start", "The end has to come after the start.")],
        description="Leave it empty for an assignment without an end.",
    )


class DeclineForm(Form):
    """Why the employee declines."""

    reason = TextAreaField(
        "Reason", [Length(max=500)], description="Your company reads it when it chooses somebody else."
    )


class ReadingForm(Form):
    """What the vehicle shows when it is handed over or returned."""

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
    notes = TextAreaField("Notes", [Length(max=2000)], description="Scratches, missing parts, agreements.")


class CloseForm(Form):
    """Why an assignment is ended administratively."""

    reason = SelectField(
        "Reason",
        [DataRequired("Choose a reason from the list.")],
        choices=choices([("", "Choose a reason"), *rules.CLOSE_REASONS.items()]),
    )
