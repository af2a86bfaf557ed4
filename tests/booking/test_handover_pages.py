"""The pages of a booking from assignment to return, as a browser without JavaScript meets them."""

import io
import re
from collections.abc import Iterator
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict

from karokar.assignment import actions as assignments
from karokar.kernel import clock
from karokar.kernel.vehicles import handover
from tests.factories import booking as make
from tests.factories import people, pictures
from tests.factories.booking import NOON, World
from tests.factories.browsing import follow, forms_of, send, send_large, text_of
from tests.factories.people import PNG


@pytest.fixture(autouse=True)
def _monday_noon() -> Iterator[None]:
    with clock.standing_at(NOON):
        yield


def test_the_assign_page_says_who_may_and_who_may_not(world: World, as_company: FlaskClient) -> None:
    world.assigned(world.colleague, vehicle_id=make.vehicle(world.vendor))
    made = world.approved()
    page = text_of(as_company.get(f"/booking/{made.id}/assign"))
    assert "This person has another assignment in this period" in page
    assert "No approved driving licence covers this period" in page  # the administrator's own
    answer = send(as_company, f"/booking/{made.id}/assign", employee_id=str(world.employee.user_id))
    assert "The employee has been asked to accept" in follow(as_company, answer)


def test_a_handover_is_a_checklist_with_pictures(world: World, as_vendor: FlaskClient) -> None:
    made = world.accepted()
    with clock.standing_at(world.start):
        make.sign_in(as_vendor, world.vendor_admin)
        answer = send(
            as_vendor,
            f"/booking/{made.id}/activate",
            odometer="10100",
            fuel_percent="75",
            checks=["KEYS", "TYRES"],
            notes="Scratch on the left door",
            photo_left=(io.BytesIO(PNG), "left.png"),
            photos=[(io.BytesIO(PNG), "one.png"), (io.BytesIO(PNG), "two.png")],
        )
        page = follow(as_vendor, answer)
        assert "10,100 km" in page
        assert "Scratch on the left door" in page
        assert "Tyres look sound" in page
        html = as_vendor.get(f"/booking/{made.id}").get_data(as_text=True)
        photo = html.split('<img src="')[1].split('"')[0]
        assert as_vendor.get(photo).content_type == "image/png"
        assert html.count("<img src=") == 3
        assert "<figcaption>Left side</figcaption>" in html
        assert 'alt="Handover: left side"' in as_vendor.get(f"/booking/{made.id}/complete").get_data(as_text=True)


def test_whoever_types_less_than_the_odometer_showed_hears_of_it_at_once(world: World, as_vendor: FlaskClient) -> None:
    made = world.active()
    with clock.standing_at(world.end):
        make.sign_in(as_vendor, world.vendor_admin)
        url = f"/booking/{made.id}/complete"
        assert "At the handover: 10,000 km" in text_of(as_vendor.get(url))
        asked = send(as_vendor, url, odometer="9000", fuel_percent="40")
        assert "9,000 km is less than the 10,000 km recorded on" in text_of(asked)
        again = forms_of(asked.text)[""] | {"odometer": "9000", "fuel_percent": "40"}
        assert "Taken back" in follow(as_vendor, as_vendor.post(url, data=again))


def test_a_handover_names_what_is_missing_before_anything_is_filled_in(world: World, as_vendor: FlaskClient) -> None:
    made = world.assigned()
    url = f"/booking/{made.id}/activate"
    with clock.standing_at(world.start):
        make.sign_in(as_vendor, world.vendor_admin)
        page = as_vendor.get(url)
        assert "has not accepted the assignment yet. Ask the company" in text_of(page)
        assert 'name="odometer"' not in page.text
        sent = forms_of(as_vendor.get(f"/booking/{made.id}").text).popitem()[1]
        answer = as_vendor.post(url, data={**sent, "odometer": "1", "fuel_percent": "1", "notes": "All is well"})
    assert answer.status_code == 422
    assert "has not accepted the assignment yet" in text_of(answer)
    assert "All is well" in answer.text


def test_who_declined_is_not_called_the_driver(world: World, as_company: FlaskClient) -> None:
    made = world.assigned()
    assert "Asked to drive Emil" in text_of(as_company.get(f"/booking/{made.id}"))
    with world.acting(world.employee):
        assignments.reject_assignment(make.assignment_of(made.id).id)
    world.deliver()
    page = text_of(as_company.get(f"/booking/{made.id}"))
    assert "Emil Test declined. Choose somebody else" in page
    assert "Declined to drive Emil" in page


def test_the_company_is_led_to_the_step_that_is_missing(world: World, as_company: FlaskClient) -> None:
    made = world.assigned()
    url = f"/booking/{made.id}/activate"
    given = make.assignment_of(made.id).id
    with clock.standing_at(world.start):
        make.sign_in(as_company, world.company_admin)
        assert f'href="/assignment/{given}"' in as_company.get(url).text
        make.change("assignments", given, status="REJECTED")
        assert f'href="/booking/{made.id}/assign"' in as_company.get(url).text
        make.change("vehicles", world.vehicle, status="SUSPENDED", suspended_by="OWNER")
        # The page of a vendor's vehicle that is off the road is not the company's to see.
        assert 'href="/availability/?start=' in as_company.get(url).text


