"""Two people change the same thing at once: nothing that one of them saved is undone by the other without knowing."""

import html
import re
from typing import TypeVar
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from karokar.booking.forms import BookingForm
from karokar.booking.models import Booking
from karokar.fleet.forms import VehicleForm, WindowForm
from karokar.fleet.models import MaintenanceWindow, Vehicle
from karokar.identity import actions as identity
from karokar.identity.forms import ProfileForm, RoleChangeForm, RoleForm
from karokar.identity.models import Membership, Role, User
from karokar.kernel.db import Aggregate, db
from karokar.organization.forms import OrganizationForm
from karokar.organization.models import Organization
from karokar.outbox.delivery.drain import drain_all
from karokar.verification import actions as verification
from karokar.verification.models import Verification
from karokar.web.forms.base import Form
from tests.factories import people
from tests.factories.people import Company

T = TypeVar("T", bound=Aggregate)

_FORM = r'<form method="post"[^>]*%s[^>]*data-kk-form.*?</form>'
_CONTROL = re.compile(r'<(input|textarea|select)\b([^>]*\bname="([^"]+)"[^>]*)>')
_SELECTED = re.compile(r'<option(?=[^>]*\bselected)[^>]*value="([^"]*)"')
_OFFERED = re.compile(r'<option[^>]*value="([^"]*)"')


def sent_by(page: str, action: str = "") -> dict[str, str]:
    """What a browser sends of the form on a page if nobody touches it."""
    form = re.search(_FORM % re.escape(action), page, re.DOTALL)
    assert form is not None
    sent: dict[str, str] = {}
    for control in _CONTROL.finditer(form[0]):
        tag, attributes, name = control.groups()
        inner = form[0][control.end() :]
        if tag == "textarea":
            value = inner.split("</textarea>")[0].strip()
        elif tag == "select":
            options = inner.split("</select>")[0]
            value = (_SELECTED.findall(options) or _OFFERED.findall(options))[0]
        elif re.search(r'type="(checkbox|radio)"', attributes) and not re.search(r"\schecked\b", attributes):
            continue
        else:
            found = re.search(r'\svalue="([^"]*)"', attributes)
            value = found[1] if found else ""
        sent[name] = html.unescape(value)
    return sent


def now(thing: type[T], id_: UUID) -> T:
    """How something is kept at this moment."""
    db.session.rollback()
    return db.session.get_one(thing, id_, populate_existing=True)


@pytest.fixture
def vendor(client: FlaskClient) -> Company:
    """A vendor, and its administrator's browser."""
    company = people.make_vendor()
    drain_all()
    people.sign_in(client, company.admin)
    return company


def test_details_that_somebody_else_saved_meanwhile_stay_saved(client: FlaskClient, vendor: Company) -> None:
    first, second = (sent_by(client.get("/organization/edit").text) for _ in range(2))
    first.pop("reminders")
    assert client.post("/organization/edit", data={**first, "tax_number": "NEW 1"}).status_code == 303
    conflict = client.post("/organization/edit", data={**second, "contact_phone": "+49 1"})
    assert conflict.status_code == 409
    assert f"<strong>{vendor.admin.name}</strong> changed the organization" in conflict.text
    chosen = sent_by(conflict.text)
    assert (chosen["tax_number"], chosen["contact_phone"], chosen["reminders"]) == ("NEW 1", "+49 1", "")
    assert client.post("/organization/edit", data=chosen).status_code == 303
    organization = now(Organization, vendor.id)
    assert (organization.details["tax_number"], organization.contact_phone) == ("NEW 1", "+49 1")
    assert organization.reminders is False


def test_a_box_that_somebody_else_ticked_meanwhile_stays_ticked(client: FlaskClient, vendor: Company) -> None:
    unticked = sent_by(client.get("/organization/edit").text)
    del unticked["reminders"]
    assert client.post("/organization/edit", data=unticked).status_code == 303
    first, second = (sent_by(client.get("/organization/edit").text) for _ in range(2))
    assert "reminders" not in first
    assert client.post("/organization/edit", data={**first, "reminders": "y"}).status_code == 303
    conflict = client.post("/organization/edit", data={**second, "contact_phone": "+49 1"})
    assert client.post("/organization/edit", data=sent_by(conflict.text)).status_code == 303
    assert now(Organization, vendor.id).reminders is True


def test_a_right_taken_from_a_role_meanwhile_does_not_come_back(client: FlaskClient, vendor: Company) -> None:
    with people.acting(vendor.admin):
        made = identity.create_role(name="Desk", description="", permissions=["booking.read", "booking.approve"])
    address = f"/identity/roles/{made.id}"
    first, second = (sent_by(client.get(address).text) for _ in range(2))
    assert first["may.booking.approve"] == "own"
    assert client.post(address, data={**first, "may.booking.approve": "no"}).status_code == 303
    conflict = client.post(address, data={**second, "description": "At the counter"})
    assert conflict.status_code == 409
    assert "Approve booking requests" in conflict.text
    assert client.post(address, data=sent_by(conflict.text)).status_code == 303
    role = now(Role, made.id)
    assert (role.permissions, role.description) == (["booking.read"], "At the counter")


def test_whoever_decides_second_reads_who_decided_what(app: Flask, client: FlaskClient) -> None:
    vendor = people.make_organization("VENDOR", status="PENDING")
    with people.acting(vendor.admin):
        asked = verification.request_verification(
            entity_type="Organization", entity_id=vendor.id, kind="ORGANIZATION_REGISTRATION", uploads=[people.pdf()]
        )
    drain_all()
    own, colleague = people.platform_admin(), people.platform_admin()
    other_browser = app.test_client()
    people.sign_in(client, own)
    people.sign_in(other_browser, colleague)
    address = f"/verification/{asked.id}"
    opened = sent_by(client.get(address).text, "/approve")
    rejected = sent_by(other_browser.get(address).text, "/reject")
    assert other_browser.post(f"{address}/reject", data={**rejected, "reason": "UNREADABLE"}).status_code == 303
    late = client.post(f"{address}/approve", data={**opened, "expires_on": "2031-01-01"})
    assert late.status_code == 409
    assert f"<strong>{colleague.name}</strong> rejected the verification" in late.text
    assert "It was" not in late.text, "nobody saved another date"
    assert f'href="{address}">Leave it as saved' in late.text
    assert now(Verification, asked.id).status == "REJECTED"


@pytest.mark.parametrize(
    ("form", "thing"),
    [
        (OrganizationForm, Organization),
        (VehicleForm, Vehicle),
        (WindowForm, MaintenanceWindow),
        (BookingForm, Booking),
        (ProfileForm, User),
        (RoleForm, Role),
        (RoleChangeForm, Membership),
    ],
)
def test_everything_that_a_form_changes_can_be_compared(app: Flask, form: type[Form], thing: type[Aggregate]) -> None:
    entity = thing(details={}) if thing is Organization else thing()
    with app.test_request_context():
        changed = [field.short_name for field in form() if field.type not in {"HiddenField", "CSRFTokenField"}]
    assert changed
    for name in changed:
        entity.saved_as(name)
