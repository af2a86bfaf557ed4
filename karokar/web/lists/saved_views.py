"""Saved views: the filters of a list under a name, one's own or shared with the organization."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from flask import current_app, g, request, url_for
from sqlalchemy import ColumnElement, Select, delete, func, or_, select

from karokar.kernel.actor import current_actor
from karokar.kernel.db import action, db
from karokar.kernel.errors import NotFound, RuleBroken
from karokar.kernel.ids import new_id
from karokar.kernel.text.normalization import normal, search_key
from karokar.web.models import DefaultView, SavedView

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
    is_default: bool


def _visible() -> ColumnElement[bool]:
    actor = current_actor()
    is_theirs = or_(SavedView.user_id == actor.user_id, SavedView.is_shared)
    return (SavedView.organization_id == actor.organization_id) & is_theirs


def list_here() -> Sequence[View]:
    """Return the views of the list that this request shows; asked for once in a request."""
    if current_actor().organization_id is None or request.endpoint is None or request.view_args:
        return []
    if "saved_views" not in g:
        statement = _with_defaults().where(SavedView.endpoint == request.endpoint).order_by(SavedView.name)
        found_here = [_shown(*row) for row in db.session.execute(statement.limit(MOST))]
        g.saved_views = sorted(found_here, key=lambda view: search_key(view.name))
    found: list[View] = g.saved_views
    return found


def default_address() -> str | None:
    """Return where the list that this request opens without any filter should open instead: the view that the person
    made the default. None for a list without one, and where everything was asked for (`?all=yes`).
    """
    if request.method != "GET" or request.args:
        return None
    return next((view.url for view in list_here() if view.is_default and view.url != request.path), None)


def everything() -> dict[str, str]:
    """Return what an address needs to show the list without filters: nothing, but where a view is the default."""
    return {"all": "yes"} if any(view.is_default for view in list_here()) else {}


def list_all() -> Sequence[View]:
    """Return every view that the acting person may use, by list and name."""
    statement = _with_defaults().order_by(SavedView.endpoint, SavedView.name)
    rows = db.session.execute(statement.limit(200)).all()
    listed = sorted(rows, key=lambda row: (row[0].endpoint, search_key(row[0].name)))
    return [_shown(*row) for row in listed if row[0].endpoint in current_app.view_functions]


def _with_defaults() -> Select[SavedView, UUID | None]:
    actor = current_actor()
    is_own = (DefaultView.organization_id == actor.organization_id) & (DefaultView.user_id == actor.user_id)
    return (
        select(SavedView, DefaultView.view_id)
        .outerjoin(DefaultView, (DefaultView.view_id == SavedView.id) & is_own)
        .where(_visible())
    )


def _shown(view: SavedView, default_id: UUID | None) -> View:
    here = {name: value for name, value in request.args.items() if name not in {"cursor", "all"} and value}
    query = dict(parse_qsl(view.query))
    return View(
        view.id,
        view.name,
        url_for(view.endpoint) + (f"?{view.query}" if view.query else ""),
        view.is_shared,
        view.user_id == current_actor().user_id,
        view.endpoint == request.endpoint and here == query,
        view.endpoint.split(".")[0].capitalize(),
        default_id is not None,
    )


@action
def save(endpoint: str, name: str, query: str, *, is_shared: bool) -> UUID:
    """Keep a view; one of the same name and list is replaced.

    Raises NotFound for a list that does not exist, RuleBroken without a name or with too many views.
    """
    actor = current_actor()
    rules = list(current_app.url_map.iter_rules(endpoint)) if endpoint in current_app.view_functions else []
    if not rules or rules[0].arguments:
        raise NotFound("list")
    name = _named(name)
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
def rename(view_id: UUID, name: str) -> None:
    """Give one's own view another name. Raises NotFound, RuleBroken without one or for one that another view has."""
    view = _own(view_id)
    name = _named(name)
    same = select(SavedView.id).where(
        SavedView.organization_id == view.organization_id,
        SavedView.user_id == view.user_id,
        SavedView.endpoint == view.endpoint,
        SavedView.name == name,
        SavedView.id != view.id,
    )
    if db.session.scalar(same) is not None:
        sentence = "Another of your views of this list has this name."
        raise RuleBroken("NAME_TAKEN", sentence, fields={"name": sentence})
    view.name = name


@action
def make_default(view_id: UUID, *, is_default: bool) -> None:
    """Let a list open with this view for the acting person, or no longer. Raises NotFound for one they do not see."""
    actor = current_actor()
    view = db.session.scalars(select(SavedView).where(SavedView.id == view_id, _visible())).one_or_none()
    if view is None:
        raise NotFound("saved view")
    key = (actor.organization_id, actor.user_id, view.endpoint)
    found = db.session.get(DefaultView, key, with_for_update=True)
    if is_default and found is None:
        db.session.add(DefaultView(organization_id=key[0], user_id=key[1], endpoint=view.endpoint, view_id=view.id))
    elif is_default and found is not None:
        found.view_id = view.id
    elif found is not None and found.view_id == view.id:
        db.session.delete(found)


@action
def share(view_id: UUID, *, is_shared: bool) -> None:
    """Share one's own view, or take it back, also from those who made it their default. Raises NotFound."""
    view = _own(view_id)
    view.is_shared = is_shared
    if not is_shared:
        others = (DefaultView.view_id == view.id) & (DefaultView.user_id != view.user_id)
        db.session.execute(delete(DefaultView).where(others))


@action
def remove(view_id: UUID) -> None:
    """Remove one's own view. Raises NotFound."""
    db.session.delete(_own(view_id))


def _named(name: str) -> str:
    name = " ".join(normal(name).split())[:80]
    if not name:
        raise RuleBroken(
            "NAME_MISSING", "Give the view a name, then save it again.", fields={"name": "Give it a name."}
        )
    return name


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
