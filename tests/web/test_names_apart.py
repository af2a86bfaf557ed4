"""Names stand apart on pages and in mails: one that runs from right to left turns nothing around it."""

from html.parser import HTMLParser
from unicodedata import bidirectional

import pytest
from flask.testing import FlaskClient

from karokar.identity import actions as identity
from karokar.identity import queries as identity_queries
from karokar.kernel.text.normalization import isolated
from karokar.notification.rules.texts import words
from karokar.outbox.delivery.drain import drain_all
from tests.factories import fleet as factory
from tests.factories import people

COMPANY, MAKE, CITY, PERSON, ROLE = "شركة النور", "مرسيدس", "دبي", "فاطمة", "مكتب الحجز"
VOID = {"input", "meta", "link", "br", "hr", "img", "path", "use"}


def runs_left(text: str) -> bool:
    return any(bidirectional(letter) in {"R", "AL"} for letter in text)


class Mixed(HTMLParser):
    """Collects text that runs from right to left and that nothing keeps apart."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[str] = []

    def handle_starttag(self, tag, _attributes):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if "bdi" not in self.open and not {"title", "option", "textarea"} & set(self.open) and runs_left(data):
            self.found.append(f"{'/'.join(self.open[-3:])}: {data.strip()[:120]}")


def mixed(client: FlaskClient, path: str) -> list[str]:
    answer = client.get(path)
    assert answer.status_code == 200, path
    parser = Mixed()
    parser.feed(answer.get_data(as_text=True))
    return [f"{path} {found}" for found in parser.found]


@pytest.fixture
def bazaar(app):
    """A vendor all of whose names run from right to left."""
    vendor = people.make_vendor(name=COMPANY)
    with people.acting(vendor.admin):
        identity.update_profile(first_name=PERSON, last_name=PERSON)
        identity.create_role(name=ROLE, permissions=["vehicle.read"])
    vehicle_id = factory.make_vehicle(vendor, make=MAKE, model=MAKE, city=CITY)
    drain_all()
    return vendor, vehicle_id


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("vendor", "/"),
        ("vendor", "/fleet/"),
        ("vendor", "/fleet/{vehicle}"),
        ("vendor", "/availability/timeline"),
        ("vendor", "/identity/members"),
        ("vendor", "/identity/roles"),
        ("vendor", "/organization/own"),
        ("vendor", "/search?q=" + MAKE),
        ("vendor", "/audit/"),
        ("platform", "/organization/"),
        ("platform", "/organization/{vendor}"),
        ("platform", "/administration/people"),
        ("corporate", "/availability/?start=2027-02-01T09:00&end=2027-02-01T18:00"),
    ],
)
def test_every_name_on_a_page_is_isolated(bazaar, client, role, path):
    vendor, vehicle_id = bazaar
    who = {"vendor": lambda: vendor.admin, "platform": people.platform_admin}.get(
        role, lambda: people.make_corporate().admin
    )
    people.sign_in(client, who())
    assert mixed(client, path.format(vendor=vendor.id, vehicle=vehicle_id)) == []


def test_a_name_in_plain_text_is_isolated_and_others_are_left_alone():
    assert isolated(COMPANY) == f"\u2068{COMPANY}\u2069"
    assert isolated("Škoda · KK-A 1") == "Škoda · KK-A 1"


def test_names_in_messages_are_isolated(bazaar):
    vendor, _vehicle_id = bazaar
    person = identity_queries.get_person(vendor.admin.user_id)
    assert person.name == f"{PERSON} {PERSON}"
    data = {"organizationId": str(vendor.id), "name": COMPANY, "type": "VENDOR"}
    said = words("OrganizationCreated", data, {vendor.id: COMPANY}, "UTC")
    assert f"\u2068{COMPANY}\u2069" in said.title + said.body
