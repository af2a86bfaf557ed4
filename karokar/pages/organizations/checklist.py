"""What is missing between the application and the first request, for administrators: on home and on the own page."""

from dataclasses import dataclass
from uuid import UUID

from flask import render_template, url_for

from karokar.fleet import facts as fleet
from karokar.identity import facts as identity
from karokar.kernel.actor import current_actor
from karokar.kernel.permissions import may
from karokar.organization import queries
from karokar.organization.permissions import ORGANIZATION_UPDATE
from karokar.verification import facts as verification

DONE, WAITS, TO_DO = "done", "waits", "to do"


@dataclass(frozen=True)
class Step:
    """One thing to do first. `state` is DONE, WAITS (for somebody else) or TO_DO; `hint` says what it takes; no
    `url` where it cannot be begun yet.
    """

    what: str
    state: str
    hint: str
    url: str


def list_steps() -> list[Step]:
    """Return what the acting organization has to have before its first request; nothing to whom it is no task."""
    actor = current_actor()
    if actor.organization_id is None or actor.is_platform or not may(ORGANIZATION_UPDATE):
        return []
    page = queries.get_page(actor.organization_id)
    registration = verification.coverage("Organization", page.id)["ORGANIZATION_REGISTRATION"].status
    steps = [
        Step(
            "Complete the company's data",
            DONE if page.details.get("tax_number") and page.contact_phone else TO_DO,
            "Tax number and a contact phone",
            url_for("organization.edit"),
        ),
        Step(
            "Hand in the company registration",
            _state_of(registration),
            "A PDF or a picture of it. The platform reviews it before it approves your organization.",
            url_for(
                "verification.new", entity_type="Organization", entity_id=page.id, kind="ORGANIZATION_REGISTRATION"
            ),
        ),
        Step(
            "Approval by the platform",
            DONE if page.status == "ACTIVE" else WAITS if registration in {"PENDING", "APPROVED"} else TO_DO,
            "You get a mail when it is decided.",
            url_for("organization.own"),
        ),
    ]
    return steps + (_of_company(page.id) if page.type == "CORPORATE" else _of_vendor(page.id))


def _of_company(organization_id: UUID) -> list[Step]:
    members = identity.list_members(organization_id)
    admins = [row.user_id for row in members if row.role == "CORPORATE_ADMIN"]
    found = {one["REPRESENTATIVE_IDENTITY"].status for one in verification.coverages("User", admins).values()}
    return [
        Step(
            "Hand in the identity document of an administrator",
            DONE if "APPROVED" in found else WAITS if "PENDING" in found else TO_DO,
            "Requests can be sent once it is approved. Until then they are kept as drafts.",
            url_for(
                "verification.new",
                entity_type="User",
                entity_id=current_actor().user_id,
                kind="REPRESENTATIVE_IDENTITY",
            ),
        ),
        Step(
            "Invite your employees",
            DONE if len(members) > 1 or identity.invitations_from(organization_id) > 0 else TO_DO,
            "One by one, or from a file",
            url_for("identity.members") if may("employee.manage") else "",
        ),
    ]


def _of_vendor(organization_id: UUID) -> list[Step]:
    counted = fleet.count_vehicles(organization_id)
    has_any = sum(counted.values()) > 0
    is_on_the_road = counted.get("ACTIVE", 0) > 0
    return [
        Step(
            "Register the first vehicle",
            DONE if has_any else TO_DO,
            "One by one, or from a file",
            url_for("fleet.index"),
        ),
        Step(
            "Hand in its registration, insurance and fitness certificate, and activate it",
            DONE if is_on_the_road else TO_DO,
            "Companies find a vehicle once all three are approved and it is active.",
            url_for("fleet.documents") if has_any else "",
        ),
    ]


def _hand_in(entity_type: str, entity_id: UUID | None, kind: str) -> str:
    return url_for("verification.new", entity_type=entity_type, entity_id=entity_id, kind=kind)


def _state_of(status: str) -> str:
    return {"APPROVED": DONE, "PENDING": WAITS}.get(status, TO_DO)


def open_steps() -> list[Step]:
    """Return all steps while one of them is not done."""
    steps = list_steps()
    return steps if any(step.state != DONE for step in steps) else []


def show_checklist() -> str:
    """Return the checklist as home shows it; empty once everything is done."""
    steps = open_steps()
    return render_template("organization/_steps.html", steps=steps) if steps else ""
