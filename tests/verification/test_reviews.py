"""Decisions about verifications, their end, reminders, and what others ask: is it covered?"""

import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from karokar.kernel import clock
from karokar.kernel.db import db
from karokar.kernel.errors import DomainError, RuleBroken, StaleVersion, StateConflict
from karokar.outbox.models import EventRow
from karokar.verification import actions, queries
from karokar.verification.models import Verification
from karokar.verification.rules import MACHINE, VerificationStatus, due_reminder
from tests.factories import fleet, people
from tests.identity.test_sign_in import post


def request(company, kind="TAX", note=""):
    with people.acting(company.admin):
        return actions.request_verification(
            entity_type="Organization", entity_id=company.id, kind=kind, uploads=[people.pdf(note + kind)]
        ).id


def events_of(verification_id) -> list[tuple[str, dict]]:
    db.session.rollback()
    statement = select(EventRow).where(EventRow.aggregate_id == verification_id).order_by(EventRow.id)
    return [(row.event_type, row.payload) for row in db.session.scalars(statement)]


def status_of(verification_id) -> str:
    db.session.rollback()
    return db.session.get(Verification, verification_id, populate_existing=True).status


def _in_state(company, status):
    made = request(company)
    with people.acting(people.platform_admin()):
        if status in {"APPROVED", "EXPIRED", "REVOKED"}:
            actions.approve_verification(made, expires_at=clock.now() + timedelta(days=1))
        if status == "REJECTED":
            actions.reject_verification(made, reason="UNREADABLE")
        if status == "REVOKED":
            actions.revoke_verification(made, reason="FORGED")
    if status == "EXPIRED":
        with clock.standing_at(clock.now() + timedelta(days=2)), people.as_system():
            actions.expire_verifications()
    assert status_of(made) == status
    return made


@pytest.mark.parametrize("status", [str(status) for status in VerificationStatus])
def test_each_decision_works_in_exactly_the_states_of_its_rule(app, status):
    verbs = {
        "approve": actions.approve_verification,
        "reject": lambda made: actions.reject_verification(made, reason="UNREADABLE"),
        "revoke": lambda made: actions.revoke_verification(made, reason="FORGED"),
    }
    for verb, call in verbs.items():
        made = _in_state(people.make_vendor(), status)
        before = events_of(made)
        with people.acting(people.platform_admin()):
            if MACHINE.can(status, verb):
                call(made)
                assert status_of(made) == MACHINE.next(status, verb)
                assert len(events_of(made)) == len(before) + 1
            else:
                with pytest.raises(StateConflict):
                    call(made)
                assert events_of(made) == before


def test_some_kinds_need_an_end_and_no_end_lies_in_the_past(app):
    company = people.make_vendor()
    with people.acting(company.admin):
        made = actions.request_verification(
            entity_type="User", entity_id=company.admin.user_id, kind="DRIVING_LICENSE", uploads=[people.pdf()]
        ).id
    with people.acting(people.platform_admin()):
        for expires_at, code in ((None, "EXPIRY_MISSING"), (clock.now(), "EXPIRY_HAS_PASSED")):
            with pytest.raises(RuleBroken) as refused:
                actions.approve_verification(made, expires_at=expires_at)
            assert refused.value.code == code


def test_other_as_a_reason_needs_a_note(app):
    made = request(people.make_vendor())
    with people.acting(people.platform_admin()):
        with pytest.raises(RuleBroken) as refused:
            actions.reject_verification(made, reason="OTHER", note=" ")
        assert refused.value.code == "NOTE_MISSING"
        with pytest.raises(RuleBroken):
            actions.reject_verification(made, reason="NO SUCH")
        actions.reject_verification(made, reason="OTHER", note="The stamp is missing.")
    assert events_of(made)[-1][1]["reason"] == "OTHER"


def test_nobody_reviews_what_they_handed_in(app):
    company = people.make_vendor()
    both = people.platform_admin()
    people.add_member(company, "VENDOR_ADMIN", email=both.email)
    made = request(company)
    db.session.rollback()
    from karokar.kernel.db import transaction

    with transaction() as session:
        session.execute(
            Verification.__table__.update().where(Verification.id == made).values(requested_by=both.user_id)
        )
    with people.acting(both):
        for call in (
            lambda: actions.approve_verification(made),
            lambda: actions.reject_verification(made, reason="UNREADABLE"),
        ):
            with pytest.raises(RuleBroken) as refused:
                call()
            assert refused.value.code == "OWN_VERIFICATION"


