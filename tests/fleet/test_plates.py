"""Licence plates: letters of any script, a country, and who owns one that two have registered."""

import threading
from unicodedata import normalize

import pytest

from karokar.fleet import actions, queries, rules
from karokar.kernel.actor import acting_as
from karokar.kernel.db import db
from karokar.kernel.errors import RuleBroken
from karokar.outbox.delivery.drain import drain_all
from karokar.verification import actions as verification
from karokar.verification import queries as verifications
from tests.factories import browsing, people
from tests.factories import fleet as factory

REGISTRATION = "VEHICLE_REGISTRATION"


@pytest.mark.parametrize(
    ("typed", "shown", "key"),
    [
        ("wü-kk 123", "WÜ-KK 123", "WÜKK123"),
        (normalize("NFD", "GÖ-AB 12"), "GÖ-AB 12", "GÖAB12"),
        ("京都 300 あ 12-34", "京都 300 あ 12-34", "京都300あ1234"),
        ("ТА 1234 ВС", "ТА 1234 ВС", "ТА1234ВС"),
        ("أ ب ج 1234", "أ ب ج 1234", "أبج1234"),
        ("कि 01 1234", "कि 01 1234", "कि011234"),
        ("１２가 3456", "12가 3456", "12가3456"),
        ("京A·12345", "京A·12345", "京A12345"),
        *((f"b{dash}kk 123", "B-KK 123", "BKK123") for dash in "‐‑‒–—−"),
    ],
)
def test_letters_of_a_plate_are_letters_of_any_script_and_none_is_lost(typed, shown, key):
    assert rules.tidy_plate(typed) == shown
    assert rules.plate_key(typed) == key
    assert rules.plate_key(shown.replace(" ", "").lower()) == key


@pytest.mark.parametrize("typed", ["", "-", "A", "AB/12", "KK-A 1\u202e001", "KK\u200b1", "A" * 16, "ﷺﷺ", "💡12"])
def test_what_is_no_plate_is_refused(typed):
    with pytest.raises(RuleBroken) as refused:
        rules.tidy_plate(typed)
    assert refused.value.code == "LICENSE_PLATE_MALFORMED"


def test_plates_with_umlauts_come_by_form_and_by_file(client):
    vendor = people.make_vendor(time_zone="Europe/Berlin")
    people.sign_in(client, vendor.admin)
    facts = factory.facts(license_plate="WÜ-KK 123", time_zone="Europe/Berlin")
    answer = browsing.send(client, "/fleet/new", **{**facts, "plate_country": ""})
    assert answer.status_code == 303, browsing.text_of(answer)
    page = browsing.text_of(client.get(answer.location))
    assert "WÜ-KK 123, Germany" in page
    assert "WÜ-KK 123" in browsing.text_of(client.get("/fleet/?q=wükk123"))


def test_a_plate_belongs_to_a_country(app):
    vendor = people.make_vendor()
    with people.acting(vendor.admin):
        first = actions.register_vehicle(**factory.facts(license_plate="AB 123", time_zone="Europe/Prague"))
        second = actions.register_vehicle(**factory.facts(license_plate="AB-123", time_zone="Europe/Warsaw"))
        assert [queries.get_vehicle(one).plate_country for one in (first, second)] == ["CZ", "PL"]
        with pytest.raises(RuleBroken) as refused:
            actions.register_vehicle(**factory.facts(license_plate="ab123", plate_country="CZ"))
        assert refused.value.code == "LICENSE_PLATE_TAKEN"
        with pytest.raises(RuleBroken) as refused:
            actions.register_vehicle(**factory.facts(license_plate="CD 1", plate_country="XQ"))
        assert refused.value.code == "COUNTRY_UNKNOWN"


def test_who_registers_another_s_plate_neither_blocks_nor_learns_about_the_owner(any_app):
    squatter, owner = people.make_vendor(), people.make_vendor()
    with people.acting(squatter.admin):
        actions.register_vehicle(**factory.facts(license_plate="KA 01 ZZ 7777"))
    taken = factory.make_vehicle(owner, license_plate="KA-01-ZZ-7777")
    assert queries.get_vehicle(taken).status == "ACTIVE"
    with people.acting(squatter.admin):
        actions.register_vehicle(**factory.facts(license_plate="KA 01 ZZ 8888"))
        assert queries.list_vehicles(text="ka01zz7777").count == 1


def registration(owner, vehicle_id):
    with people.acting(owner.admin):
        return verification.request_verification(
            entity_type="Vehicle", entity_id=vehicle_id, kind=REGISTRATION, uploads=[people.pdf(owner.name)]
        ).id


