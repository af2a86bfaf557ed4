"""The pages of organizations: applying, one's own data, and the platform's decisions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from karokar.booking import queries as booking
from karokar.fleet import queries as fleet
from karokar.identity import queries as identity
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.errors import NotFound
from karokar.kernel.paging import Page
from karokar.kernel.permissions import may, public, requires, scope_of
from karokar.organization import actions, queries, rules
from karokar.organization.forms import ApplicationForm, ApproveForm, OrganizationForm, RejectForm, SuspendForm
from karokar.organization.permissions import (
    ORGANIZATION_APPLY_AGAIN,
    ORGANIZATION_APPROVE,
    ORGANIZATION_READ,
    ORGANIZATION_UPDATE,
)
from karokar.runs.views.exports import ListExport
from karokar.verification import queries as verification
from karokar.web.exports import Column
from karokar.web.filters import Choice, Filters, Text
from karokar.web.forms import sent_version
from karokar.web.limits import limiter
from karokar.web.live import live_part
from karokar.web.states import state_choices, state_of

bp = Blueprint("organization", __name__)

_DETAILS = tuple(rules.DETAIL_LABELS)


# --- applying ---------------------------------------------------------------------------------------------------------


@bp.get("/apply")
@public
def apply() -> str:
    """Ask for the company and its first administrator."""
    return render_template("organization/apply.html", form=ApplicationForm())


@bp.post("/apply")
@public
@limiter.limit("20 per hour")
def send_application() -> ResponseReturnValue:
    """Apply; the mail with the link follows."""
    form = ApplicationForm()
    if form.is_sent():
        with form.refusals():
            actions.apply(**_with_details(form.values()))
            return redirect(url_for("organization.applied"), 303)
    return render_template("organization/apply.html", form=form), form.status


@bp.get("/applied")
@public
def applied() -> str:
    """Say what happens next."""
    return render_template("organization/applied.html")


def _with_details(values: dict[str, Any]) -> dict[str, Any]:
    """Return a form's values with those that are kept as details gathered under one name."""
    details = {name: values[name] for name in _DETAILS if name in values}
    return {**{name: value for name, value in values.items() if name not in details}, "details": details}


# --- one's own organization, and any for the platform
# -------------------------------------------------------------------


@bp.get("/own")
@requires(ORGANIZATION_READ)
def own() -> str:
    """Show the acting organization."""
    return _page(_acting_for())


def _acting_for() -> UUID:
    organization_id = current_actor().organization_id
    if organization_id is None:
        raise NotFound("organization")
    return organization_id


@bp.get("/<uuid:organization_id>")
@requires(ORGANIZATION_READ)
def show(organization_id: UUID) -> str:
    """Show an organization: one's own, any to the platform, and little of those with which one deals."""
    actor = current_actor()
    if organization_id != actor.organization_id and not actor.is_platform:
        return _partner(organization_id)
    return _page(organization_id)


def _partner(organization_id: UUID) -> str:
    """Show name, kind and whether it is verified of a partner. Raises NotFound for one with which nothing is shared."""
    facts = queries.get_organization(organization_id)
    actor = current_actor()
    # An employee sees what concerns them, and that is not who the partners are.
    if scope_of("booking.read") is not Scope.PARTY or not _deals_with(facts, actor.organization_type):
        raise NotFound("organization")
    coverage = verification.coverage("Organization", organization_id)[actions.REGISTRATION]
    return render_template("organization/partner.html", organization=facts, coverage=coverage)


def _deals_with(facts: queries.OrganizationFacts, own_type: str | None) -> bool:
    """Whether the acting organization may know of this one: a vendor that offers vehicles, a company with a booking."""
    if own_type == "CORPORATE" and facts.type == "VENDOR":
        return fleet.count_vehicles(facts.id).get("ACTIVE", 0) > 0
    if own_type == "VENDOR" and facts.type == "CORPORATE":
        return sum(booking.count_with(facts.id).values()) > 0
    return False


