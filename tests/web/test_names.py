"""A name can be read: it holds a letter or digit, and nothing that hides or turns what stands around it."""

import pytest

from karokar.fleet import actions as fleet_actions
from karokar.fleet import queries as fleet
from karokar.identity import actions as identity_actions
from karokar.identity import queries as identity
from karokar.kernel.errors import RuleBroken
from karokar.kernel.text.normalization import line_problem, name_problem, note_problem
from karokar.organization import actions as organization_actions
from karokar.web.lists import saved_views
from tests.factories import browsing, people
from tests.factories import fleet as factory
from tests.identity.test_sign_in import post

UNREADABLE = {
    "two spaces of no width": "\u200b\u200b",
    "a space that does not break": "\u00a0",
    "a Hangul filler": "\u3164\u3164",
    "an empty Braille cell": "\u2800",
    "marks without a letter": "\u0301\u0301",
    "signs alone": "·-–!",
    "a right-to-left override": "Acme \u202egnp.exe",
    "an isolate": "Acme \u2066Ltd",
    "a mark of direction": "Acme\u200f Ltd",
    "a byte order mark": "Acme\ufeff",
    "a space of no width within": "Ac\u200bme",
    "a soft hyphen": "Ac\u00adme",
    "a bell": "Acme\x07",
    "a line break": "Acme\nLtd",
    "a separator of lines": "Acme\u2028Ltd",
    "a letter for private use": "Acme \ue000",
    "a letter that is not assigned": "Acme \u0378",
}
READABLE = ("Ö", "3M", "AT&T", "O’Brien & Söhne (Zürich)", "株式会社 東京", "می‌خواهم", "क्‍ष", "مرسيدس", "Ελλάς", "🚗 7")


@pytest.mark.parametrize("name", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_nobody_can_read_is_no_name(name):
    assert name_problem(name)


@pytest.mark.parametrize("name", READABLE)
def test_names_of_every_script_are_names(name):
    assert name_problem(name) is None
    assert line_problem(name) is None


def test_a_note_keeps_its_lines_but_turns_nothing():
    assert note_problem("first\r\nsecond\tthird 👩‍🔧") is None
    assert note_problem("abc\u202edef")
    assert note_problem("abc\x07")


@pytest.mark.parametrize("name", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_no_company_applies_under_a_name_that_nobody_can_read(client, name):
    fields = {
        "type": "VENDOR",
        "name": name,
        "time_zone": "Europe/Berlin",
        "first_name": "Mia",
        "last_name": "Berg",
        "email": "mia@example.com",
    }
    answer = post(client, "/organization/apply", **fields)
    assert answer.status_code == 422, browsing.text_of(answer)


UNSEEN = "\u200b\u200b"
TURNED = "Acme \u202egnp.exe"


@pytest.mark.parametrize("name", [UNSEEN, TURNED], ids=["unseen", "turned"])
def test_no_action_keeps_such_a_name_through_whichever_door_it_came(app, name):
    vendor = people.make_vendor()
    vehicle_id = factory.make_vehicle(vendor)
    role = identity.list_roles_to_give(vendor.id, vendor.type)[0]
    facts = {"first_name": "Mia", "last_name": "Berg"}
    view = {"endpoint": "fleet.index", "query": "", "is_shared": False}
    with people.acting(vendor.admin):
        seen = fleet.get_seen(vehicle_id)
        kept = {
            one: getattr(seen, one) for one in ("year", "category", "seats", "address", "time_zone", "license_plate")
        }
        named = {"make": "Tata", "model": "Nexon", "city": "Pune"}
        doors = [
            *(
                lambda field=field: fleet_actions.edit_vehicle(
                    vehicle_id, version=seen.version, **kept, **named | {field: name}
                )
                for field in named
            ),
            lambda: fleet_actions.register_vehicle(**factory.facts(make=name)),
            lambda: organization_actions.update_organization(vendor.id, name=name),
            lambda: organization_actions.update_organization(vendor.id, contact_name=name),
            lambda: identity_actions.update_profile(**facts | {"first_name": name}),
            lambda: identity_actions.invite_member(
                **facts | {"last_name": name}, email="mia@example.com", role_id=role.id
            ),
            lambda: identity_actions.create_role(name=name, permissions=["vehicle.read"]),
            lambda: identity_actions.create_token(name=name, permissions=["vehicle.read"], days=30),
            lambda: saved_views.save(name=name, **view),
        ]
        for door in doors:
            with app.test_request_context(), people.acting(vendor.admin), pytest.raises(RuleBroken) as refused:
                door()
            assert refused.value.code == "NAME_NOT_READABLE"
            assert refused.value.fields


def test_a_command_says_what_is_wrong_with_a_name(app):
    arguments = ["--email", "pat@example.com", "--first-name", UNSEEN, "--last-name", "Form", "--link"]
    result = app.test_cli_runner().invoke(args=["identity", "create-platform-admin", *arguments])
    assert result.exit_code == 1
    assert "at least one letter or digit" in result.output


def test_two_spellings_of_one_role_name_are_one(app):
    vendor = people.make_vendor()
    with people.acting(vendor.admin):
        identity_actions.create_role(name="Škoda desk", permissions=["vehicle.read"])
        for name in ("ŠKODA  desk", "S\u030ckoda Desk", "vendor administrator"):
            with pytest.raises(RuleBroken) as refused:
                identity_actions.create_role(name=name, permissions=["vehicle.read"])
            assert refused.value.code == "ROLE_NAME_TAKEN"
        identity_actions.create_role(name="Skoda desk", permissions=["vehicle.read"])
