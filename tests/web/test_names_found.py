"""Names are found and sorted as people write them: any script, either Unicode form, any case."""

from unicodedata import normalize

import pytest
from flask.testing import FlaskClient

from karokar.fleet import queries as fleet
from karokar.identity import actions as identity_actions
from karokar.identity import queries as identity
from karokar.kernel.text.normalization import search_key
from karokar.organization import queries as organization
from tests.factories import browsing, people
from tests.factories import fleet as factory

NAMES = (
    "Škoda",
    "Élodie",
    "Österreichische Bahnen",
    "Zoë Åström",
    "Ольга Йовович",
    "Ωραία",
    "ÅNGSTRÖM",
    "Łódź",
    "नई दिल्ली",
    "한국",
    "Straße",
    "İstanbul",
    "Đặng Thị Hồng",
    "Ёлка",
    "Ἀθῆναι",
    "ক্ষমতা",
    "محمّد",
    "שָׁלוֹם",
    "می‌خواهم",
    "東京",
    "がぎぐ",
    "ＡＢＣ",
    "O’Brien",
)
CASES = (str, str.upper, str.lower, str.title)


def spellings(name: str) -> set[str]:
    """How people may type a name: in either form and any case."""
    return {normalize(form, case(name)) for form in ("NFC", "NFD") for case in CASES}


def missed(client: FlaskClient, path: str, name_of: str = "q", **more: str) -> list[tuple[str, str]]:
    """Return each name with each spelling under which the page does not show it."""
    found = []
    for name in NAMES:
        kept = normalize("NFC", name)
        # Three of the spellings, for each is a page; all of them have one key, as another test says.
        for typed in (kept, normalize("NFD", name.upper()), normalize("NFD", name.lower())):
            page = client.get(path, query_string={name_of: typed, **more})
            assert page.status_code == 200, browsing.text_of(page)
            # Beyond what was typed, which the page repeats, it has to show the name that was found.
            if f"Found {kept} here" not in browsing.text_of(page):
                found.append((name, typed))
    return found


def called(name: str) -> str:
    return f"Found {name} here"


def test_a_fleet_a_market_and_the_search_box_find_every_vehicle(any_client):
    vendor, company = people.make_vendor(), people.make_corporate()
    for name in NAMES:
        factory.make_vehicle(vendor, make=called(name), model="Model")
    people.sign_in(any_client, vendor.admin)
    assert missed(any_client, "/fleet/") == []
    assert missed(any_client, "/search") == []
    people.sign_out(any_client)
    people.sign_in(any_client, company.admin)
    period = {"start": "2026-12-10T09:00", "end": "2026-12-10T18:00"}
    assert missed(any_client, "/availability/", "text", **period) == []


def test_members_people_and_the_search_box_find_every_person(any_client):
    company = people.make_corporate()
    role = next(one for one in identity.list_roles_to_give(company.id, company.type) if one.code == "EMPLOYEE")
    for number, name in enumerate(NAMES):
        with people.acting(company.admin):
            invited = identity_actions.invite_member(
                first_name="Found", last_name=f"{name} here", email=f"p{number}@company.example", role_id=role.id
            )
        people.join(invited.id)
    people.sign_in(any_client, company.admin)
    assert missed(any_client, "/identity/members") == []
    assert missed(any_client, "/search") == []
    people.sign_out(any_client)
    people.sign_in(any_client, people.platform_admin())
    assert missed(any_client, "/administration/people") == []


def test_the_list_and_the_search_box_find_every_organization(any_client):
    for name in NAMES:
        people.make_organization("VENDOR", name=called(name), status="PENDING")
    people.sign_in(any_client, people.platform_admin())
    assert missed(any_client, "/organization/") == []
    assert missed(any_client, "/search") == []


def test_accents_may_be_left_out(any_app):
    vendor = people.make_vendor()
    factory.make_vehicle(vendor, make="Škoda", model="Łódź Edition", city="Zürich")
    with people.acting(vendor.admin):
        for text in ("skoda", "SKODA lodz", "škoda", "Łodz"):
            assert fleet.list_vehicles(text=text).count == 1, text
        for city in ("zurich", "ZÜRICH", normalize("NFD", "Zürich")):
            assert fleet.list_vehicles(city=city).count == 1, city
        assert fleet.list_vehicles(text="skod lodź x").count == 0


def test_signs_that_mean_something_to_a_database_mean_themselves(any_app):
    vendor = people.make_vendor()
    factory.make_vehicle(vendor, make="A_B 100%", model="Back\\slash")
    with people.acting(vendor.admin):
        for text in ("a_b", "100%", "\\sl"):
            assert fleet.list_vehicles(text=text).count == 1, text
        assert fleet.list_vehicles(text="a%back").count == 0


def test_lists_are_sorted_as_people_read_names(any_app):
    names = ["Zebra", "Äpfel", "Škoda", "apple", "Éclair", "Opel", "Öl", "skate"]
    for name in names:
        people.make_organization("VENDOR", name=name)
    with people.acting(people.platform_admin()):
        listed = [page.name for page in organization.list_pages(type="VENDOR", sort="name").rows]
    assert [name for name in listed if name in names] == [
        "Äpfel", "apple", "Éclair", "Öl", "Opel", "skate", "Škoda", "Zebra",
    ]  # fmt: skip


def test_a_key_follows_its_text(any_app):
    vendor = people.make_vendor()
    vehicle_id = factory.make_vehicle(vendor, make="Škoda", model="Octavia")
    with people.acting(vendor.admin):
        seen = fleet.get_seen(vehicle_id)
        names = ("year", "license_plate", "category", "seats", "city", "address", "time_zone")
        kept = {name: getattr(seen, name) for name in names}
        from karokar.fleet import actions

        actions.edit_vehicle(vehicle_id, version=seen.version, make="Citroën", model="Octavia", **kept)
        assert fleet.list_vehicles(text="citroen").count == 1
        assert fleet.list_vehicles(text="škoda").count == 0


def test_an_invited_stranger_is_found_by_the_address_alone(any_app):
    first, second = people.make_vendor(), people.make_vendor()
    with people.acting(second.admin):
        role = identity.list_roles_to_give(second.id, second.type)[0]
        identity_actions.invite_member(first_name="X", last_name="Y", email=first.admin.email, role_id=role.id)
        name = identity.find_person_by_email(first.admin.email)
        assert name is not None
        assert identity.list_member_rows(organization_id=second.id, text=name.name).count == 0
        assert identity.list_member_rows(organization_id=second.id, text=first.admin.email.upper()).count == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_spelling_of_a_name_has_one_key(name):
    assert {search_key(typed) for typed in spellings(name)} == {search_key(name)}
    assert search_key(search_key(name)) == search_key(name)