@dataclass(frozen=True)
class _Has:
    """What an organization has of what others keep: verifications by kind, active members, vehicles."""

    coverage: Mapping[str, verification.Coverage]
    members: int
    vehicles: int


def _page(organization_id: UUID) -> str:
    page = queries.get_page(organization_id)
    decisions = queries.list_decisions(page)
    reviewers = identity.people(row.reviewer_id for row in decisions if row.reviewer_id)
    has = _Has(
        coverage=verification.coverage("Organization", organization_id),
        members=identity.count_members(organization_id),
        vehicles=sum(fleet.count_vehicles(organization_id).values()),
    )
    return render_template(
        "organization/show.html",
        organization=page,
        labels=rules.DETAIL_LABELS,
        parent=queries.organizations([page.parent_organization_id]).get(page.parent_organization_id)
        if page.parent_organization_id
        else None,
        children=queries.list_children(organization_id),
        decisions=decisions,
        reviewers=reviewers if may(ORGANIZATION_APPROVE) else {},
        reasons={**rules.REJECTION_REASONS, **rules.SUSPENSION_REASONS},
        coverage=has.coverage,
        kind_label=verification.label_of,
        steps=_checklist(page, has),
        members=has.members,
        vehicles=has.vehicles,
        may_update=may(ORGANIZATION_UPDATE),
        may_apply_again=may(ORGANIZATION_APPLY_AGAIN),
        may_review=may(ORGANIZATION_APPROVE),
    )


def _checklist(page: queries.OrganizationPage, has: _Has) -> list[tuple[str, bool, str, str]]:
    """Return what a new organization does first: (what, whether it is done, what is missing, where it is done)."""
    if page.type == "PLATFORM" or page.id != current_actor().organization_id or not may(ORGANIZATION_UPDATE):
        return []
    registration = has.coverage["ORGANIZATION_REGISTRATION"]
    hand_in = url_for(
        "verification.new", entity_type="Organization", entity_id=page.id, kind="ORGANIZATION_REGISTRATION"
    )
    steps = [
        (
            "Complete the company's data",
            bool(page.details.get("tax_number") and page.contact_phone),
            "Tax number and a contact phone",
            url_for("organization.edit"),
        ),
        (
            "Hand in the company registration",
            registration.status in {"APPROVED", "PENDING"},
            "A PDF or a picture of it",
            hand_in,
        ),
        (
            "Wait for the platform's approval",
            page.status == "ACTIVE",
            "Nothing to do: you get a mail",
            url_for("organization.own"),
        ),
    ]
    if page.type == "CORPORATE":
        steps.append(_representative(page.id))
        steps.append(
            (
                "Invite your employees",
                has.members > 1 or identity.invitations_from(page.id) > 0,
                "One by one, or from a CSV file",
                url_for("identity.members"),
            )
        )
    else:
        steps.append(
            (
                "Register the first vehicle",
                has.vehicles > 0,
                "With its registration, insurance and fitness certificate",
                url_for("fleet.index"),
            )
        )
    return steps


def _representative(organization_id: UUID) -> tuple[str, bool, str, str]:
    admins = [row.user_id for row in identity.list_members(organization_id) if row.role == "CORPORATE_ADMIN"]
    coverages = verification.coverages("User", admins)
    is_done = any(found["REPRESENTATIVE_IDENTITY"].status in {"APPROVED", "PENDING"} for found in coverages.values())
    where = url_for(
        "verification.new",
        entity_type="User",
        entity_id=current_actor().user_id,
        kind="REPRESENTATIVE_IDENTITY",
    )
    return "Hand in a representative's identity", is_done, "Needed before the first booking request", where


@bp.get("/edit")
@requires(ORGANIZATION_UPDATE)
def edit() -> str:
    """Ask for data and settings of the acting organization."""
    page = queries.get_page(_acting_for())
    form = OrganizationForm(obj=page, data={name: page.details.get(name) for name in _DETAILS})
    return render_template("organization/edit.html", form=form, organization=page)


