"""What people type about organizations: its shape. Whether it may be done, the actions decide."""

from typing import Any
from uuid import UUID

from wtforms import (
    BooleanField,
    EmailField,
    IntegerField,
    RadioField,
    SelectField,
    StringField,
    TelField,
    TextAreaField,
    URLField,
    ValidationError,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from karokar.organization import rules
from karokar.web.forms.base import Form, NameField, can_be_mailed_to, choose, time_zones

NAME = Length(max=120, message="Use at most 120 characters.")
SHORT = Length(max=80, message="Use at most 80 characters.")
NOTE = Length(max=1000, message="Use at most 1000 characters.")


def needed(what: str) -> DataRequired:
    """Return the validator that asks for something more than spaces: `needed("the name")`."""
    return DataRequired(f"Enter {what}.")


class ApplicationForm(Form):
    """A company, and its first administrator."""

    type = RadioField(
        "What do you want to do?",
        [InputRequired("Choose one.")],
        choices=[
            SelectChoice("VENDOR", "Rent out vehicles of our fleet"),
            SelectChoice("CORPORATE", "Book vehicles for our employees"),
        ],
    )
    name = NameField("Company", [needed("the company's name"), NAME], render_kw={"autocomplete": "organization"})
    registration_number = StringField("Registration number", [Optional(), SHORT])
    tax_number = StringField("Tax number", [Optional(), SHORT])
    address = StringField("Address", [Optional(), Length(max=200, message="Use at most 200 characters.")])
    time_zone = SelectField(
        "Time zone",
        [InputRequired("Choose the time zone.")],
        choices=lambda: [SelectChoice("", "Choose your time zone"), *time_zones()],
        description="Times are shown in this zone.",
    )
    first_name = NameField(
        "Your first name", [needed("your first name"), SHORT], render_kw={"autocomplete": "given-name"}
    )
    last_name = NameField(
        "Your last name", [needed("your last name"), SHORT], render_kw={"autocomplete": "family-name"}
    )
    email = EmailField(
        "Your e-mail address",
        [
            needed("your e-mail address"),
            can_be_mailed_to,
        ],
        description="We send a link there, with which you choose a password.",
        render_kw={"autocomplete": "email"},
    )
    phone = TelField(
        "Your phone",
        [Optional(), Length(max=40, message="Use at most 40 characters.")],
        render_kw={"autocomplete": "tel"},
    )


class OrganizationForm(Form):
    """An organization's data and settings."""

    name = NameField("Name", [needed("the name"), NAME])
    registration_number = StringField("Registration number", [Optional(), SHORT])
    tax_number = StringField("Tax number", [Optional(), SHORT])
    address = StringField("Address", [Optional(), Length(max=200, message="Use at most 200 characters.")])
    region = NameField("Region", [Optional(), SHORT])
    contract = StringField("Contract", [Optional(), SHORT])
    website = URLField("Website", [Optional(), Length(max=200, message="Use at most 200 characters.")])
    time_zone = SelectField(
        "Time zone",
        [InputRequired("Choose the time zone.")],
        choices=time_zones,
        description="Times are shown in this zone.",
    )
    buffer_minutes = IntegerField(
        "Minutes between two bookings of a vehicle",
        [
            InputRequired("Enter the minutes; 0 is possible."),
            NumberRange(0, rules.LONGEST_BUFFER_MINUTES, "From 0 minutes to a day (1440)."),
        ],
        description="Counts for bookings that are approved from now on.",
    )
    contact_name = NameField(
        "Contact person",
        [Optional(), NAME],
        description="Shown to the other side of a booking once it is approved.",
    )
    contact_phone = TelField("Contact phone", [Optional(), SHORT])
    reminders = BooleanField("Send reminders before documents run out")
    parent_organization_id = StringField(
        "Parent organization",
        [Optional()],
        description="The id of the organization that yours belongs to, if it is here, too. It gives no rights.",
    )

    def validate_parent_organization_id(self, field: Any) -> None:
        """Accept an id only."""
        try:
            UUID(field.data)
        except ValueError as error:
            raise ValidationError(
                "This is no id. It has 36 letters and digits; the other company sees its own."
            ) from error


class ApproveForm(Form):
    """Admitting an organization."""

    notes = TextAreaField("Note", [Optional(), NOTE], description="Kept with the decision.")


class RejectForm(Form):
    """Turning an application down."""

    reason = SelectField(
        "Reason",
        [InputRequired("Choose a reason.")],
        choices=choose(rules.REJECTION_REASONS.items(), "Choose a reason"),
    )
    notes = TextAreaField("Note", [Optional(), NOTE], description="The company reads it.")


class SuspendForm(Form):
    """Suspending an organization."""

    reason = SelectField(
        "Reason",
        [InputRequired("Choose a reason.")],
        choices=choose(rules.SUSPENSION_REASONS.items(), "Choose a reason"),
    )
    notes = TextAreaField("Note", [Optional(), NOTE], description="The company reads it.")
