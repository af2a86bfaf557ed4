"""The forms of assignments. They check shape; the assignment checks rules."""

from wtforms import SelectField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from karokar.assignment import rules
from karokar.web.forms.base import Form, LocalTimeField, after, choices


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


class CloseForm(Form):
    """Why an assignment is ended administratively."""

    reason = SelectField(
        "Reason",
        [DataRequired("Choose a reason from the list.")],
        choices=choices([("", "Choose a reason"), *rules.CLOSE_REASONS.items()]),
    )
