"""The fleet's pages, as a browser without JavaScript meets them."""

import io
import re
from datetime import timedelta

import pytest

from karokar.fleet import actions, queries
from karokar.kernel import clock
from karokar.outbox.delivery.drain import drain_all
from karokar.runs import worker
from tests.factories import fleet, people


def text_of(response):
    html = re.sub(r"</?bdi>", "", response.get_data(as_text=True))
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def send(client, url, *, page=None, **data):
    """Fill in the form of a page and send it, with the hidden fields that the page gave it."""
    html = client.get(page or url).get_data(as_text=True)
    hidden = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', html))
    return client.post(url, data={**hidden, **data})


FORM = {
    "make": "Mahindra",
    "model": "XUV700",
    "year": "2025",
    "license_plate": "ka 05 mm 1234",
    "category": "SUV",
    "seats": "7",
    "city": "Bengaluru",
    "address": "MG Road 1",
    "time_zone": "Asia/Kolkata",
    "odometer": "15",
}


@pytest.fixture
def vendor(app):
    return people.make_vendor()


@pytest.fixture
def as_vendor(client, vendor):
    people.sign_in(client, vendor.admin)
    return client


def test_a_vendor_registers_a_vehicle_and_is_told_what_it_lacks(as_vendor):
    answer = send(as_vendor, "/fleet/new", **FORM)
    assert answer.status_code == 303
    page = text_of(as_vendor.get(answer.location))
    assert "KA 05 MM 1234" in page
    assert "The insurance is missing" in page
    assert "15 km" in page


def test_a_bad_form_comes_back_with_what_was_typed_and_what_is_wrong(as_vendor):
    answer = send(as_vendor, "/fleet/new", **{**FORM, "year": "1850", "license_plate": "=1+1"})
    assert answer.status_code == 422
    assert "A year between 1900 and 2100" in text_of(answer)
    answer = send(as_vendor, "/fleet/new", **{**FORM, "license_plate": "=1+1"})
    assert answer.status_code == 422
    assert "Use 2 to 15 letters" in text_of(answer)
    assert 'value="Mahindra"' in answer.get_data(as_text=True)


@pytest.mark.parametrize("field", ["make", "model", "license_plate", "city"])
def test_spaces_are_not_an_answer(as_vendor, field):
    answer = send(as_vendor, "/fleet/new", **{**FORM, field: "   "})
    assert answer.status_code == 422


def test_every_page_of_the_fleet_opens_for_its_owner(as_vendor, vendor):
    vehicle_id = fleet.make_vehicle(vendor)
    now = clock.now()
    window_id = fleet.make_window(vendor, vehicle_id, now + timedelta(days=2), now + timedelta(days=3))
    drain_all()
    with people.acting(vendor.admin):
        reading_id = queries.list_readings(vehicle_id)[0].id
    for url in (
        "/fleet/",
        "/fleet/?category=SUV&sort=-make",
        "/fleet/export?format=csv",
        "/fleet/export?format=xlsx",
        "/fleet/new",
        "/fleet/import",
        "/fleet/import/example",
        "/fleet/documents",
        "/fleet/maintenance",
        "/fleet/who-had-it",
        "/fleet/who-had-it?plate=KA01&at=2026-01-01T12:00",
        f"/fleet/{vehicle_id}",
        f"/fleet/{vehicle_id}/edit",
        f"/fleet/{vehicle_id}/suspend",
        f"/fleet/{vehicle_id}/retire",
        f"/fleet/{vehicle_id}/maintenance/new",
        f"/fleet/{vehicle_id}/readings/{reading_id}/void",
        f"/fleet/maintenance/{window_id}",
        f"/fleet/maintenance/{window_id}/edit",
        "/availability/",
        "/availability/?start=2030-01-01T08:00&end=2030-01-02T08:00",
        "/availability/timeline",
        "/availability/timeline?span=day",
        "/availability/timeline?span=month",
        f"/availability/timeline?vehicle_id={vehicle_id}",
        "/availability/conflicts",
    ):
        answer = as_vendor.get(url)
        assert answer.status_code == 200, url
        assert answer.get_data()
        answer.close()


def test_an_export_holds_the_own_fleet_and_nobody_elses(as_vendor, vendor):
    own = fleet.make_vehicle(vendor, status="PENDING")
    foreign = fleet.make_vehicle(people.make_vendor())
    with as_vendor.get("/fleet/export") as answer:
        lines = answer.get_data(as_text=True)
    assert queries.get_vehicle(own).license_plate in lines
    assert queries.get_vehicle(foreign).license_plate not in lines


