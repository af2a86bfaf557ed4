"""Who may do what, and to which rows: asked in one place.

A permission is `resource.action`, declared by the context that owns the resource, with the scope in which each system
role holds it. A view declares what it needs (`@requires`, `@signed_in`, `@public`); an action loads its aggregate
through `load`, a query filters by `permitted`. What a scope means for a class is that class's `within`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, select, true

from karokar.kernel.actor import Actor, Scope, current_actor
from karokar.kernel.db import Aggregate, Base, db
from karokar.kernel.errors import NotFound, OrganizationNotActive, PermissionDenied

A = TypeVar("A", bound=Aggregate)
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Permission:
    """What may be done (`code`, and `description` as "Approve booking requests"), and who holds it how far.

    `while_suspended` and `while_pending` say in which states of the acting organization, besides ACTIVE, it holds
    (pending covers rejected).
    """

    code: str
    description: str
    platform: Scope | None = None
    vendor: Scope | None = None
    corporate: Scope | None = None
    employee: Scope | None = None
    while_suspended: bool = False
    while_pending: bool = False

    def scope_for(self, role: str) -> Scope | None:
        """Return the scope in which a system role holds this; None where it does not."""
        scopes = {
            "PLATFORM_ADMIN": self.platform,
            "VENDOR_ADMIN": self.vendor,
            "CORPORATE_ADMIN": self.corporate,
            "EMPLOYEE": self.employee,
        }
        return scopes[role]


PERMISSIONS: dict[str, Permission] = {}
"""Every permission by its code, filled by the contexts' `permissions` modules."""


def define(
    code: str,
    description: str,
    *,
    platform: Scope | None = None,
    vendor: Scope | None = None,
    corporate: Scope | None = None,
    employee: Scope | None = None,
    while_suspended: bool | None = None,
    while_pending: bool | None = None,
) -> str:
    """Declare one row of the permission matrix and return its code. Raises ValueError for a code used twice.

    Reading and exporting are allowed in every state of the acting organization unless said otherwise.
    """
    if code in PERMISSIONS:
        message = f"The permission {code} is declared twice."
        raise ValueError(message)
    reads = code.rsplit(".", 1)[-1] in {"read", "export"}
    PERMISSIONS[code] = Permission(
        code=code,
        description=description,
        platform=platform,
        vendor=vendor,
        corporate=corporate,
        employee=employee,
        while_suspended=reads if while_suspended is None else while_suspended,
        while_pending=reads if while_pending is None else while_pending,
    )
    return code


def matrix_page() -> str:
    """Return the permission matrix as a Markdown table: a line per permission, a column per system role."""
    rows = ["| Permission | What it allows | Platform | Vendor | Company | Employee |", "|---|---|---|---|---|---|"]
    for code, row in sorted(PERMISSIONS.items()):
        scopes = (row.platform, row.vendor, row.corporate, row.employee)
        cells = " | ".join(scope.value if scope else "–" for scope in scopes)
        rows.append(f"| `{code}` | {row.description} | {cells} |")
    return "\n".join(rows) + "\n"


def scope_of(permission: str, actor: Actor | None = None) -> Scope | None:
    """Return how far the actor holds the permission, by role alone; None where not. The system holds all."""
    actor = actor or current_actor()
    return Scope.ALL if actor.is_system else actor.permissions.get(permission)


def reaches_others(permission: str, actor: Actor | None = None) -> bool:
    """Whether the actor holds the permission for more than their own things: what a page about something else needs
    before it tells of them.
    """
    return scope_of(permission, actor) not in {None, Scope.SELF}


def may(permission: str, actor: Actor | None = None) -> bool:
    """Whether the actor holds the permission here and the organization's status lets it be used."""
    actor = actor or current_actor()
    return scope_of(permission, actor) is not None and _status_allows(permission, actor)


def check(permission: str, actor: Actor | None = None, *, reading: bool = False) -> Scope:
    """Return the scope in which the actor holds the permission.

    Raises PermissionDenied where the role does not hold it, OrganizationNotActive where the organization's status
    does not allow it now (which does not matter for only `reading`).
    """
    actor = actor or current_actor()
    scope = scope_of(permission, actor)
    if scope is None:
        raise PermissionDenied(permission, PERMISSIONS[permission].description)
    if not reading and not _status_allows(permission, actor):
        raise OrganizationNotActive(actor.organization_status or "not active")
    return scope