def test_a_handover_long_before_the_start_says_when_it_is_possible(world: World, as_vendor: FlaskClient) -> None:
    made = world.accepted()
    assert "one hour before the start" in text_of(as_vendor.get(f"/booking/{made.id}/activate"))


def test_four_photos_of_a_phone_go_through(world: World, as_vendor: FlaskClient) -> None:
    made = world.accepted()
    photo = pictures.jpeg() + bytes(5 * 1024 * 1024)
    with clock.standing_at(world.start):
        make.sign_in(as_vendor, world.vendor_admin)
        taken = {f"photo_{side}": (io.BytesIO(photo), f"{side}.jpg") for side in ("front", "back", "left", "right")}
        answer = send_large(as_vendor, f"/booking/{made.id}/activate", odometer="10100", fuel_percent="75", **taken)
        assert answer.status_code == 303
        assert as_vendor.get(f"/booking/{made.id}").text.count("<img src=") == 4


def test_a_photo_too_large_or_too_many_photos_are_told_and_what_was_typed_stays(
    world: World, as_vendor: FlaskClient
) -> None:
    made = world.accepted()
    url = f"/booking/{made.id}/activate"
    typed = {"odometer": "10100", "fuel_percent": "75", "notes": "Scratch on the door"}
    with clock.standing_at(world.start):
        make.sign_in(as_vendor, world.vendor_admin)
        large = io.BytesIO(pictures.jpeg() + bytes(10 * 1024 * 1024))
        answer = send_large(as_vendor, url, **typed, photo_front=(large, "front.jpg"))
        assert (answer.status_code, "front.jpg is larger than 10 MB" in text_of(answer)) == (422, True)
        many = [(io.BytesIO(PNG), f"{number}.png") for number in range(13)]
        answer = send(as_vendor, url, **typed, photos=many)
        assert (answer.status_code, "These are 13 photos" in text_of(answer)) == (422, True)
        assert "Scratch on the door" in answer.text


def test_a_photo_that_is_none_is_named_at_its_field_and_the_others_are_kept(
    world: World, as_vendor: FlaskClient
) -> None:
    made = world.accepted()
    with clock.standing_at(world.start):
        make.sign_in(as_vendor, world.vendor_admin)
        wrong = {"photo_front": (io.BytesIO(PNG), "front.png"), "photo_left": (io.BytesIO(b"no picture"), "left.png")}
        answer = send(as_vendor, f"/booking/{made.id}/activate", odometer="10100", fuel_percent="75", **wrong)
    assert (
        '<a href="#photo_left">Left side</a>: left.png isn&#39;t a picture of a kind that can be read here'
        in answer.text
    )
    assert "Keep front.png" in text_of(answer)


def test_photos_are_chosen_again_where_the_session_ended_in_between(world: World, as_vendor: FlaskClient) -> None:
    made = world.accepted()
    url = f"/booking/{made.id}/activate"
    with clock.standing_at(world.start):
        make.sign_in(as_vendor, world.vendor_admin)
        typed = forms_of(as_vendor.get(url).text)[""] | {"odometer": "10100", "fuel_percent": "75"}
        people.sign_out(as_vendor)
        chosen = {"photo_front": (io.BytesIO(PNG), "front.png"), "photos": [(io.BytesIO(PNG), "a.png")] * 2}
        ended = as_vendor.post(url, data={**typed, **chosen})
        assert (ended.status_code, "files must be chosen again" in text_of(ended)) == (401, True)
        kept = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', ended.text)
        make.sign_in(as_vendor, world.vendor_admin)
        again = as_vendor.post(url, data=MultiDict([(name, unescape(value)) for name, value in kept]))
        assert 'enctype="multipart/form-data"' in again.text
        assert re.findall(r'<input type="file" class="[^"]*" id="[^"]*" name="(\w+)"( multiple)?>', again.text) == [
            ("photo_front", ""),
            ("photos", " multiple"),
        ]
        fields = {
            name: unescape(value)
            for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', again.text)
        }
        sent = as_vendor.post(url, data=fields | {"photo_front": (io.BytesIO(PNG), "front.png")})
        assert sent.status_code == 303
        assert as_vendor.get(f"/booking/{made.id}").text.count("<img src=") == 1


def test_photos_are_kept_where_somebody_was_faster(world: World, as_vendor: FlaskClient) -> None:
    made = world.accepted()
    url = f"/booking/{made.id}/activate"
    with clock.standing_at(world.start):
        make.sign_in(as_vendor, world.vendor_admin)
        opened = forms_of(as_vendor.get(url).text)[""] | {"odometer": "10100", "fuel_percent": "75"}
        make.change("bookings", made.id, version=made.version + 1)
        stale = as_vendor.post(url, data={**opened, "photo_front": (io.BytesIO(PNG), "front.png")})
        assert stale.status_code == 409
        fields = forms_of(stale.text.replace(' enctype="multipart/form-data"', ""))[url]
        assert 'name="photo_front"' not in stale.text
        sent = as_vendor.post(url, data=fields)
        assert sent.status_code == 303
        assert as_vendor.get(f"/booking/{made.id}").text.count("<img src=") == 1


