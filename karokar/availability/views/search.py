"""Find a vehicle: dates and place first."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import render_template, request
from wtforms import IntegerField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, NumberRange, Optional

from karokar.availability import queries
from karokar.availability.views.blueprint import bp
from karokar.availability.views.market import Wish, search_market
from karokar.booking import facts as bookings
from karokar.fleet import facts as fleet
from karokar.fleet.facts import CATEGORIES
from karokar.kernel import clock
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.errors import NotFound
from karokar.kernel.fairness.limits import SEARCHES_OF_PERSON
from karokar.kernel.permissions import may, requires, scope_of
from karokar.kernel.text.normalization import search_key
from karokar.organization import facts as organizations
from karokar.web.forms.base import Form, LocalTimeField, after, within
from karokar.web.requests.limits import spend
from karokar.web.shell.times import viewer_zone

PAGE = 25


def _any_of(pairs: Iterable[tuple[str, str]]) -> list[SelectChoice]:
    return [SelectChoice("", "Any"), *(SelectChoice(value, label) for value, label in pairs)]


class SearchForm(Form):
    """When, where and what is needed."""

    start = LocalTimeField("From", [InputRequired("Say from when.")])
    end = LocalTimeField(
        "To",
        [
            InputRequired("Say until when."),
            after("start", "The end must be after the start."),
            within("start", bookings.LONGEST),
        ],
    )
    city = SelectField("City", [Optional()])
    category = SelectField("Category", [Optional()], choices=_any_of(CATEGORIES.items()))
    seats = IntegerField("Seats, at least", [Optional(), NumberRange(1, 100, "1 to %(max)s.")])
    vendor = SelectField("Vendor", [Optional()])
    text = StringField("Make, model or plate", [Optional()])


@bp.get("/")
@requires("vehicle.read")
def index() -> Any:
    """Show what is free for a period, and why the rest is not; without a period, ask for one."""
    if scope_of("vehicle.read") is Scope.SELF and not may("booking.create"):
        raise NotFound
    is_asked = bool(request.args.get("start") or request.args.get("end"))
    # By the clock on the wall: it is nine there on the day on which summer time begins, too.
    tomorrow = clock.now().astimezone(viewer_zone()).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    form = SearchForm(
        formdata=request.args if is_asked else None,
        data=None if is_asked else {"start": tomorrow.replace(hour=9), "end": tomorrow.replace(hour=18)},
    )
    form.city.choices = _any_of((city, city) for city in fleet.list_cities())
    vendors = organizations.list_active("VENDOR")
    form.vendor.choices = _any_of(sorted(((str(one.id), one.name) for one in vendors), key=_by_name))
    market, page = None, max(0, request.args.get("page", 0, type=int) or 0)
    if is_asked and form.validate():
        spend(SEARCHES_OF_PERSON)
        wish = Wish(
            start=form.start.data,
            end=form.end.data,
            city=form.city.data or "",
            category=form.category.data or "",
            seats=form.seats.data,
            vendor_id=_uuid(form.vendor.data),
            text=form.text.data or "",
        )
        market = search_market(wish, current_actor(), vendors, limit=PAGE, offset=page * PAGE)
    return render_template(
        "availability/index.html",
        form=form,
        market=market,
        has_begun=bool(market and may("booking.create") and form.start.data < bookings.earliest_start()),
        page=page,
        size=PAGE,
        can_book=may("booking.create"),
        can_assign=may("assignment.create"),
        conflicts=len(queries.open_conflicts()) if may("conflict.read") else 0,
        organization_id=current_actor().organization_id,
    ), form.status


def _by_name(choice: tuple[str, str]) -> str:
    return search_key(choice[1])


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None
