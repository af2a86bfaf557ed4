"""People who look at events: an operator of the platform, a vendor and a company with their own, and planted handlers."""

import dataclasses
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from karokar.outbox.delivery import subscriptions
from karokar.outbox.delivery.drain import drain
from tests.factories import people
from tests.factories.handlers import Planted, only


@pytest.fixture
def keeper() -> Planted:
    """A handler of everything about bookings."""
    return Planted("planted.keeper", "Booking*")


@pytest.fixture
def planted(any_app: Flask, keeper: Planted, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The application with this handler alone; nothing is retried by itself within a test."""
    patient = dataclasses.replace(any_app.config["KAROKAR"], event_bus_retry_base_ms=600_000)
    monkeypatch.setitem(any_app.config, "KAROKAR", patient)
    with only(keeper):
        subscriptions.sync()
        yield any_app


@pytest.fixture
def operator(planted: Flask) -> people.Somebody:
    """Somebody of the platform."""
    return people.platform_admin()


@pytest.fixture
def desk(planted: Flask, operator: people.Somebody) -> FlaskClient:
    """The operator's browser."""
    drain()
    client = planted.test_client()
    people.sign_in(client, operator)
    return client
