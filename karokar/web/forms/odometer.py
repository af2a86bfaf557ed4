"""An odometer's reading that is unlikely is asked about once: "is that right?". Sent again as it is, it is taken."""

from typing import Any, Protocol

from flask import Flask, request

from karokar.web.forms.base import Form
from karokar.web.shell.times import local_time

SURE = "sure"
"""The form's hidden field: the reading that the person was asked about."""


class Likely(Protocol):
    """Between which readings an odometer is likely to be, and those that say so."""

    @property
    def lowest(self) -> int: ...  # noqa: D102
    @property
    def highest(self) -> int: ...  # noqa: D102
    @property
    def before(self) -> Any: ...  # noqa: D102
    @property
    def later(self) -> Any: ...  # noqa: D102


class OdometerForm(Form):
    """A form with an odometer's reading; `reading` names its field."""

    reading = "odometer"
    likely: Likely | None = None

    def is_sure(self, likely: Likely) -> bool:
        """Whether what was typed is likely, or was confirmed; else the question stands at the field."""
        typed = self[self.reading].data
        self.likely = likely
        if likely.lowest <= typed <= likely.highest or request.form.get(SURE) == str(typed):
            return True
        sentence = question(likely, is_low=typed < likely.lowest).replace("{typed}", f"{typed:,}")
        self[self.reading].errors = [*self[self.reading].errors, sentence]
        return False

    @property
    def doubted(self) -> int | None:
        """The reading about which the form asks; None where it asks nothing."""
        if self.likely is None:
            return None
        typed: int | None = self[self.reading].data
        return None if typed is None or self.likely.lowest <= typed <= self.likely.highest else typed


def install(app: Flask) -> None:
    """Give templates the questions that a script asks before the form is sent."""
    app.jinja_env.filters["odometer_question"] = lambda likely, is_low: question(likely, is_low=is_low)


def question(likely: Likely, *, is_low: bool) -> str:
    """Return what a person is asked about a reading that is too low or too high; "{typed}" stands for it."""
    if is_low:
        known = f"less than the {likely.lowest:,} km recorded before"
        if likely.before is not None and likely.before.kilometres == likely.lowest:
            known = f"less than the {likely.lowest:,} km recorded on {local_time(likely.before.read_at)}"
    elif likely.later is not None and likely.later.kilometres == likely.highest:
        known = f"more than the {likely.highest:,} km recorded later, on {local_time(likely.later.read_at)}"
    elif likely.before is not None:
        since = f"since {local_time(likely.before.read_at)}, when it was {likely.before.kilometres:,} km"
        known = f"unusually far {since}"
    else:
        known = "unusually far"
    return f"{{typed}} km is {known}. Is that right? Correct it, or save anyway."
