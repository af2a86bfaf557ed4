"""An application with a few pages of its own, on which the shared parts are tried."""

from dataclasses import replace
from uuid import UUID

import pytest
from flask import Flask, flash, redirect, render_template_string, request, url_for
from wtforms import IntegerField, StringField, validators

from karokar.app import create_app
from karokar.kernel import clock
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound, OrganizationNotActive, RuleBroken, StaleVersion, StateConflict
from karokar.kernel.permissions import PERMISSIONS, public, requires, signed_in
from karokar.web.forms.base import Form
from tests.servers.databases import SeparateClient

ORGANIZATION = UUID("01990000-0000-7000-8000-000000000001")
OTHER = UUID("01990000-0000-7000-8000-000000000002")
ASHA = UUID("01990000-0000-7000-8000-0000000000aa")


def asha(**changes) -> Actor:
    """A vendor's administrator in Pune."""
    base = Actor(
        user_id=ASHA,
        organization_id=ORGANIZATION,
        organization_type="VENDOR",
        organization_status="ACTIVE",
        organization_name="Sahyadri Rentals",
        name="Asha Rao",
        role="VENDOR_ADMIN",
        time_zone="Asia/Kolkata",
        permissions={code: declared.vendor for code, declared in PERMISSIONS.items() if declared.vendor},
    )
    return replace(base, **changes)


class NoteForm(Form):
    title = StringField("Title", [validators.DataRequired("Give it a title.")])
    seats = IntegerField("Seats", [validators.Optional()])


PAGE = """{% extends "base.html" %}{% import "_shared/forms.html" as forms %}{% block title %}Note{% endblock %}
{% block page %}{{ ui.header("Note") }}{% call forms.start(form, version=version) %}{{ forms.field(form.title, hint="Short.") }}
{{ forms.field(form.seats) }}{% endcall %}{% endblock %}"""


class Note:
    """Stands for an aggregate that somebody else changed."""

    label = "note"
    version = 4
    title = "Their title"
    seats = 5
    updated_at = clock.now()

    def saved_as(self, field: str) -> object:
        """What is saved under a field's name."""
        return getattr(self, field)


class Desk:
    """The application, who is at it, and what was done."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.actor: Actor | None = asha()
        self.done: list[str] = []

    def client(self):
        return self.app.test_client()

    def token(self, client, path="/note") -> dict[str, str]:
        """The hidden fields of a form, as the page has them."""
        html = client.get(path).text
        return {
            name: html.split(f'name="{name}" value="', 1)[1].split('"', 1)[0]
            for name in ("csrf_token", "acting_for", "form_key")
        }


@pytest.fixture
def desk(config, database_url):
    app = create_app(replace(config, database_url=database_url))
    made = Desk(app)
    _be(app, lambda: made.actor)
    _add_pages(made)
    app.test_client_class = SeparateClient
    with app.app_context():
        yield made
        db.session.remove()
        db.engine.dispose()


def _be(app: Flask, resolve) -> None:
    """Let the test say who is acting."""
    from karokar.web.requests import guard

    functions = app.before_request_funcs.setdefault(None, [])
    kept = [function for function in functions if function.__module__ != "karokar.web.requests.guard"]
    functions.clear()
    app.teardown_request_funcs[None] = [
        function
        for function in app.teardown_request_funcs.get(None, [])
        if function.__module__ != "karokar.web.requests.guard"
    ]
    guard.init_app(app, resolve)
    functions.extend(kept)


def _add_pages(desk: Desk) -> None:
    app = desk.app

    @app.route("/note", methods=["GET", "POST"])
    @signed_in
    def note():
        form = NoteForm()
        if form.is_sent():
            with form.refusals():
                if form.title.data == "forbidden word":
                    raise RuleBroken("WORD", "Choose another word.", fields={"title": "That word is taken."})
                if form.title.data == "no field":
                    raise RuleBroken("WHOLE", "It does not fit as a whole.")
                if request.form.get("version") == "3":
                    raise StaleVersion("note", expected=3, actual=4, entity=Note())
                desk.done.append(form.title.data)
                flash("Saved.", "success")
                return redirect(url_for("note"), 303)
        return render_template_string(PAGE, form=form, version=3 if request.args.get("old") else None), form.status

    @app.get("/fails/<kind>")
    @public
    def fails(kind):
        raise {
            "notfound": NotFound("booking"),
            "rule": RuleBroken("ENDS_BEFORE_START", "The end must come after the start."),
            "state": StateConflict("INVALID_BOOKING_TRANSITION", "A completed booking cannot be cancelled."),
            "inactive": OrganizationNotActive("SUSPENDED"),
            "defect": ZeroDivisionError("secret inside"),
        }[kind]

    @app.get("/platform-only")
    @requires("event.operate")
    def platform_only():
        return "never"

    app.view_functions["undeclared"] = lambda: "never"
    app.url_map.add(app.url_rule_class("/undeclared", endpoint="undeclared"))


__all__ = ["ASHA", "ORGANIZATION", "OTHER", "Scope", "asha"]