def test_a_stale_edit_shows_both_versions(as_vendor, vendor):
    vehicle_id = fleet.make_vehicle(vendor, status="PENDING")
    url = f"/fleet/{vehicle_id}/edit"
    html = as_vendor.get(url).get_data(as_text=True)
    hidden = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', html))
    with people.acting(vendor.admin):
        vehicle = queries.get_vehicle(vehicle_id)
        names = ("make", "model", "year", "license_plate", "category", "seats", "address", "time_zone")
        given = {name: getattr(vehicle, name) for name in names}
        actions.edit_vehicle(vehicle_id, version=vehicle.version, city="Mysuru", **given)
    answer = as_vendor.post(url, data={**hidden, **FORM, "city": "Chennai"})
    assert answer.status_code == 409
    page = text_of(answer)
    assert "Mysuru" in page
    assert "Chennai" in page


CSV = (
    "Make,Model,Year,License plate,Category,Seats,City,Odometer\n"
    "Tata,Nexon,2024,KA 01 ZZ 0001,SUV,5,Pune,100\n"
    "Tata,Nexon,1850,KA 01 ZZ 0002,SUV,5,Pune,100\n"
    "Tata,Nexon,2024,KA 01 ZZ 0001,Spaceship,five,Pune,100\n"
    "Tata,Nexon,2024,=2+2,Estate,5,Pune,\n"
    "Tata,Punch,2025,KA 01 ZZ 0003,Small car,5,Pune,\n"
)


def upload(client, text=CSV):
    answer = send(client, "/fleet/import", file=(io.BytesIO(text.encode()), "fleet.csv"))
    assert answer.status_code == 303
    return answer.location


def test_a_dry_run_names_line_and_column_of_every_bad_cell_and_changes_nothing(as_vendor, vendor):
    seen = text_of(as_vendor.get(upload(as_vendor)))
    assert "2 of 5 rows can be imported" in seen
    for place in (
        "3 C (Year) 1850",
        "4 D (License plate) KA 01 ZZ 0001 Line 2 has the same plate",
        "4 F (Seats) five",
        "4 E (Category) Spaceship",
        "5 D (License plate) =2+2",
    ):
        assert place in seen
    with people.acting(vendor.admin):
        assert queries.list_vehicles().rows == []


def test_problems_stand_in_the_order_of_the_file(as_vendor, vendor):
    heading, first, *_ = CSV.splitlines()
    seen = text_of(
        as_vendor.get(upload(as_vendor, "\n".join([heading, first.replace("2024", "1850"), first + ",more"])))
    )
    assert seen.index("2 C (Year) 1850") < seen.index("3 the whole line")


def test_the_good_rows_are_imported_by_a_run_that_names_the_others(as_vendor, vendor):
    checked = upload(as_vendor)
    answer = send(as_vendor, checked)
    assert answer.status_code == 303
    worker.work()
    with people.acting(vendor.admin):
        assert [row.license_plate for row in queries.list_vehicles().rows] == ["KA 01 ZZ 0001", "KA 01 ZZ 0003"]
    seen = text_of(as_vendor.get(answer.location))
    assert "Line 2: KA 01 ZZ 0001, Tata Nexon Done" in seen
    assert "Left out. C (Year): A year between" in seen


def test_maintenance_shows_what_it_would_hit_before_it_is_planned(as_vendor, vendor):
    vehicle_id = fleet.make_vehicle(vendor)
    day = (clock.now() + timedelta(days=10)).strftime("%Y-%m-%d")
    url = f"/fleet/{vehicle_id}/maintenance/new"
    plan = {"kind": "TYRES", "start": f"{day}T09:00", "end": f"{day}T12:00"}
    answer = send(as_vendor, url, **plan)
    assert answer.status_code == 303
    answer = send(as_vendor, url, **plan)
    assert answer.status_code == 303
    with people.acting(vendor.admin):
        first, second = queries.list_windows(vehicle_id)
    assert (first.start, first.end) == (second.start, second.end)


def test_an_odd_reading_is_kept_marked_and_can_be_voided(as_vendor, vendor):
    vehicle_id = fleet.make_vehicle(vendor, odometer=12_000)
    answer = send(as_vendor, f"/fleet/{vehicle_id}/readings", page=f"/fleet/{vehicle_id}", kilometres="90", sure="90")
    assert answer.status_code == 303
    assert "Out of order" in text_of(as_vendor.get(f"/fleet/{vehicle_id}"))
    assert queries.get_vehicle(vehicle_id).odometer == 12_000
    with people.acting(vendor.admin):
        odd = next(row for row in queries.list_readings(vehicle_id) if row.mark)
    answer = send(as_vendor, f"/fleet/{vehicle_id}/readings/{odd.id}/void", reason="A typing error")
    assert answer.status_code == 303
    page = text_of(as_vendor.get(f"/fleet/{vehicle_id}"))
    assert "Voided" in page
    assert "A typing error" in page


def test_a_vehicle_starts_with_its_organizations_time_zone_whichever_that_is(client):
    people.sign_in(client, people.make_vendor(time_zone="UTC").admin)
    page = client.get("/fleet/new").get_data(as_text=True)
    assert re.findall(r'<option selected value="([^"]*)"', page)[-1] == "UTC"
