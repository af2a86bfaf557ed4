"""A day in an address that no calendar has is named, never replaced in silence by another one."""

import pytest
from flask.testing import FlaskClient

from tests.factories import people

NO_DAYS = ["2026-02-30", "9999-12-31", "0001-01-01", "tomorrow", "2026-13-01", "99999-01-01"]


@pytest.fixture
def as_vendor(client: FlaskClient) -> FlaskClient:
    people.sign_in(client, people.make_vendor().admin)
    return client


@pytest.mark.parametrize("day", NO_DAYS)
@pytest.mark.parametrize(
    "address", ["/administration/reports?from=", "/administration/reports?to=", "/availability/timeline?on="]
)
def test_a_page_says_which_day_it_cannot_show(as_vendor: FlaskClient, address: str, day: str):
    answer = as_vendor.get(address + day)
    assert answer.status_code == 200
    assert f"{day} is not a day" in answer.text


@pytest.mark.parametrize("day", NO_DAYS)
def test_no_file_is_made_of_a_day_that_was_not_asked_for(as_vendor: FlaskClient, day: str):
    answer = as_vendor.get(f"/administration/reports/utilisation/export?to={day}")
    assert answer.status_code == 422
    assert f"{day} is not a day" in answer.text


@pytest.mark.parametrize("day", ["2026-11-20", "1971-01-01", "2190-12-31"])
def test_a_day_that_can_be_shown_is_shown(as_vendor: FlaskClient, day: str):
    for address in ("/administration/reports?from=", "/availability/timeline?on="):
        assert "is not a day" not in as_vendor.get(address + day).text


@pytest.mark.parametrize(
    "period", ["from=2025-01-01&to=2026-12-31", "from=2000-01-01", "from=2150-01-01&to=2000-01-01"]
)
def test_a_report_says_that_a_period_is_too_long_and_its_download_is_refused(as_vendor, period):
    page = as_vendor.get(f"/administration/reports?{period}")
    assert page.status_code == 200
    assert "A report covers at most 366 days." in page.get_data(as_text=True)
    for name in ("utilisation", "decisions", "rejections", "unmet"):
        answer = as_vendor.get(f"/administration/reports/{name}/export?{period}")
        assert answer.status_code == 422
        assert "A report covers at most 366 days." in answer.get_data(as_text=True)


@pytest.mark.parametrize("period", ["", "from=2024-01-01&to=2024-12-31", "to=2024-12-31"])
def test_a_report_of_a_year_or_less_is_shown_as_asked(as_vendor, period):
    assert "A report covers at most" not in as_vendor.get(f"/administration/reports?{period}").get_data(as_text=True)
    assert as_vendor.get(f"/administration/reports/decisions/export?{period}").status_code == 200