def test_of_two_reviewers_at_once_one_decides_and_the_other_is_told(any_app: Flask):
    made = request(people.make_vendor())
    reviewers = [people.platform_admin(), people.platform_admin()]
    version = db.session.get(Verification, made).version
    db.session.rollback()
    start = threading.Barrier(2)
    answers: list[str] = []

    def decide(reviewer, call):
        with any_app.app_context(), people.acting(reviewer):
            start.wait()
            try:
                call()
                answers.append("decided")
            except DomainError as error:
                answers.append(error.code)
            db.session.remove()

    threads = [
        threading.Thread(
            target=decide, args=(reviewers[0], lambda: actions.approve_verification(made, version=version))
        ),
        threading.Thread(
            target=decide,
            args=(reviewers[1], lambda: actions.reject_verification(made, reason="UNREADABLE", version=version)),
        ),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["STALE_VERSION", "decided"]
    assert len(events_of(made)) == 2


def test_the_later_decision_on_the_page_gets_the_conflict_page(app: Flask, client):
    made = request(people.make_vendor())
    first, second = people.platform_admin(), people.platform_admin()
    people.sign_in(client, first)
    other = app.test_client()
    people.sign_in(other, second)
    version = str(db.session.get(Verification, made).version)
    client.get(f"/verification/{made}")
    page = other.get(f"/verification/{made}").text
    assert f"{first.name} opened this" in page
    part = other.get(f"/verification/{made}/openings")
    assert f"{first.name} opened this" in part.text
    assert other.get(part.headers["X-Live-Url"]).status_code == 204
    assert first.name in other.get("/administration/review").text
    form = f"/verification/{made}"
    assert post(client, f"{form}/approve", form_at=form, version=version, expires_on="").status_code == 303
    late = post(other, f"{form}/reject", form_at="/account/profile", version=version, reason="UNREADABLE")
    assert late.status_code == 409
    assert "Somebody changed this verification" in late.text
    assert status_of(made) == "APPROVED"


@pytest.mark.parametrize(
    ("verb", "sent", "said"),
    [("approve", {"expires_on": ""}, "Approved: "), ("reject", {"reason": "UNREADABLE"}, "Rejected: ")],
)
def test_a_decision_says_what_was_decided_and_about_whom(client, verb, sent, said):
    company = people.make_vendor()
    made = request(company)
    people.sign_in(client, people.platform_admin())
    form = f"/verification/{made}"
    version = str(db.session.get(Verification, made).version)
    post(client, f"{form}/{verb}", form_at=form, version=version, **sent)
    assert f"{said}{queries.label_of('TAX')}, {company.name}." in client.get("/administration/review").text


def test_whoever_opened_it_six_minutes_ago_is_not_shown(client):
    made = request(people.make_vendor())
    first, second = people.platform_admin(), people.platform_admin()
    with people.acting(first):
        actions.note_opening(made)
    with people.acting(second):
        assert queries.list_openings(made, except_by=second.user_id) != []
        with clock.standing_at(clock.now() + timedelta(minutes=6)):
            assert queries.list_openings(made, except_by=second.user_id) == []


def test_a_date_ends_with_the_day_where_the_organization_is(client):
    company = people.make_vendor(time_zone="Asia/Kolkata")
    made = request(company)
    people.sign_in(client, people.platform_admin())
    form = f"/verification/{made}"
    version = str(db.session.get(Verification, made).version)
    post(client, f"{form}/approve", form_at=form, version=version, expires_on="2030-03-31")
    db.session.rollback()
    expires_at = db.session.get(Verification, made, populate_existing=True).expires_at
    assert expires_at.isoformat() == "2030-03-31T18:30:00+00:00"


# --- the clock --------------------------------------------------------------------------------------------------------


def test_the_clock_lets_an_approval_expire_once_and_says_whether_another_covers(app):
    company = people.make_vendor()
    car = fleet.make_vehicle(company, status="PENDING")
    short = people.verify("Vehicle", car, "VEHICLE_INSURANCE", by=company.admin, days=10)
    long = people.verify("Vehicle", car, "VEHICLE_INSURANCE", by=company.admin, days=20)
    now = clock.now()
    with people.as_system():
        assert actions.expire_verifications() == 0
        with clock.standing_at(now + timedelta(days=11)):
            assert actions.expire_verifications() == 1
            assert actions.expire_verifications() == 0
        assert events_of(short)[-1][1]["stillCovered"] is True
        with clock.standing_at(now + timedelta(days=21)):
            assert actions.expire_verifications() == 1
    assert events_of(long)[-1][0] == "VerificationExpired"
    assert events_of(long)[-1][1]["stillCovered"] is False


def test_reminders_go_out_30_7_and_1_days_before_the_end_and_each_once(app):
    company = people.make_vendor()
    made = people.verify("User", company.admin.user_id, "DRIVING_LICENSE", by=company.admin, days=100)
    start = clock.now()
    with people.as_system():
        for day in range(60, 101):
            for _ in range(2):
                with clock.standing_at(start + timedelta(days=day, minutes=-5)):
                    actions.remind_of_expiry()
    reminders = [payload["daysLeft"] for name, payload in events_of(made) if name == "VerificationExpiring"]
    assert reminders == [30, 7, 1]


def test_no_reminder_where_a_successor_is_there_or_the_organization_wants_none(app):
    company = people.make_vendor()
    made = people.verify("User", company.admin.user_id, "DRIVING_LICENSE", by=company.admin, days=20)
    with people.acting(company.admin):
        actions.request_verification(
            entity_type="User", entity_id=company.admin.user_id, kind="DRIVING_LICENSE", uploads=[people.pdf("next")]
        )
    with people.as_system():
        assert actions.remind_of_expiry() == 0
    from karokar.organization import actions as organization

    quiet = people.make_vendor()
    people.verify("User", quiet.admin.user_id, "DRIVING_LICENSE", by=quiet.admin, days=20)
    with people.acting(quiet.admin):
        organization.update_organization(quiet.id, reminders=False)
    with people.as_system():
        assert actions.remind_of_expiry() == 0
    assert len(events_of(made)) == 2


@pytest.mark.parametrize(
    ("days_left", "reminded", "due"),
    [
        (31, None, None), (30, None, 30), (29, 30, None), (7, 30, 7), (7, None, 7), (6.9, 7, None), (1, 7, 1),
        (0.5, 1, None), (0, None, None), (-1, None, None),
    ],
)  # fmt: skip
def test_which_reminder_is_due(days_left, reminded, due):
    assert due_reminder(days_left, reminded) == due


# --- what others ask --------------------------------------------------------------------------------------------------


def test_coverage_tells_the_approval_that_lasts_longest_else_what_waits_else_the_newest_try(app):
    company = people.make_vendor()
    car = fleet.make_vehicle(company, status="PENDING")

    def insurance():
        return queries.coverage("Vehicle", car)["VEHICLE_INSURANCE"]

    assert insurance().status == "MISSING"
    with people.acting(company.admin):
        first = actions.request_verification(
            entity_type="Vehicle", entity_id=car, kind="VEHICLE_INSURANCE", uploads=[people.pdf()]
        ).id
    assert insurance().status == "PENDING"
    with people.acting(people.platform_admin()):
        actions.reject_verification(first, reason="UNREADABLE")
    assert insurance().status == "REJECTED"
    long = people.verify("Vehicle", car, "VEHICLE_INSURANCE", by=company.admin, days=20)
    people.verify("Vehicle", car, "VEHICLE_INSURANCE", by=company.admin, days=10)
    assert (insurance().status, insurance().verification_id) == ("APPROVED", long)
    with clock.standing_at(clock.now() + timedelta(days=30)):
        assert insurance().status == "EXPIRED"


def test_a_period_is_covered_only_to_its_end(app):
    company = people.make_vendor()
    car = fleet.make_vehicle(company, status="PENDING")
    people.verify("Vehicle", car, "VEHICLE_INSURANCE", by=company.admin, days=10)
    now = clock.now()

    def covered(**given):
        return queries.is_covered("Vehicle", car, "VEHICLE_INSURANCE", **given)

    assert covered()
    assert covered(until=now + timedelta(days=9))
    assert not covered(until=now + timedelta(days=11))
    assert not covered(at=now + timedelta(days=11))
    assert [row.kind for row in queries.expiring_between(now, now + timedelta(days=11), entity_type="Vehicle")] == [
        "VEHICLE_INSURANCE"
    ]


def test_a_revoked_document_lets_the_vehicle_be_suspended_by_its_owner_context(app):
    from karokar.fleet import queries as fleet_queries
    from karokar.outbox.delivery.drain import drain_all

    company = people.make_vendor()
    car = fleet.make_vehicle(company)
    coverage = queries.coverage("Vehicle", car)["VEHICLE_INSURANCE"]
    with clock.standing_at(clock.now() + timedelta(days=366)):
        with people.as_system():
            actions.expire_verifications()
        drain_all()
    found = fleet_queries.get_vehicle(car)
    assert (found.status, found.suspended_by) == ("SUSPENDED", "DOCUMENTS")
    assert coverage.status == "APPROVED"


def test_a_stale_decision_is_refused(app):
    made = request(people.make_vendor())
    with people.acting(people.platform_admin()), pytest.raises(StaleVersion):
        actions.approve_verification(made, version=99)
