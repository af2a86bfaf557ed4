"""The base of every form.

A view reads:

    form = VehicleForm(obj=vehicle)                      # names as the action's arguments
    if form.is_sent():
        with form.refusals():                            # a domain error about this form lands at its field
            vehicle = actions.update_vehicle(vehicle_id, version=form.sent_version, **form.values())
            return redirect(url_for("fleet.show", vehicle_id=vehicle_id), 303)
    return render_template("fleet/edit.html", form=form), form.status
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from flask import Flask, request
from flask_wtf import FlaskForm
from markupsafe import Markup
from wtforms import DateTimeLocalField, Field, PasswordField, StringField, TextAreaField, ValidationError
from wtforms.fields.choices import SelectChoice
from wtforms.widgets import DateTimeLocalInput

from karokar.kernel.errors import DomainError, LimitReached, RuleBroken, StaleVersion
from karokar.kernel.ids import new_id
from karokar.kernel.local.zones import zone_word
from karokar.kernel.text.email_addresses import email_problem
from karokar.kernel.text.normalization import line_problem, name_problem, note_problem
from karokar.web.shell.times import FIRST_YEAR, LAST_YEAR, comes_twice, from_local, read_moment, to_local, viewer_zone

LONGEST_NUMBER = 18
"""Digits of the largest number that any database holds for us."""

_OWN = {"csrf_token", "acting_for", "form_key", "version", "form_base"}
_SILENT = {"HiddenField", "CSRFTokenField", "PasswordField", "FileField", "MultipleFileField", "SubmitField"}


def time_zones() -> list[SelectChoice]:
    """Return the time zones to choose from: every one that an organization can have, UTC among them."""
    return [SelectChoice(name, name.replace("_", " ")) for name in _zone_names()]


@cache
def _zone_names() -> tuple[str, ...]:
    # Asking for them reads a folder of hundreds of files, and a file of vehicles makes a form for each of its rows.
    return tuple(sorted(name for name in available_timezones() if "/" in name or name == "UTC"))


def choices(pairs: Iterable[tuple[str, str]]) -> list[SelectChoice]:
    """Return what a select offers, from (value, words) pairs."""
    return [SelectChoice(value, label) for value, label in pairs]


def choose(pairs: Iterable[tuple[str, str]], words: str) -> list[SelectChoice]:
    """Return what a select offers with nothing chosen yet: `words` ("Choose a reason") stand first."""
    return [SelectChoice("", words), *choices(pairs)]


def can_be_mailed_to(form: Any, field: Field) -> None:
    """Refuse an email address that mail servers do not accept."""
    del form
    problem = email_problem(field.data or "")
    if problem:
        raise ValidationError(problem)


_SENTENCES = {
    "Not a valid choice.": "Choose one from the list.",
    "Invalid Choice: could not coerce.": "Choose one from the list.",
    "Not a valid integer value.": "Enter a whole number.",
    "Not a valid decimal value.": "Enter a number.",
    "Not a valid float value.": "Enter a number.",
    "Not a valid date value.": "Enter a date.",
    "Not a valid datetime value.": "Enter a date and a time.",
    "Not a valid time value.": "Enter a time.",
    "This field is required.": "This is needed.",
    "Invalid URL.": "Enter an address that begins with https://.",
    "Field cannot be longer than %(max)d characters.": "Use at most %(max)d characters.",
}
"""What the library says where a field has no sentence of its own, in ours."""


class _OurSentences:
    """Stands where the library looks for translations."""

    def gettext(self, text: str) -> str:
        """Return the sentence that we say for this one."""
        return _SENTENCES.get(text, text)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """Return the sentence that we say for these two."""
        return _SENTENCES.get(plural) or (singular if number == 1 else plural)


class Form(FlaskForm):
    """A form whose token, organization and version are written by the template (`forms.start`) and checked for all
    forms in one place; its own fields say only what the action needs.
    """

    class Meta:
        """The token is checked before the view runs (karokar.web.requests.csrf), not here."""

        csrf = False

        def get_translations(self, _form: Any) -> _OurSentences:
            """Say what is wrong with what was typed as the console says things."""
            return _OurSentences()

        def bind_field(self, form: Any, unbound_field: Any, options: dict[str, Any]) -> Any:
            """Strip the spaces around what was typed, and refuse what cannot be shown, but for passwords."""
            kind = unbound_field.field_class
            if not issubclass(kind, StringField) or issubclass(kind, PasswordField):
                return unbound_field.bind(form=form, **options)
            options = {**options, "filters": [*unbound_field.kwargs.get("filters", ()), _stripped]}
            field = unbound_field.bind(form=form, **options)
            field.validators = [*field.validators, _can_be_shown]
            return field

    def is_sent(self) -> bool:
        """Whether the form was sent and its shape is right."""
        return bool(self.validate_on_submit())

    @property
    def status(self) -> int:
        """The HTTP status of a page that shows this form: 422 with errors, else 200."""
        return 422 if self.errors else 200

    @property
    def sent_version(self) -> int | None:
        """The version of the thing that the form was opened with."""
        return sent_version()

    def values(self) -> dict[str, Any]:
        """What was typed, by field name; empty text is None."""
        return {
            field.short_name: (field.data or None) if isinstance(field.data, str) else field.data
            for field in self
            if field.type not in {"CSRFTokenField", "SubmitField"} and field.short_name not in _OWN
        }

    def refuse(self, error: DomainError) -> None:
        """Show a domain error at the fields that it names, else above the form."""
        named = {name: text for name, text in error.fields.items() if name in self}
        for name, text in named.items():
            self[name].errors = [*self[name].errors, text]
        if not named:
            self.form_errors.append(error.sentence)

    @contextmanager
    def refusals(self, *kinds: type[DomainError]) -> Iterator[None]:
        """Turn domain errors (RuleBroken and LimitReached, or the kinds given) of what is done inside into errors of
        this form, which keeps what was typed.

        A stale version is never one: it has a page of its own, on which both versions are compared.
        """
        caught = kinds or (RuleBroken, LimitReached)
        try:
            yield
        except StaleVersion:
            raise
        except caught as error:
            self.refuse(error)


class NameField(StringField):
    """A name or title: it holds a letter or digit that people see, and nothing that they cannot."""


def _can_be_shown(_form: Any, field: Field) -> None:
    problem_of = line_problem
    if isinstance(field, NameField):
        problem_of = name_problem
    elif isinstance(field, TextAreaField):
        problem_of = note_problem
    sentence = problem_of(field.data) if field.data else None
    if sentence is not None:
        raise ValidationError(sentence)


def label_of(form: type[Form], name: str) -> str:
    """Return what a form calls its field, so that lists and files call it the same."""
    label: str = getattr(form, name).args[0]
    return label


WHICH = "_which"
"""What follows the name of a moment's field in the name of the choice between an hour and its return in autumn."""