@bp.post("/edit")
@requires(ORGANIZATION_UPDATE)
def update() -> ResponseReturnValue:
    """Change them."""
    page = queries.get_page(_acting_for())
    form = OrganizationForm()
    if form.is_sent():
        with form.refusals():
            values = _with_details(form.values())
            parent = values.pop("parent_organization_id")
            values["parent_organization_id"] = UUID(parent) if parent else None
            actions.update_organization(page.id, version=form.sent_version, **values)
            flash("Saved.", "good")
            return redirect(url_for("organization.own"), 303)
    return render_template("organization/edit.html", form=form, organization=page), form.status


@bp.post("/apply-again")
@requires(ORGANIZATION_APPLY_AGAIN)
def reapply() -> ResponseReturnValue:
    """Ask for another review."""
    actions.apply_again(_acting_for(), version=sent_version())
    flash("You have applied again. You get a mail as soon as it is decided.", "good")
    return redirect(url_for("organization.own"), 303)


# --- the platform -----------------------------------------------------------------------------------------------------


COLUMNS = (
    Column("Name", lambda line: line.organization.name),
    Column("Kind", lambda line: line.organization.type.capitalize()),
    Column("Status", lambda line: state_of("organization", line.organization.status).word),
    Column("Applied", lambda line: line.organization.applied_at if line.organization.type != "PLATFORM" else None),
    Column("Documents waiting", lambda line: line.documents_waiting),
    Column("Vehicles", lambda line: line.vehicles),
    Column("Members", lambda line: line.members),
    Column("Time zone", lambda line: line.organization.time_zone),
    Column("Contact", lambda line: line.organization.contact_name),
    Column("Contact phone", lambda line: line.organization.contact_phone),
)


def _filters(args: Mapping[str, str] | None = None) -> Filters:
    kinds = [(str(kind), kind.capitalize()) for kind in rules.OrganizationType]
    fields = (
        Text("q", "Name", argument="text"),
        Choice("type", "Kind", choices=kinds),
        Choice("status", "Status", choices=state_choices("organization")),
    )
    return Filters.of_request(fields, sorts=tuple(queries.SORTS), default_sort="name", args=args)


@bp.get("/")
@requires(ORGANIZATION_APPROVE)
def index() -> str:
    """List organizations."""
    filters = _filters()
    page = _with_counts(queries.list_pages(**filters.values, sort=filters.sort, cursor=filters.cursor))
    return render_template("organization/index.html", page=page, filters=filters)


@dataclass(frozen=True)
class Line:
    """An organization in the list, with how much it has of what others keep."""

    organization: queries.OrganizationPage
    documents_waiting: int
    vehicles: int
    members: int


def _with_counts(page: Page[queries.OrganizationPage]) -> Page[Line]:
    ids = [row.id for row in page.rows]
    waiting, vehicles = verification.count_waiting(ids), fleet.count_by_owner(ids)
    members = identity.count_by_organization(ids)
    return page.map(lambda row: Line(row, waiting.get(row.id, 0), vehicles.get(row.id, 0), members.get(row.id, 0)))


def _page_of(filters: Filters, cursor: str | None, size: int) -> Page[Line]:
    page = queries.list_pages(**filters.values, sort=filters.sort, cursor=cursor, size=size, counted=False)
    return _with_counts(page)


def _count(filters: Filters, limit: int) -> int:
    return queries.count_listed(**filters.values, limit=limit)


ORGANIZATIONS = ListExport(
    "organization.export",
    "Organizations",
    permission=ORGANIZATION_APPROVE,
    columns=COLUMNS,
    filters=_filters,
    page=_page_of,
    count=_count,
)


@bp.get("/export")
@requires(ORGANIZATION_APPROVE)
def export_list() -> Response:
    """Send the list, as the filters show it, as a file; a long one is made by a run."""
    return ORGANIZATIONS.answer()


@bp.get("/<uuid:organization_id>/review")
@requires(ORGANIZATION_APPROVE)
def review(organization_id: UUID) -> str:
    """Show an application beside what proves it, who else looks at it, and the decisions that are possible."""
    actions.note_opening(organization_id)
    return _review(organization_id, {})


