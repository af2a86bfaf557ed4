"""Addresses of things and of the page one is on."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import current_app, g, request, url_for
from markupsafe import Markup
from sqlalchemy import union

from karokar.kernel.actor import Scope, current_actor
from karokar.kernel.db import db
from karokar.kernel.permissions import scope_of
from karokar.kernel.ports import ports
from karokar.kernel.text.normalization import bdi, names_apart
from karokar.web.lists import saved_views

LONGEST_PLATE = 20
_GROUP = r"[^\W_a-zß-öø-ÿ]+"
_PLATE = re.compile(rf"(?<= · )({_GROUP}(?:[ -]{_GROUP})*\b)")
"""A plate in a sentence: groups of capital letters and digits after the vehicle's name."""


def entity_url(type_: str, id_: UUID | str) -> str | None:
    """Return the address of a thing's page, None where its kind has no page or the acting person may not open it.

    Whether they may open this one of its kind is known for organizations, and for what `look_up` was asked about.
    """
    kind = _kind_of(type_)
    if (kind == "organization" and not _reads_organization(id_)) or str(id_) in g.get("closed", ()):
        return None
    endpoint = ports().page_of.get(kind)
    if endpoint is None or not _opens(endpoint):
        return None
    for rule in current_app.url_map.iter_rules(endpoint):
        if len(rule.arguments) == 1:
            values: dict[str, Any] = {next(iter(rule.arguments)): id_}
            return url_for(endpoint, **values)
    return None


def look_up(things: Iterable[tuple[str, UUID]]) -> None:
    """Find out, with one question for all of them, which of these (type, id) the acting person may open: on this page
    `entity_url` then leads to those alone. For whatever names things that the reader need not be able to open.
    """
    wanted: dict[str, set[UUID]] = {}
    for type_, id_ in things:
        wanted.setdefault(_kind_of(type_), set()).add(id_)
    openable = (console.openable for console in ports().consoles if console.openable is not None)
    known = {kind: statement for answer in openable for kind, statement in answer().items()}
    asked = [kind for kind in wanted if kind in known and _opens(ports().page_of[kind])]
    if not asked:
        return
    parts = [known[kind].where(known[kind].selected_columns[0].in_(wanted[kind])) for kind in asked]
    found = set(db.session.scalars(union(*parts)))
    g.closed = g.get("closed", frozenset()) | {str(id_) for kind in asked for id_ in wanted[kind] - found}


def _kind_of(type_: str) -> str:
    kind = type_.replace("_", "").lower()
    return {"person": "user", "conflict": "availabilityconflict"}.get(kind, kind)


def _reads_organization(id_: UUID | str) -> bool:
    """Another tenant is known by its name alone; its page is for its own people and for the platform."""
    return scope_of("organization.read") is Scope.ALL or str(id_) == str(current_actor().organization_id)


def _opens(endpoint: str) -> bool:
    access = getattr(current_app.view_functions.get(endpoint), "__access__", None)
    return access in {"public", "signed_in"} or (access is not None and scope_of(access) is not None)


def unbroken(label: Any) -> Any:
    """Return what a thing is called with its last part kept on one line: the plate of "Make Model · KA 01 MJ 4471".

    What is longer than a plate, or no plain text, stays as it is.
    """
    if not isinstance(label, str) or isinstance(label, Markup):
        return label
    name, dot, last = label.rpartition(" · ")
    if not dot or len(last) > LONGEST_PLATE:
        return label
    return Markup('{}{}<span class="kk-nowrap">{}</span>').format(bdi(name), dot, bdi(last))


def plates_whole(sentence: Any) -> Any:
    """Return a sentence that names vehicles ("Make Model · KA 01 MJ 4471 is …") with each plate kept on one line."""
    if not isinstance(sentence, str) or isinstance(sentence, Markup):
        return sentence
    return Markup("").join(
        Markup('<span class="kk-nowrap">{}</span>').format(bdi(part)) if number % 2 else names_apart(part)
        for number, part in enumerate(_PLATE.split(sentence))
    )


def short_id(id_: UUID | str) -> str:
    """Return the last part of an id: enough to tell two apart on a page."""
    return str(id_)[-8:]


def stand_for(endpoint: str, *own: str) -> None:
    """Let links of a part that this request answers lead to the page that the part is on; `own` are the part's own
    parameters.
    """
    g.stands_for = (endpoint, own)


def page_endpoint() -> str:
    """Return the endpoint of the page one is on."""
    stands_for: tuple[str, tuple[str, ...]] = g.get("stands_for") or (request.endpoint or "web.home", ())
    return stands_for[0]


def page_path() -> str:
    """Return the address of the page one is on without its ?parameters: a list with everything in it."""
    if not request.endpoint:
        return request.path
    path = url_for(page_endpoint(), **(request.view_args or {}))
    everything = {} if request.view_args else saved_views.everything()
    return f"{path}?{urlencode(everything)}" if everything else path


def page_url(_endpoint: str = "", **changes: object) -> str:
    """Return the address of the page one is on with some of its ?parameters changed; None takes one away."""
    own: tuple[str, ...] = (g.get("stands_for") or ("", ()))[1]
    values: dict[str, Any] = {}
    for name in request.args:
        found = request.args.getlist(name)
        if name not in own:
            values[name] = found if len(found) > 1 else found[0]
    for name, value in changes.items():
        if value is None or value == "":
            values.pop(name, None)
        else:
            values[name] = value
    address = _address(_endpoint or page_endpoint(), values)
    # Whatever somebody wrote into the address stays a parameter: url_for would take some names as its own.
    values = {name: value for name, value in values.items() if value != ""}
    if not values and not _endpoint and not request.view_args:
        values = saved_views.everything()
    query = urlencode(values, doseq=True)
    return f"{address}?{query}" if query else address


def _address(endpoint: str, values: dict[str, Any]) -> str:
    """Return the page's path; what it needs comes from the page one is on, else from the parameters."""
    wanted = {name for rule in current_app.url_map.iter_rules(endpoint) for name in rule.arguments}
    here = request.view_args or {}
    return url_for(endpoint, **{name: here[name] if name in here else values.pop(name, None) for name in wanted})
