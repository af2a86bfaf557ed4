"""The pages of verifications: handing in, following, and reviewing, the document beside the data that it proves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from karokar.files.formats import kinds
from karokar.files.lost import note_state, note_states
from karokar.files.storage import SENTENCES, FileLost, storage
from karokar.fleet import facts as fleet
from karokar.identity import facts as identity
from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.errors import NotFound
from karokar.kernel.local.days import end_of_day, zone_of
from karokar.kernel.permissions import may, requires, scope_of
from karokar.kernel.settings import settings
from karokar.organization import facts as organization
from karokar.verification import actions, queries, rules
from karokar.verification.forms import ApproveForm, RejectForm, RequestForm, RevokeForm
from karokar.verification.permissions import VERIFICATION_READ, VERIFICATION_REQUEST, VERIFICATION_REVIEW
from karokar.web.forms.base import choices, choose
from karokar.web.lists.filters import Carried, Choice, Field, Filters
from karokar.web.responses.headers import CONTENT_POLICY
from karokar.web.responses.live import live_part
from karokar.web.responses.stored_files import send_lost, send_stored
from karokar.web.shell.states import state_choices

bp = Blueprint("verification", __name__)

_ABOUT = {"Organization": "Organization", "Vehicle": "Vehicle", "User": "Person"}


@bp.get("/")
@requires(VERIFICATION_READ)
def index() -> str:
    """List the verifications that the person may see; to an organization, also what is still missing."""
    fields: list[Field] = [
        Choice("status", "Status", choices=[item for item in state_choices("verification") if item[0] != "MISSING"]),
        Choice("kind", "What", choices=[(kind, rules.label_of(kind)) for kind in rules.KINDS]),
        Choice("entity_type", "About", choices=list(_ABOUT.items())),
    ]
    if scope_of(VERIFICATION_READ) is Scope.ALL:
        fields.append(Carried("organization", "Organization", "organization_id", name_of=cache(organization.name_of)))
    filters = Filters.of_request(fields, sorts=tuple(queries.SORTS), default_sort="-requested")
    page = queries.paged(**filters.values, sort=filters.sort, cursor=filters.cursor)
    return render_template(
        "verification/index.html",
        page=page,
        filters=filters,
        names=_names(page.rows),
        organizations=organization.organizations(row.organization_id for row in page.rows),
        may_request=may(VERIFICATION_REQUEST),
        own=_own_entities(),
    )


def _own_entities() -> list[tuple[str, UUID, str]]:
    """Return what the acting person can hand documents in for without looking for it: organization and themselves."""
    actor = current_actor()
    scope = scope_of(VERIFICATION_REQUEST)
    if scope is None or actor.organization_id is None or actor.user_id is None:
        return []
    own = ("User", actor.user_id, actor.name)
    return [own] if scope is Scope.SELF else [("Organization", actor.organization_id, actor.organization_name), own]


def _names(rows: Sequence[queries.VerificationPage]) -> dict[UUID, str]:
    """Return what the verified entities are called, one question per kind of entity."""
    ids: dict[str, set[UUID]] = {"Organization": set(), "User": set(), "Vehicle": set()}
    for row in rows:
        ids[row.entity_type].add(row.entity_id)
    names = {key: facts.name for key, facts in organization.organizations(ids["Organization"]).items()}
    names |= {key: person.name for key, person in identity.people(ids["User"]).items()}
    return names | {key: facts.label for key, facts in fleet.vehicles(ids["Vehicle"]).items()}


# --- handing in -------------------------------------------------------------------------------------------------------


def _asked_for() -> tuple[str, UUID, str]:
    """Return the entity of the address and what it is called. Raises NotFound where it is not the organization's."""
    entity_type = request.args.get("entity_type", "Organization")
    actor = current_actor()
    try:
        entity_id = UUID(request.args.get("entity_id") or str(actor.organization_id))
    except ValueError as error:
        raise NotFound("page") from error
    if actor.organization_id is None:
        raise NotFound("page")
    actions.check_entity(entity_type, entity_id)
    if entity_type == "Organization":
        return entity_type, entity_id, actor.organization_name
    if entity_type == "Vehicle":
        return entity_type, entity_id, fleet.get_vehicle(entity_id).label
    return entity_type, entity_id, identity.get_person(entity_id).name


@bp.get("/new")
@requires(VERIFICATION_REQUEST)
def new() -> str:
    """Ask for documents about an entity: `?entity_type=&entity_id=&kind=`."""
    return _new(*_asked_for(), RequestForm(data={"kind": request.args.get("kind", "")}))


def _new(entity_type: str, entity_id: UUID, name: str, form: RequestForm) -> str:
    kinds = _offer_kinds(form, entity_type, entity_id)
    coverage = queries.coverage(entity_type, entity_id)
    return render_template(
        "verification/new.html",
        form=form,
        entity_type=entity_type,
        entity_id=entity_id,
        name=name,
        # What was handed in stays in sight, also where it is not needed any more.
        coverage={kind: found for kind, found in coverage.items() if kind in kinds or found.verification_id},
        labels={kind: rules.label_of(kind) for kind in rules.KINDS},
        max_upload_mb=settings().max_upload_mb,
    )