@bp.get("/<uuid:organization_id>/openings")
@requires(ORGANIZATION_APPROVE)
def openings(organization_id: UUID) -> ResponseReturnValue:
    """Answer who else has opened an organization's review, as a part of its page."""
    queries.get_page(organization_id)
    found = queries.list_openings(organization_id, except_by=current_actor().user_id)
    return live_part(
        "_shared/openings.html", openings=found, people=identity.people({user_id for user_id, _at in found})
    )


def _review(organization_id: UUID, forms: dict[str, Any]) -> str:
    page = queries.get_page(organization_id)
    openings = queries.list_openings(organization_id, except_by=current_actor().user_id)
    decisions = queries.list_decisions(page)
    involved = {user_id for user_id, _at in openings} | {row.reviewer_id for row in decisions if row.reviewer_id}
    return render_template(
        "organization/review.html",
        organization=page,
        labels=rules.DETAIL_LABELS,
        applicant=queries.get_applicant(organization_id),
        documents=verification.list_tries("Organization", organization_id),
        is_verified=page.status == "PENDING"
        and verification.is_covered("Organization", organization_id, actions.REGISTRATION),
        openings=openings,
        people=identity.people(involved),
        decisions=decisions,
        reasons={**rules.REJECTION_REASONS, **rules.SUSPENSION_REASONS},
        preview=_preview(organization_id) if page.status == "ACTIVE" else None,
        approve_form=forms.get("approve") or ApproveForm(),
        reject_form=forms.get("reject") or RejectForm(),
        suspend_form=forms.get("suspend") or SuspendForm(),
    )


def _preview(organization_id: UUID) -> dict[str, int]:
    """Return what a suspension would touch."""
    vehicles = fleet.count_vehicles(organization_id)
    return {
        "bookings": booking.count_cancellable(organization_id),
        "vehicles": vehicles.get("ACTIVE", 0),
        "members": identity.count_members(organization_id),
    }


@bp.post("/<uuid:organization_id>/approve")
@requires(ORGANIZATION_APPROVE)
def approve(organization_id: UUID) -> ResponseReturnValue:
    """Admit an organization."""
    form = ApproveForm()
    if form.is_sent():
        with form.refusals():
            decided = actions.approve_organization(
                organization_id, notes=form.notes.data or "", version=form.sent_version
            )
            return _decided(f"{decided.name} is approved. Its administrators get a mail.")
    return _review(organization_id, {"approve": form}), 422


@bp.post("/<uuid:organization_id>/reject")
@requires(ORGANIZATION_APPROVE)
def reject(organization_id: UUID) -> ResponseReturnValue:
    """Turn an application down."""
    form = RejectForm()
    if form.is_sent():
        with form.refusals():
            decided = actions.reject_organization(
                organization_id, reason=form.reason.data, notes=form.notes.data or "", version=form.sent_version
            )
            return _decided(f"{decided.name} is rejected. It can correct its data and apply again.")
    return _review(organization_id, {"reject": form}), 422


@bp.post("/<uuid:organization_id>/suspend")
@requires(ORGANIZATION_APPROVE)
def suspend(organization_id: UUID) -> ResponseReturnValue:
    """Take an organization out of the marketplace for now."""
    form = SuspendForm()
    if form.is_sent():
        with form.refusals():
            decided = actions.suspend_organization(
                organization_id, reason=form.reason.data, notes=form.notes.data or "", version=form.sent_version
            )
            return _decided(f"{decided.name} is suspended. Its bookings that have not begun are being cancelled.")
    return _review(organization_id, {"suspend": form}), 422


@bp.post("/<uuid:organization_id>/reinstate")
@requires(ORGANIZATION_APPROVE)
def reinstate(organization_id: UUID) -> ResponseReturnValue:
    """Lift a suspension."""
    notes = request.form.get("notes", "").strip()[:1000]
    decided = actions.reinstate_organization(organization_id, notes=notes, version=sent_version())
    return _decided(f"{decided.name} takes part again.")


def _decided(message: str) -> ResponseReturnValue:
    flash(message, "good")
    return redirect(url_for("administration.review"), 303)
