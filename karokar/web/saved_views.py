"""Saved views: the filters of a list under a name, one's own or shared with the organization."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from flask import current_app, request, url_for
from sqlalchemy import ColumnElement, func, or_, select

from karokar.kernel.actor import current_actor
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken
from karokar.kernel.ids import new_id
from karokar.web.models import SavedView

MOST = 50


@dataclass(frozen=True)
class View:
    """A saved view as a page shows it."""

    id: UUID
    name: str
    url: str
    is_shared: bool
    is_own: bool
    is_current: bool
    list_name: str


def _visible() -> ColumnElement[bool]:
    actor = current_actor()
    is_theirs = or_(SavedView.user_id == actor.user_id, SavedView.is_shared)
    return (SavedView.organization_id == actor.organization_id) & is_theirs


def list_here() -> Sequence[View]:
    """Return the views of the list that this request shows."""
    if current_actor().organization_id is None or request.endpoint is None:
        return []
    statement = select(SavedView).where(_visible(), SavedView.endpoint == request.endpoint).order_by(SavedView.name)
    return [_shown(view) for view in db.session.scalars(statement.limit(MOST))]


def list_all() -> Sequence[View]:
    """Return every view that the acting person may use, by list and name."""
    statement = select(SavedView).where(_visible()).order_by(SavedView.endpoint, SavedView.name)
    views = db.session.scalars(statement.limit(200)).all()
    return [_shown(view) for view in views if view.endpoint in current_app.view_functions]


def _shown(view: SavedView) -> View:
    here = urlencode(sorted((name, value) for name, value in request.args.items() if name != "cursor" and value))
    query = dict(parse_qsl(view.query))
    return View(
        view.id,
        view.name,
        url_for(view.endpoint) + (f"?{view.query}" if view.query else ""),
        view.is_shared,
        view.user_id == current_actor().user_id,
        view.endpoint == request.endpoint and here == urlencode(sorted(query.items())),
        view.endpoint.split(".")[0].capitalize(),
    )


@action
def save(endpoint: str, name: str, query: str, *, is_shared: bool) -> UUID:
    """Keep a view; one of the same name and list is replaced.

    Raises NotFound for a list that does not exist, RuleBroken without a name or with too many views.
    """
    actor = current_actor()
    name = " ".join(name.split())[:80]
    rules = list(current_app.url_map.iter_rules(endpoint)) if endpoint in current_app.view_functions else []
    if not rules or rules[0].arguments:
        raise NotFound("list")
    if not name:
        raise RuleBroken(
            "NAME_MISSING", "Give the view a name, then save it again.", fields={"name": "Give it a name."}
        )
    own = (SavedView.organization_id == actor.organization_id) & (SavedView.user_id == actor.user_id)
    view = db.session.scalars(
        select(SavedView).where(own, SavedView.endpoint == endpoint, SavedView.name == name)
    ).one_or_none()
    if view is None:
        if (db.session.scalar(select(func.count()).select_from(SavedView).where(own)) or 0) >= MOST:
            raise RuleBroken(
                "TOO_MANY_VIEWS", f"You have {MOST} saved views. Remove one that you no longer need first."
            )
        view = SavedView(
            id=new_id(), organization_id=actor.organization_id, user_id=actor.user_id, endpoint=endpoint, name=name
        )
        db.session.add(view)
    view.query = urlencode(parse_qsl(query))[:2000]
    view.is_shared = is_shared
    return view.id


@action
def share(view_id: UUID, *, is_shared: bool) -> None:
    """Share one's own view, or take it back. Raises NotFound."""
    _own(view_id).is_shared = is_shared


@action
def remove(view_id: UUID) -> None:
    """Remove one's own view. Raises NotFound."""
    db.session.delete(_own(view_id))


def _own(view_id: UUID) -> SavedView:
    actor = current_actor()
    statement = select(SavedView).where(
        SavedView.id == view_id,
        SavedView.user_id == actor.user_id,
        SavedView.organization_id == actor.organization_id,
    )
    view = db.session.scalars(statement).one_or_none()
    if view is None:
        raise NotFound("saved view")
    return view
