"""Signing in and out, through the pages."""

import pytest
from flask.testing import FlaskClient

from karokar.web.limits import limiter
from tests.factories import people


@pytest.fixture(autouse=True)
def _nobody_tried_before(app):
    limiter.reset()


def token_of(page: str) -> str:
    return page.split('name="csrf_token" value="')[1].split('"', maxsplit=1)[0]


def sign_in(client: FlaskClient, email: str, password: str, **fields: str):
    page = client.get("/login").get_data(as_text=True)
    return client.post("/login", data={"email": email, "password": password, "csrf_token": token_of(page), **fields})


def test_a_member_signs_in_with_address_and_password(client):
    vendor = people.make_vendor()
    answer = sign_in(client, vendor.admin.email.upper(), people.PASSWORD)
    assert answer.status_code == 303
    assert client.get("/account/profile").status_code == 200


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(client):
    vendor = people.make_vendor()
    wrong = sign_in(client, vendor.admin.email, "not this one at all")
    unknown = sign_in(client, "nobody@example.com", "not this one at all")
    assert wrong.status_code == unknown.status_code == 422
    assert "do not belong together" in wrong.get_data(as_text=True)
    assert "do not belong together" in unknown.get_data(as_text=True)
    assert client.get("/account/profile").status_code == 303