class _LocalTimeInput(DateTimeLocalInput):
    """The control of a moment, with a choice beside it where the clocks show the time twice."""

    def __call__(self, field: Any, **kwargs: Any) -> Markup:
        control: Markup = super().__call__(field, **kwargs)
        shown = field.shown_twice()
        if shown is None:
            return control
        options = Markup().join(
            Markup('<option value="{}"{}>{}</option>').format(
                number, Markup(" selected") if number == int(field.is_second()) else "", text
            )
            for number, text in enumerate(shown)
        )
        select = Markup('<select class="form-select mt-1" name="{}" aria-label="{}: which one">{}</select>')
        return Markup().join((control, select.format(field.name + WHICH, field.label.text, options)))


class LocalTimeField(DateTimeLocalField):
    """A moment typed as local time of the viewer (or of `zone`, set by the view); `data` is aware and in UTC.

    A time that the clocks show twice in autumn is never guessed: the form asks which one is meant.
    """

    widget = _LocalTimeInput()
    zone: Any = None
    data: Any
    _which: str | None = None

    def __init__(self, label: str = "", validators: Any = None, **kwargs: Any) -> None:
        super().__init__(label, validators, format=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"], **kwargs)

    def process(self, formdata: Any, *args: Any, **kwargs: Any) -> None:
        """Take the field's own value and, where one was asked for, the choice between an hour and its return."""
        self._which = formdata.get(self.name + WHICH) if formdata is not None else None
        super().process(formdata, *args, **kwargs)

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read local time as a moment; one that names its own offset ("…Z", as links carry it) is taken as it is."""
        if valuelist and valuelist[0].endswith(("Z", "+00:00")):
            try:
                self.data = read_moment(valuelist[0])
            except ValueError:
                self.data = None
                raise ValueError(self.gettext("Not a valid datetime value.")) from None
            self.raw_data = [to_local(self.data, self.zone).strftime("%Y-%m-%dT%H:%M")]
            return
        super().process_formdata(valuelist)
        if self.data is not None:
            typed, self.data = self.data, None
            if comes_twice(typed, self.zone) and self._which not in {"0", "1"}:
                message = f"{typed:%H:%M} comes twice on that day: the clocks go back. Choose which one you mean."
                raise ValueError(message)
            self.data = from_local(typed, self.zone, is_second=self._which == "1")

    def shown_twice(self) -> tuple[str, str] | None:
        """Return how the two moments are told apart that the time in the control may mean; None where it is one."""
        try:
            shown = datetime.fromisoformat(self._value())
        except ValueError:
            return None
        zone = self.zone or viewer_zone()
        if shown.tzinfo is not None or not comes_twice(shown, zone):
            return None
        moments = [shown.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
        first, second = (f"{moment:%H:%M} {zone_word(moment)}" for moment in moments)
        return f"{first}, before the clocks go back", f"{second}, after the clocks went back"

    def is_second(self) -> bool:
        """Whether the moment is the one after the clocks went back."""
        if self.data is not None and self.data.tzinfo is not None:
            return bool(self.data.astimezone(self.zone or viewer_zone()).fold)
        return self._which == "1"

    def _value(self) -> str:
        if self.raw_data:
            return " ".join(self.raw_data)
        if self.data is None:
            return ""
        shown = to_local(self.data, self.zone) if self.data.tzinfo else self.data
        return shown.strftime("%Y-%m-%dT%H:%M")


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def after(other: str, message: str) -> Any:
    """Return a validator: this field comes after the other one, where both are filled in."""

    def check(form: Any, field: Field) -> None:
        first: datetime | None = form[other].data
        if first is not None and field.data is not None and field.data <= first:
            raise ValidationError(message)

    return check


def in_our_years(_form: Any, field: Field) -> None:
    """Validate that a day lies in the years that any calendar of ours reaches."""
    if field.data is not None and not FIRST_YEAR <= field.data.year <= LAST_YEAR:
        message = f"Choose a year from {FIRST_YEAR} to {LAST_YEAR}."
        raise ValidationError(message)


def within(other: str, longest: timedelta) -> Any:
    """Return a validator: this field comes so long after the other one at most, where both are filled in."""

    def check(form: Any, field: Field) -> None:
        first: datetime | None = form[other].data
        if first is not None and field.data is not None and field.data - first > longest:
            message = f"Choose a time within {longest.days} days."
            raise ValidationError(message)

    return check


def sent_version() -> int | None:
    """Return the version that the form just sent carries; None where it carries none or no number."""
    text = request.form.get("version", "")
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else None


def form_key() -> str:
    """Return a key for one rendering of a form, so that sending it twice does its work once."""
    return str(new_id())


def form_base(form: Form, more: Mapping[str, str]) -> str:
    """Return what the form showed when it was opened, `more` included, so that a conflict can be compared with it."""
    if request.method == "POST" and "form_base" in request.form:
        return request.form["form_base"]
    shown = {field.short_name: shown_value(field) for field in form if field.type not in _SILENT}
    return json.dumps({**shown, **more})


def shown_value(field: Any) -> str:
    """Return a field's value as its control holds it."""
    if field.type == "BooleanField":
        # WTForms' own text of an empty box is that of a ticked one.
        return "y" if field.data else ""
    if hasattr(field, "_value"):
        return str(field._value())  # noqa: SLF001 - WTForms' way to a control's text
    if isinstance(field.data, list | tuple):
        return ", ".join(map(str, field.data))
    return "" if field.data is None else str(field.data)


def _has_files(form: Any) -> bool:
    return any(field.type in {"FileField", "MultipleFileField"} for field in form)


def _choice_count(field: Any) -> int:
    return sum(1 for _ in field.iter_choices()) if not field.has_groups() else 16


def install(app: Flask) -> None:
    """Give templates what form macros need."""
    app.jinja_env.filters["has_files"] = _has_files
    app.jinja_env.filters["choice_count"] = _choice_count
    app.jinja_env.filters["form_base"] = form_base
    app.jinja_env.globals["form_key"] = form_key