def approve(reviewer, verification_id, **more):
    from datetime import timedelta

    from karokar.kernel import clock

    with people.acting(reviewer):
        verification.approve_verification(verification_id, expires_at=clock.now() + timedelta(days=300), **more)


def test_the_reviewer_sees_that_two_claim_a_plate_and_only_one_is_approved(any_app):
    client = any_app.test_client()
    first, second = people.make_vendor(), people.make_vendor()
    own = factory.make_vehicle(first, license_plate="KA 01 ZZ 7777")
    with people.acting(second.admin):
        claimed = actions.register_vehicle(**factory.facts(license_plate="KA01ZZ7777"))
    asked = registration(second, claimed)
    reviewer = people.platform_admin()
    people.sign_in(client, reviewer)
    page = browsing.text_of(client.get(f"/verification/{asked}"))
    assert "This licence plate is registered for other vehicles, too." in page
    assert first.name in page
    assert "registration approved" in page
    with pytest.raises(RuleBroken) as refused:
        approve(reviewer, asked)
    assert refused.value.code == "PLATE_REGISTERED_ALREADY"
    people.sign_out(client)
    people.sign_in(client, second.admin)
    assert first.name not in browsing.text_of(client.get(f"/verification/{asked}"))
    db.session.rollback()
    with people.acting(reviewer):
        former = verifications.coverage("Vehicle", own)[REGISTRATION].verification_id
        verification.revoke_verification(former, reason="FORGED")
    approve(reviewer, asked)
    assert verifications.is_covered("Vehicle", claimed, REGISTRATION)


def test_a_retired_vehicle_and_another_country_claim_nothing(app):
    first, second = people.make_vendor(), people.make_vendor()
    factory.make_vehicle(first, license_plate="AB 1", status="RETIRED")
    factory.make_vehicle(first, license_plate="AB 1", time_zone="Europe/Prague")
    factory.make_vehicle(second, license_plate="AB 1")


def test_a_registration_counts_for_the_plate_that_it_names(any_app):
    vendor = people.make_vendor()
    vehicle_id = factory.make_vehicle(vendor, license_plate="KA 01 ZZ 1111")

    def rename(plate):
        with people.acting(vendor.admin):
            seen = queries.get_seen(vehicle_id)
            names = ("make", "model", "year", "category", "seats", "city", "address", "time_zone")
            facts = {name: getattr(seen, name) for name in names}
            actions.edit_vehicle(vehicle_id, version=seen.version, license_plate=plate, **facts)
        drain_all()
        db.session.rollback()

    rename("ka01-zz-1111")
    assert verifications.is_covered("Vehicle", vehicle_id, REGISTRATION)
    rename("KA 01 ZZ 2222")
    assert not verifications.is_covered("Vehicle", vehicle_id, REGISTRATION)
    assert verifications.is_covered("Vehicle", vehicle_id, "VEHICLE_INSURANCE")
    assert queries.get_vehicle(vehicle_id).suspended_by == "DOCUMENTS"
    factory.people.verify("Vehicle", vehicle_id, REGISTRATION, by=vendor.admin, days=300)
    drain_all()
    db.session.rollback()
    assert queries.get_vehicle(vehicle_id).status == "ACTIVE"


def test_a_plate_that_changed_under_the_reviewer_s_eyes_is_not_approved_unseen(app):
    vendor = people.make_vendor()
    with people.acting(vendor.admin):
        vehicle_id = actions.register_vehicle(**factory.facts(license_plate="KA 02 ZZ 1"))
    asked = registration(vendor, vehicle_id)
    reviewer = people.platform_admin()
    with pytest.raises(RuleBroken) as refused:
        approve(reviewer, asked, plate="KA 02 ZZ 9")
    assert refused.value.code == "PLATE_CHANGED"
    approve(reviewer, asked, plate="KA 02 ZZ 1")


@pytest.mark.postgresql
def test_of_two_approvals_of_one_plate_at_once_one_is_given(pg_app):
    owners = [people.make_vendor(), people.make_vendor()]
    asked = []
    for owner in owners:
        with people.acting(owner.admin):
            vehicle_id = actions.register_vehicle(**factory.facts(license_plate="KA 03 ZZ 1"))
        asked.append(registration(owner, vehicle_id))
    reviewer = people.actor_of(people.platform_admin())
    db.session.rollback()
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def run(verification_id):
        from datetime import timedelta

        from karokar.kernel import clock

        with pg_app.app_context(), acting_as(reviewer):
            start.wait(20)
            try:
                verification.approve_verification(verification_id, expires_at=clock.now() + timedelta(days=9))
                outcomes.append("approved")
            except RuleBroken as refused:
                outcomes.append(refused.code)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(one,)) for one in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["PLATE_REGISTERED_ALREADY", "approved"]