def _offer_kinds(form: RequestForm, entity_type: str, entity_id: UUID) -> list[str]:
    """Offer the kinds that the entity can need, and return them; of several none is chosen beforehand."""
    owner = current_actor().organization_id
    member = identity.find_membership(entity_id, owner) if entity_type == "User" and owner is not None else None
    kinds = rules.kinds_needed(entity_type, member.role if member else None)
    offered = [(kind, rules.label_of(kind)) for kind in kinds]
    form.kind.choices = choose(offered, "Choose what they prove") if len(offered) > 1 else choices(offered)
    return kinds


@bp.post("/new")
@requires(VERIFICATION_REQUEST)
def hand_in() -> ResponseReturnValue:
    """Hand documents in; they wait for review."""
    entity_type, entity_id, name = _asked_for()
    form = RequestForm()
    _offer_kinds(form, entity_type, entity_id)
    if form.is_sent():
        with form.refusals():
            made = actions.request_verification(
                entity_type=entity_type,
                entity_id=entity_id,
                kind=form.kind.data,
                uploads=form.files_of("documents"),
            )
            flash("Handed in. You get a mail when it is reviewed.", "good")
            return redirect(url_for("verification.show", verification_id=made.id), 303)
    return _new(entity_type, entity_id, name, form), form.status


# --- one verification -------------------------------------------------------------------------------------------------


@bp.get("/<uuid:verification_id>")
@requires(VERIFICATION_READ)
def show(verification_id: UUID) -> ResponseReturnValue:
    """Show a verification: to reviewers the document beside the data, and the decisions that are possible."""
    return _show(verification_id, {})


def _show(verification_id: UUID, forms: dict[str, Any]) -> ResponseReturnValue:
    page = queries.get_page(verification_id)
    approve_form = forms.get("approve") or ApproveForm()
    approve_form.expires_on.flags.required = rules.must_end(page.kind)
    is_reviewer = may(VERIFICATION_REVIEW)
    openings = []
    if is_reviewer:
        actions.note_opening(verification_id)
        openings = queries.list_openings(verification_id, except_by=current_actor().user_id)
    earlier = queries.list_earlier(page)
    involved = {user_id for user_id, _at in openings}
    involved |= {person for person in (page.requested_by, page.reviewed_by) if person}
    people = identity.people(involved | ({page.entity_id} if page.entity_type == "User" else set()))
    owner = organization.get_organization(page.organization_id)
    name, facts = _entity(page, owner, people)
    body = render_template(
        "verification/show.html",
        verification=page,
        name=name,
        owner=owner,
        facts=facts,
        earlier=earlier,
        duplicates=queries.list_duplicates(page),
        openings=openings,
        lost=_lost(page),
        people=people,
        is_reviewer=is_reviewer,
        is_own_try=is_reviewer and page.requested_by == current_actor().user_id,
        may_request=may(VERIFICATION_REQUEST) and page.organization_id == current_actor().organization_id,
        plate_clashes=_plate_clashes(page) if is_reviewer else [],
        plate=fleet.get_vehicle(page.entity_id).license_plate if page.entity_type == "Vehicle" else "",
        reasons={**rules.REJECTION_REASONS, **rules.REVOCATION_REASONS, **rules.REVOKED_AUTOMATICALLY},
        approve_form=approve_form,
        reject_form=forms.get("reject") or RejectForm(),
        revoke_form=forms.get("revoke") or RevokeForm(),
    )
    status = next((form.status for form in forms.values()), 200)
    # Only this page frames something: the documents that it is about.
    return body, status, {"Content-Security-Policy": f"{CONTENT_POLICY}; frame-src 'self'"}


@bp.get("/<uuid:verification_id>/openings")
@requires(VERIFICATION_REVIEW)
def openings(verification_id: UUID) -> ResponseReturnValue:
    """Answer who else has opened a verification, as a part of its page."""
    queries.get_page(verification_id)
    found = queries.list_openings(verification_id, except_by=current_actor().user_id)
    return live_part(
        "_shared/openings.html", openings=found, people=identity.people({user_id for user_id, _at in found})
    )


@dataclass(frozen=True)
class PlateClash:
    """Another vehicle with the plate that a registration certificate is to prove; `approval_id` where it has one."""

    vehicle: fleet.VehicleFacts
    owner: organization.OrganizationFacts
    approval_id: UUID | None


def _plate_clashes(page: queries.VerificationPage) -> list[PlateClash]:
    if page.kind != actions.REGISTRATION:
        return []
    others = fleet.same_plate(page.entity_id)
    covered = queries.coverages("Vehicle", [other.id for other in others])
    owners = organization.organizations({other.organization_id for other in others})
    found = []
    for other in others:
        one = covered[other.id][actions.REGISTRATION]
        approval_id = one.verification_id if one.status == "APPROVED" else None
        found.append(PlateClash(other, owners[other.organization_id], approval_id))
    return found


