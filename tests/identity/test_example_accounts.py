"""Everybody knows the password of the example accounts, so they open nothing once the demo is off."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask

from karokar.identity import actions, queries
from karokar.identity.resolver import actor_of_member
from karokar.identity.rules.examples import making_examples
from tests.factories import people
from tests.factories.browsing import send


@pytest.fixture
def company(app: Flask) -> people.Company:
    with making_examples():
        return people.make_corporate()


@contextmanager
def demo(app: Flask, monkeypatch: pytest.MonkeyPatch, *, is_on: bool = True) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setitem(app.config, "KAROKAR", dataclasses.replace(app.config["KAROKAR"], demo=is_on))
        yield


def sign_in(client, company: people.Company):
    return send(client, "/login", "/login", email=company.admin.email, password=people.PASSWORD)


def test_an_example_account_signs_in_while_the_demo_is_on_and_not_afterwards(app, client, company, monkeypatch):
    with demo(app, monkeypatch):
        assert sign_in(client, company).status_code == 303
        assert client.get("/account/profile").status_code == 200
    assert client.get("/account/profile").status_code == 303
    refused = sign_in(app.test_client(), company)
    assert refused.status_code == 422
    assert "belongs to the example data" in refused.text


def test_a_token_of_an_example_account_opens_nothing_once_the_demo_is_off(app, client, company, monkeypatch):
    with demo(app, monkeypatch):
        with people.acting(company.admin):
            token = actions.create_token(name="Everything", permissions=["organization.read"], days=30)
        assert queries.acting_by_token(token.secret) is not None
    assert queries.acting_by_token(token.secret) is None
    assert client.get("/v1/events", headers={"Authorization": f"Bearer {token.secret}"}).status_code == 401


def test_work_that_an_example_account_began_does_not_go_on_once_the_demo_is_off(app, company, monkeypatch):
    with demo(app, monkeypatch):
        assert actor_of_member(company.admin.user_id, company.id) is not None
    assert actor_of_member(company.admin.user_id, company.id) is None


def test_accounts_that_people_made_themselves_are_none_of_the_examples(app, client):
    assert sign_in(client, people.make_corporate()).status_code == 303


def test_readyz_says_that_there_are_example_accounts(app, client, company, monkeypatch):
    assert "cannot sign in while the demo is off" in client.get("/readyz").json["checks"]["demo"]
    with demo(app, monkeypatch):
        assert "The demo is on" in client.get("/readyz").json["checks"]["demo"]


def test_readyz_says_nothing_about_examples_where_there_are_none(client):
    assert "demo" not in client.get("/readyz").json["checks"]


def test_every_account_of_the_example_data_is_marked(app):
    from karokar.demo.story import Story
    from karokar.identity.models import User
    from karokar.kernel.db import db

    with making_examples():
        Story(app.config["KAROKAR"])._platform()
    assert db.session.query(User.is_example).all() == [(True,)]
