"""The shapes of the fleet's forms. What they mean is checked by the vehicle itself."""

from wtforms import DecimalField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional, ValidationError

from karokar.fleet.rules import CATEGORIES, MAX_SEATS, SUSPENSION_REASONS, WINDOW_KINDS, YEARS
from karokar.kernel.local.countries import countries
from karokar.kernel.vehicles.odometer import MAX_KILOMETRES
from karokar.web.forms.base import Form, LocalTimeField, NameField, after, choose, time_zones
from karokar.web.forms.odometer import OdometerForm

NEEDED = "This is needed."


def _choices(names: dict[str, str]) -> list[SelectChoice]:
    return [SelectChoice("", "Choose…"), *(SelectChoice(code, name) for code, name in names.items())]


def _countries() -> list[SelectChoice]:
    return _choices(countries())


class VehicleForm(Form):
    """What a vehicle is and where it stands."""

    make = NameField("Make", [DataRequired(NEEDED), Length(max=60)])
    model = NameField("Model", [DataRequired(NEEDED), Length(max=60)])
    year = IntegerField(
        "Year", [InputRequired(NEEDED), NumberRange(YEARS[0], YEARS[-1], "A year between %(min)s and %(max)s.")]
    )
    license_plate = StringField("Licence plate", [DataRequired(NEEDED), Length(max=20)])
    plate_country = SelectField(
        "Country of the plate",
        [Optional()],
        choices=_countries,
        description="Leave empty for the country of the place.",
    )
    category = SelectField("Category", [InputRequired(NEEDED)], choices=_choices(CATEGORIES))
    seats = IntegerField("Seats", [InputRequired(NEEDED), NumberRange(1, MAX_SEATS, "1 to %(max)s seats.")])
    city = NameField("City", [DataRequired(NEEDED), Length(max=80)])
    address = StringField(
        "Pick-up address",
        [Optional(), Length(max=200)],
        description="Street and number. Companies see it when they search.",
    )
    time_zone = SelectField(
        "Time zone of the place",
        [InputRequired(NEEDED)],
        choices=time_zones,
    )


class NewVehicleForm(VehicleForm, OdometerForm):
    """A vehicle that is registered, with what its odometer shows."""

    odometer = IntegerField(
        "Odometer (km)",
        [InputRequired(NEEDED), NumberRange(0, MAX_KILOMETRES, "0 to %(max)s km.")],
        default=0,
    )


class SuspendForm(Form):
    """Why a vehicle is taken off the road."""

    reason = SelectField("Reason", [InputRequired("Choose a reason.")], choices=_choices(SUSPENSION_REASONS))
    note = TextAreaField("Note", [Optional(), Length(max=1000)], description="Those who booked the vehicle read it.")


class RetireForm(Form):
    """Why a vehicle leaves the fleet."""

    reason = StringField("Reason", [Optional(), Length(max=200)])


class ReadingForm(OdometerForm):
    """What an odometer shows."""

    reading = "kilometres"

    kilometres = IntegerField(
        "Odometer (km)", [InputRequired(NEEDED), NumberRange(0, MAX_KILOMETRES, "0 to %(max)s km.")]
    )
    read_at = LocalTimeField("Read at", [Optional()], description="Leave empty for now.")
    note = StringField("Note", [Optional(), Length(max=200)])


class VoidForm(Form):
    """What is wrong with a reading."""

    reason = StringField("What is wrong with it?", [DataRequired("Say what is wrong."), Length(max=200)])


class WindowForm(Form):
    """What is to be done to a vehicle, from when to when."""

    kind = SelectField("Kind of work", [InputRequired(NEEDED)], choices=_choices(WINDOW_KINDS))
    start = LocalTimeField("Start", [InputRequired(NEEDED)])
    end = LocalTimeField("End", [InputRequired(NEEDED), after("start", "The end must be after the start.")])
    description = TextAreaField("Description", [Optional(), Length(max=2000)])


class CompleteForm(Form):
    """What the work cost."""

    cost = DecimalField("Cost", [Optional(), NumberRange(0, 100_000_000, "Not below zero.")], places=2)
    cost_currency = SelectField(
        "Currency",
        [Optional()],
        choices=choose(
            ((code, code) for code in ("EUR", "GBP", "USD", "INR", "CHF", "PLN", "CZK", "SEK", "TRY")),
            "Choose a currency",
        ),
    )

    def validate_cost(self, field: DecimalField) -> None:
        """A cost is in some currency."""
        if field.data is not None and not self.cost_currency.data:
            sentence = "Choose the currency of the cost."
            raise ValidationError(sentence)


class CancelForm(Form):
    """Why a window is called off."""

    reason = StringField("Reason", [Optional(), Length(max=200)])
