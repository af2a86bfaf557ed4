"""Every route × every role × own and another tenant's: what opens is what the permission matrix says."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.routing import Rule

from karokar.kernel.actor import Scope
from karokar.kernel.db import db
from karokar.kernel.ids import new_id
from karokar.outbox.models import EventRow
from tests.access.test_matrix import MATRIX, ROLES
from tests.access.world import PLAIN, Side, make_side
from tests.factories import people
from tests.factories.people import Somebody

JSON = {"Accept": "application/json"}
SECRET = base64.urlsafe_b64encode(b"s" * 24).decode()
TOKEN = base64.urlsafe_b64encode(b"\0" * 24 + b"s" * 24).decode()
SIGNS_OUT = {"identity.logout"}
NEEDS_ANOTHER_STATE = {"booking.edit"}
"""Pages that exist only for a thing in a state in which the example is not: a draft."""


@dataclass
class Viewer:
    """Somebody who opens routes: nobody, or a person with a system role; what is theirs, and what is another's."""

    name: str
    somebody: Somebody | None
    own: dict[str, UUID]
    foreign: dict[str, UUID]

    def holds(self, permission: str) -> Scope | None:
        if self.somebody is None:
            return None
        return MATRIX[permission][ROLES.index(self.somebody.role)]


@pytest.fixture
def viewers(app: Flask) -> list[Viewer]:
    admin = people.platform_admin()
    own, other = make_side(admin), make_side(admin)
    return [
        Viewer("nobody", None, {}, {}),
        Viewer("platform", admin, _of_platform(own, admin), {}),
        Viewer("vendor", own.vendor.admin, own.of_vendor, other.of_vendor),
        Viewer("corporate", own.corporate.admin, own.of_corporate, other.of_corporate),
        Viewer("employee", own.employee, {}, {**other.of_corporate, "booking_id": own.of_corporate["booking_id"]}),
    ]


def _of_platform(side: Side, admin: Somebody) -> dict[str, UUID]:
    from karokar.identity import queries as identity

    role = next(role for role in identity.list_roles_to_give(admin.organization_id, "PLATFORM") if role.is_system_role)
    return {**side.of_vendor, "role_id": role.id, "session_id": new_id(), "token_id": new_id()}


def routes(app: Flask) -> Iterator[tuple[Rule, str]]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule, method


def path_of(app: Flask, rule: Rule, values: dict[str, UUID]) -> tuple[str, list[str]]:
    """The route's address with these ids, and the ids for which there is no example."""
    missing = [name for name in rule.arguments if name not in values and name not in PLAIN]
    filled = {name: PLAIN.get(name) or values.get(name) or new_id() for name in rule.arguments}
    with app.test_request_context():
        return rule.build(filled, append_unknown=False)[1], missing  # type: ignore[index]


def browser_of(app: Flask, viewer: Viewer) -> FlaskClient:
    client = app.test_client()
    if viewer.somebody is not None:
        people.sign_in(client, viewer.somebody)
    with client.session_transaction() as session:
        session["csrf"] = SECRET
    return client


def opened(client: FlaskClient, path: str, method: str, **given) -> tuple[int, str]:
    """The answer's status and the code of a refusal; a defect of a page is status 500, so that all are told at once."""
    try:
        with client.open(path, method=method, headers=JSON, **given) as response:
            return response.status_code, code_of(response)
    except Exception as error:
        return 500, f"{type(error).__name__}: {error}"[:160]


def code_of(response) -> str:
    return (response.get_json(silent=True) or {}).get("code", "") if response.is_json else ""


def view_of(app: Flask, rule: Rule):
    return app.view_functions[rule.endpoint]


def test_every_route_opens_for_whom_the_matrix_says_and_for_nobody_else(app, viewers):
    wrong, count = [], 0
    for viewer in viewers:
        client = browser_of(app, viewer)
        for rule, method in routes(app):
            view = view_of(app, rule)
            access = getattr(view, "__access__", None)
            if access is None:
                wrong.append(f"{rule.endpoint} declares no access")
                continue
            # A form without its token is refused after the permission was looked at, and before anything is done.
            status, found = opened(client, path_of(app, rule, viewer.own)[0], method)
            count += 1
            if access == "public":
                is_right = status != 401 and found != "PERMISSION_MISSING"
            elif viewer.somebody is None:
                is_right = status == 401
            elif access == "signed_in":
                is_right = status != 401 and found != "PERMISSION_MISSING"
            else:
                scope = viewer.holds(access)
                may_open = scope is Scope.ALL if getattr(view, "__everywhere__", False) else scope is not None
                is_right = (found != "PERMISSION_MISSING" and status != 401) == may_open
            if not is_right or status >= 500:
                wrong.append(f"{viewer.name}: {method} {rule.endpoint} ({access}) → {status} {found}")
    assert not wrong, "\n".join(wrong)
    print(f"{count} route openings over {len(list(routes(app)))} routes")


def test_one_s_own_things_are_found(app, viewers):
    wrong, examples = [], set()
    for viewer in viewers[1:4]:
        client = browser_of(app, viewer)
        for rule, method in routes(app):
            view = view_of(app, rule)
            access = getattr(view, "__access__", "")
            path, missing = path_of(app, rule, viewer.own)
            is_plain = set(rule.arguments) & set(PLAIN)
            if method != "GET" or missing or is_plain or access not in MATRIX or viewer.holds(access) is None:
                continue
            is_for_platform = getattr(view, "__everywhere__", False) and viewer.holds(access) is not Scope.ALL
            if is_for_platform or rule.endpoint in NEEDS_ANOTHER_STATE:
                continue
            status, found = opened(client, path, "GET")
            if status in {401, 403, 404} or status >= 500:
                wrong.append(f"{viewer.name}: {rule.endpoint} → {status} {found}")
            examples.add(rule.endpoint)
    assert not wrong, "\n".join(wrong)
    print(f"{len(examples)} pages opened")


def test_what_another_tenant_owns_does_not_exist_and_is_not_changed(app, viewers):
    wrong, count = [], 0
    for viewer in viewers[2:]:
        client = browser_of(app, viewer)
        before = db.session.scalar(select(func.count()).select_from(EventRow))
        for rule, method in routes(app):
            named = set(rule.arguments) & set(viewer.foreign)
            if not named or rule.endpoint in SIGNS_OUT:
                continue
            path, _missing = path_of(app, rule, viewer.foreign)
            data = {"csrf_token": TOKEN, "acting_for": str(viewer.somebody.organization_id)}
            status, found = opened(client, path, method, data=data if method != "GET" else None)
            count += 1
            # A form whose fields are empty may be refused before it is asked whose thing it is about.
            if status not in ({403, 404} if method == "GET" else {403, 404, 422}):
                wrong.append(f"{viewer.name}: {method} {rule.endpoint} → {status} {found}")
        db.session.rollback()
        after = db.session.scalar(select(func.count()).select_from(EventRow))
        if before != after:
            wrong.append(f"{viewer.name}: {after - before} events were told")
    assert not wrong, "\n".join(wrong)
    print(f"{count} openings of another tenant's things")
