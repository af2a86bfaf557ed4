"""One booking: everything about it that is due for the viewer, its messages, its printable sheet, its pictures."""

from datetime import datetime, timedelta
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from karokar.assignment import facts as assignment
from karokar.availability import facts as availability
from karokar.booking import actions, queries, rules
from karokar.booking.circumstances import judge_request
from karokar.booking.forms import CommentForm
from karokar.booking.models import Booking
from karokar.booking.permissions import BOOKING_READ
from karokar.booking.rules import Status, obstacles
from karokar.booking.views.blueprint import bp
from karokar.booking.views.handover import in_the_way
from karokar.booking.views.presenter import Shown, driver_of, find_current, offers, photo_url, shown
from karokar.fleet import facts as fleet
from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.permissions import requires
from karokar.kernel.vehicles import handover
from karokar.web.forms.handover import page_values, photo_response


@bp.get("/<uuid:booking_id>")
@requires(BOOKING_READ)
def show(booking_id: UUID) -> str:
    """Show a booking with what can be done, who is involved, what was said and what happened."""
    return _page(queries.get_seen(booking_id), CommentForm())


@bp.post("/<uuid:booking_id>/comment")
@requires(BOOKING_READ)
def comment(booking_id: UUID) -> Response | tuple[str, int]:
    """Leave the other side a message."""
    form = CommentForm()
    if form.is_sent():
        with form.refusals():
            actions.comment_booking(booking_id, form.text.data or "")
            flash("Your message was sent.", "good")
            return redirect(url_for("booking.show", booking_id=booking_id, _anchor="messages"), 303)
    return _page(queries.get_seen(booking_id), form), form.status


@bp.get("/<uuid:booking_id>/sheet")
@requires(BOOKING_READ)
def sheet(booking_id: UUID) -> str:
    """Show the handover sheet: it prints on one page and fits a phone."""
    booking = queries.get_seen(booking_id)
    line = shown(booking)
    found = queries.find_handovers(booking_id)
    return render_template(
        "booking/sheet.html",
        line=line,
        driver=driver_of(line, find_current(booking, assignment.of_booking(booking_id))),
        shows_contacts=rules.shows_contacts(Status(booking.status)),
        in_the_way=in_the_way(line, queries.find_delay(booking)),
        out=found.get("OUT"),
        back=found.get("IN"),
        checks=handover.CHECKS,
        printed_at=clock.now(),
    )


@bp.get("/<uuid:booking_id>/photos/<uuid:photo_id>")
@requires(BOOKING_READ)
def photo(booking_id: UUID, photo_id: UUID) -> Response:
    """Send a picture of a handover."""
    return photo_response(queries.get_photo(booking_id, photo_id))


def _page(booking: Booking, form: CommentForm) -> str:
    comments = queries.list_comments(booking.id)
    rounds = assignment.of_booking(booking.id) if booking.round else []
    own_people = [one.author_id for one in comments if one.organization_id == _own()]
    if booking.corporate_organization_id == _own() or current_actor().is_platform:
        own_people += [one.employee_id for one in rounds]
    line = shown(booking, also_people=own_people)
    current = find_current(booking, rounds)
    found = queries.find_handovers(booking.id) if booking.activated_at else {}
    return render_template(
        "booking/show.html",
        line=line,
        offers=offers(booking),
        current=current,
        rounds=rounds if not line.is_vendor else [],
        driver=driver_of(line, current),
        shows_contacts=rules.shows_contacts(Status(booking.status)),
        offered=_offered(line),
        **page_values(form=form, comments=comments),
        out=found.get("OUT"),
        back=found.get("IN"),
        photos=queries.list_photos(booking.id) if found else [],
        photo_url=photo_url,
        now=clock.now(),
        opens_at=booking.start - rules.GRACE,
        answer_until=rules.unanswered_at(booking.start, booking.submitted_at) if booking.submitted_at else None,
        length=booking.end - booking.start,
        book_on_from=_book_on_from(line),
        problems=_problems(line),
        in_the_way=in_the_way(line, queries.find_delay(booking)),
        back_when_activated=rules.BACK_WHEN_ACTIVATED,
    )


def _book_on_from(line: Shown) -> datetime | None:
    """Return from when the company can have the same vehicle again for as long as it did; None where it can't.

    It is the old end and, while the vehicle is held, the vendor's time for turnaround after it.
    """
    booking, status = line.booking, Status(line.booking.status)
    if not line.is_corporate or line.vehicle is None or not line.vehicle.is_offered:
        return None
    if status not in rules.LIVE | {Status.COMPLETED}:
        return None
    start = booking.end if status is Status.COMPLETED else booking.held_until or booking.end
    if start <= clock.now() - rules.GRACE:
        return None
    # Of a booking that is over the calendar may hear a moment later.
    over = booking.id if status is Status.COMPLETED else None
    taken = availability.taken_among(
        [line.vehicle.id.hex],
        start,
        start + (booking.end - booking.start),
        {line.vendor.id: timedelta(minutes=line.vendor.buffer_minutes)},
        without=over,
        is_exact=False,
    )
    return None if taken else start


def _problems(line: Shown) -> list[obstacles.Problem]:
    """Return what keeps a draft from being sent."""
    booking = line.booking
    if booking.status != Status.DRAFT.value or line.vehicle is None:
        return []
    parties = {one.id: one for one in (line.vendor, line.corporate)}
    return judge_request(line.vehicle, line.corporate.id, booking.start, booking.end, parties=parties, is_exact=False)


def _own() -> UUID | None:
    return current_actor().organization_id


def _offered(line: Shown) -> fleet.VehicleFacts | None:
    """Return the vehicle that the vendor offered instead, while the company can still ask for it."""
    offered = line.booking.offered_vehicle_id
    return fleet.vehicles([offered]).get(offered) if offered else None