def _lost(page: queries.VerificationPage) -> dict[UUID, str]:
    """Return the sentences about documents whose files are missing or no longer what was handed in."""
    found: dict[UUID, str] = {}
    states = {document.sha256: storage().state(document.sha256) for document in page.documents}
    note_states(states, verification=str(page.id))
    for document in page.documents:
        state = states[document.sha256]
        if state != "whole" or document.media_type not in kinds.KEPT:
            found[document.id] = SENTENCES[state if state != "whole" else "damaged"]
    return found


def _entity(
    page: queries.VerificationPage, owner: organization.OrganizationFacts, people: Mapping[UUID, identity.Person]
) -> tuple[str, list[tuple[str, Any]]]:
    """Return what the entity is called, and the data that the document is to prove. Raises NotFound."""
    if page.entity_type == "Vehicle":
        vehicle = fleet.get_vehicle(page.entity_id)
        return vehicle.label, [
            ("Plate", vehicle.license_plate),
            ("Country of the plate", vehicle.country_name),
            ("Make and model", f"{vehicle.make} {vehicle.model}"),
            ("Year", vehicle.year),
            ("Category", vehicle.category.capitalize()),
            ("Place", vehicle.city),
        ]
    if page.entity_type == "User":
        person = people.get(page.entity_id)
        if person is None:
            raise NotFound("person")
        return person.name, [("Name", person.name), ("E-mail", person.email), ("Phone", person.phone)]
    return owner.name, list(organization.describe(page.entity_id))


@bp.get("/documents/<uuid:document_id>")
@requires(VERIFICATION_READ)
def document(document_id: UUID) -> ResponseReturnValue:
    """Send a document: as a download, or with `?inline=1` for the frame of the review page."""
    found = queries.get_document(document_id)
    if actions.clean_document(document_id):
        found = queries.get_document(document_id)
    is_inline = request.args.get("inline") == "1"
    try:
        pieces = storage().read(found.sha256)
    except FileLost as lost:
        note_state(found.sha256, lost.state, document=str(document_id))
        return send_lost(lost.state, is_inline=is_inline)
    if found.media_type not in kinds.KEPT:
        return send_lost("damaged", is_inline=is_inline)
    return send_stored(pieces, found.size, media_type=found.media_type, filename=found.filename, is_inline=is_inline)


# --- reviewing --------------------------------------------------------------------------------------------------------


@bp.post("/<uuid:verification_id>/approve")
@requires(VERIFICATION_REVIEW)
def approve(verification_id: UUID) -> ResponseReturnValue:
    """Accept the documents."""
    form = ApproveForm()
    if form.is_sent():
        with form.refusals():
            actions.approve_verification(
                verification_id,
                expires_at=_end_of(verification_id, form.expires_on.data),
                note=form.note.data,
                version=form.sent_version,
                plate=request.form.get("plate"),
            )
            return _decided(verification_id, "Approved", "What waited for it goes on by itself.")
    return _show(verification_id, {"approve": form})


def _end_of(verification_id: UUID, day: Any) -> datetime | None:
    """Return the end of a day in the organization's time zone."""
    if day is None:
        return None
    owner = organization.get_organization(queries.get_page(verification_id).organization_id)
    return end_of_day(day, zone_of(owner.time_zone))


@bp.post("/<uuid:verification_id>/reject")
@requires(VERIFICATION_REVIEW)
def reject(verification_id: UUID) -> ResponseReturnValue:
    """Do not accept the documents."""
    form = RejectForm()
    if form.is_sent():
        with form.refusals():
            actions.reject_verification(
                verification_id, reason=form.reason.data, note=form.note.data, version=form.sent_version
            )
            return _decided(verification_id, "Rejected", "Whoever handed it in gets a mail with the reason.")
    return _show(verification_id, {"reject": form})


@bp.post("/<uuid:verification_id>/revoke")
@requires(VERIFICATION_REVIEW)
def revoke(verification_id: UUID) -> ResponseReturnValue:
    """Take an approval back."""
    form = RevokeForm()
    if form.is_sent():
        with form.refusals():
            actions.revoke_verification(
                verification_id, reason=form.reason.data, note=form.note.data, version=form.sent_version
            )
            return _decided(verification_id, "Revoked", "What depends on it reacts by itself.")
    return _show(verification_id, {"revoke": form})


def _decided(verification_id: UUID, decision: str, follows: str) -> ResponseReturnValue:
    """Say what was decided about whom, and lead on."""
    page = queries.get_page(verification_id)
    name = _names([page]).get(page.entity_id, "somebody who has left")
    flash(f"{decision}: {page.kind_label}, {name}. {follows}", "good")
    following = queries.find_next_waiting(verification_id) if request.form.get("then") == "next" else None
    if following is not None:
        return redirect(url_for("verification.show", verification_id=following), 303)
    return redirect(url_for("administration.review"), 303)