def test_photos_too_large_together_are_told_with_the_way_back_to_what_was_typed(
    world: World, as_vendor: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world.accepted()
    url = f"/booking/{made.id}/activate"
    monkeypatch.setattr(handover, "photos_together_mb", lambda each_mb: 1)
    with clock.standing_at(world.start):
        make.sign_in(as_vendor, world.vendor_admin)
        photo = io.BytesIO(b"\xff\xd8\xff" + bytes(3 * 1024 * 1024))
        answer = send_large(as_vendor, url, photo_front=(photo, "front.jpg"))
    assert answer.status_code == 413
    assert "larger than the 2 MB that this form takes" in text_of(answer)
    assert f'href="{url}?restored=1"' in answer.text


def test_a_vehicle_is_taken_back_with_its_damage(world: World, as_company: FlaskClient) -> None:
    made = world.active()
    with clock.standing_at(world.end):
        make.sign_in(as_company, world.company_admin)
        url = f"/booking/{made.id}/complete"
        unsaid = send(as_company, url, odometer="10900", fuel_percent="20", is_damaged="y")
        assert "Describe the damage" in text_of(unsaid)
        done = send(as_company, url, odometer="10900", fuel_percent="20", is_damaged="y", notes="Mirror broken")
        page = follow(as_company, done)
    assert "Completed" in page
    assert "Mirror broken" in page
    assert "Book on" in page


@pytest.mark.parametrize(("stage", "what"), [("approved", "cancel"), ("active", "terminate")])
def test_calling_off_asks_for_reason_and_note(world: World, as_company: FlaskClient, stage: str, what: str) -> None:
    made = getattr(world, stage)()
    with clock.standing_at(make.booking(made.id).start):
        make.sign_in(as_company, world.company_admin)
        url = f"/booking/{made.id}/{what}"
        assert send(as_company, url, reason="", note="").status_code == 422
        page = follow(as_company, send(as_company, url, reason="OTHER", note="The fair was moved"))
    assert "The fair was moved" in page


def test_the_two_sides_write_to_each_other(world: World, client: FlaskClient, app: Flask) -> None:
    made = world.requested()
    url = f"/booking/{made.id}"
    make.sign_in(client, world.vendor_admin)
    follow(client, send(client, url, f"{url}/comment", text="Child seat needed?"))
    company = app.test_client()
    make.sign_in(company, world.company_admin)
    page = text_of(company.get(url))
    assert "Child seat needed?" in page
    assert "Harbour Cars ·" in page
    assert "Vera" not in page  # people of the other side appear by their organization


def test_booking_on_begins_where_the_booking_ends_and_its_turnaround_is_over(app: Flask, client: FlaskClient) -> None:
    world = make.make_world(buffer_minutes=60)
    made = world.approved()
    make.sign_in(client, world.company_admin)
    html = client.get(f"/booking/{made.id}").get_data(as_text=True)
    link = html.split('href="/booking/new?')[1].split('"')[0]
    assert "start=2026-11-19T13:00:00Z&amp;end=2026-11-20T13:00:00Z" in link
    page = f"/booking/new?{link.replace('&amp;', '&')}"
    assert "The vehicle is free: " in text_of(client.get(page))
    sent = send(client, page, do="send", start="2026-11-19T14:00", end="2026-11-20T14:00")
    assert "The request was sent" in follow(client, sent)
    early = send(client, page, do="send", start="2026-11-19T13:30", end="2026-11-20T14:00")
    assert f"Your own booking {made.reference} keeps the vehicle" in text_of(early)


@pytest.mark.parametrize("side", ["vendor_admin", "company_admin"])
def test_lists_say_that_a_promised_vehicle_is_off_the_road(world: World, client: FlaskClient, side: str) -> None:
    made = world.accepted()
    hand_over = f'href="/booking/{made.id}/activate"'
    with clock.standing_at(world.start):
        make.sign_in(client, getattr(world, side))
        today = client.get("/booking/today")
        assert hand_over in today.text
        assert "Off the road" not in text_of(today)
        make.change("vehicles", world.vehicle, status="SUSPENDED", suspended_by="OWNER")
        for page in ("/booking/today", "/booking/"):
            assert "Off the road" in text_of(client.get(page)), page
        assert hand_over not in client.get("/booking/today").text


def test_the_employee_s_list_says_that_the_vehicle_is_off_the_road(world: World, client: FlaskClient) -> None:
    world.accepted()
    make.sign_in(client, world.employee)
    assert "Off the road" not in text_of(client.get("/assignment/"))
    make.change("vehicles", world.vehicle, status="SUSPENDED", suspended_by="OWNER")
    assert "Off the road" in text_of(client.get("/assignment/"))