def _status_allows(permission: str, actor: Actor) -> bool:
    if actor.is_system or actor.organization_status in {None, "ACTIVE"}:
        return True
    declared = PERMISSIONS[permission]
    return declared.while_suspended if actor.organization_status == "SUSPENDED" else declared.while_pending


def within(class_: type[Base], scope: Scope, actor: Actor) -> ColumnElement[bool]:
    """Return the condition that keeps a class's rows to a scope.

    A class with a static method `within(scope, actor)` decides itself. By default OWN and PARTY look at
    `organization_id`, or at `vendor_organization_id` and `corporate_organization_id` by the acting organization's type
    (PARTY: either), and SELF at `employee_id`, `user_id` or `recipient_id`. What no rule covers is nobody's.
    """
    if scope is Scope.ALL:
        return true()
    own_rule = getattr(class_, "within", None)
    if own_rule is not None:
        condition: ColumnElement[bool] = own_rule(scope, actor)
        return condition
    if scope is Scope.SELF:
        columns = [
            getattr(class_, name) for name in ("employee_id", "user_id", "recipient_id") if hasattr(class_, name)
        ]
        return columns[0] == actor.user_id if columns and actor.user_id else false()
    if actor.organization_id is None:
        return false()
    sides = {"VENDOR": "vendor_organization_id", "CORPORATE": "corporate_organization_id"}
    if hasattr(class_, "organization_id"):
        owner: ColumnElement[bool] = class_.organization_id == actor.organization_id
        return owner
    if scope is Scope.PARTY:
        found = [getattr(class_, name) == actor.organization_id for name in sides.values() if hasattr(class_, name)]
        return or_(*found) if found else false()
    name = sides.get(actor.organization_type or "", "")
    return getattr(class_, name) == actor.organization_id if name and hasattr(class_, name) else false()


def permitted(class_: type[Base], permission: str, actor: Actor | None = None) -> ColumnElement[bool]:
    """Return the condition that keeps rows to those on which the actor may use the permission (none: no row)."""
    actor = actor or current_actor()
    scope = scope_of(permission, actor)
    return false() if scope is None else within(class_, scope, actor)


def load(class_: type[A], entity_id: UUID, permission: str, *, version: int | None = None, lock: bool = False) -> A:
    """Return the aggregate on which the actor may use the permission, fresh from the database.

    `lock` also locks the row until the transaction ends. Raises PermissionDenied, OrganizationNotActive, NotFound
    (unknown, or another tenant's), and StaleVersion where `version` is not the current one.
    """
    check(permission)
    statement = select(class_).where(class_.id == entity_id, permitted(class_, permission))
    statement = statement.execution_options(populate_existing=True)
    if lock:
        statement = statement.with_for_update()
    found = db.session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound(class_.label)
    found.expect(version)
    return found


def requires(permission: str, *, reading: bool = False, everywhere: bool = False) -> Callable[[F], F]:
    """Declare that a view needs this permission. Checked before the view runs, for every route.

    `reading`: the page only shows, so that it opens whatever the status of the acting organization. `everywhere`: the
    permission must reach every organization.
    """

    def declare(view: F) -> F:
        view.__access__ = permission  # type: ignore[attr-defined]
        view.__reading__ = reading  # type: ignore[attr-defined]
        view.__everywhere__ = everywhere  # type: ignore[attr-defined]
        return view

    return declare


def check_view(view: Callable[..., Any]) -> None:
    """Raise what `check` raises where the actor may not open a view that declares a permission."""
    permission: str = view.__access__  # type: ignore[attr-defined]
    scope = check(permission, reading=getattr(view, "__reading__", False))
    if getattr(view, "__everywhere__", False) and scope is not Scope.ALL:
        raise PermissionDenied(permission, f"{PERMISSIONS[permission].description} in other organizations")


def signed_in(view: F) -> F:
    """Declare that a view is for every signed-in person."""
    view.__access__ = "signed_in"  # type: ignore[attr-defined]
    return view


def without_second_factor(view: F) -> F:
    """Declare that a view opens for somebody whose rights wait for a second factor: it leads to one, or away."""
    view.__without_second_factor__ = True  # type: ignore[attr-defined]
    return view


def public(view: F) -> F:
    """Declare that a view is for everybody, signed in or not."""
    view.__access__ = "public"  # type: ignore[attr-defined]
    return view
