"""The world in which bookings are made, and people who are signed in to it."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.factories import booking as make
from tests.factories.booking import World


@pytest.fixture
def world(app: Flask) -> World:
    return make.make_world()


@pytest.fixture
def as_vendor(client: FlaskClient, world: World) -> FlaskClient:
    make.sign_in(client, world.vendor_admin)
    return client


@pytest.fixture
def as_company(client: FlaskClient, world: World) -> FlaskClient:
    make.sign_in(client, world.company_admin)
    return client


@pytest.fixture
def as_employee(client: FlaskClient, world: World) -> FlaskClient:
    make.sign_in(client, world.employee)
    return client
