"""The permission matrix in code is the one that the domain prescribes."""

from karokar.config import PROJECT
from karokar.kernel.actor import Scope
from karokar.kernel.permissions import PERMISSIONS

A, W, P, M, S, N = Scope.ALL, Scope.OWN, Scope.PARTY, Scope.MARKET, Scope.SELF, None

# permission: platform administrator, vendor administrator, corporate administrator, employee
MATRIX = {
    "organization.read": (A, W, W, W),
    "organization.apply_again": (N, W, W, N),
    "organization.update": (N, W, W, N),
    "organization.approve": (A, N, N, N),
    "employee.manage": (A, W, W, N),
    "role.manage": (A, W, W, N),
    "verification.request": (N, W, W, S),
    "verification.read": (A, W, W, S),
    "verification.review": (A, N, N, N),
    "vehicle.read": (A, W, M, S),
    "vehicle.create": (N, W, W, N),
    "vehicle.update": (N, W, W, N),
    "vehicle.retire": (N, W, W, N),
    "vehicle.suspend": (A, W, W, N),
    "vehicle.activate": (A, W, W, N),
    "maintenance.schedule": (N, W, W, N),
    "maintenance.start": (N, W, W, N),
    "maintenance.complete": (N, W, W, N),
    "booking.read": (A, P, P, S),
    "booking.create": (N, N, W, N),
    "booking.edit": (N, N, W, N),
    "booking.discard": (N, N, W, N),
    "booking.submit": (N, N, W, N),
    "booking.approve": (N, W, N, N),
    "booking.reject": (N, W, N, N),
    "booking.assign": (N, N, W, N),
    "booking.activate": (N, W, W, N),
    "booking.complete": (N, W, W, N),
    "booking.cancel": (N, W, W, N),
    "booking.terminate": (A, W, W, N),
    "assignment.create": (N, N, W, N),
    "assignment.close": (N, N, W, N),
    "assignment.start": (N, N, W, S),
    "assignment.complete": (N, N, W, S),
    "assignment.read": (A, N, W, S),
    "assignment.accept": (N, N, S, S),
    "assignment.reject": (N, N, S, S),
    "conflict.read": (A, W, P, N),
    "conflict.resolve": (N, W, P, N),
    "audit.read": (A, W, W, N),
    "audit.export": (A, W, W, N),
    "report.read": (A, W, W, N),
    "setting.manage": (A, W, W, N),
    "mail.read": (A, W, W, S),
    "event.read": (A, W, W, N),
    "event.operate": (A, N, N, N),
    "notification.read": (S, S, S, S),
}
ROLES = ("PLATFORM_ADMIN", "VENDOR_ADMIN", "CORPORATE_ADMIN", "EMPLOYEE")


def test_the_matrix_in_code_is_the_matrix_of_the_domain(app):
    in_code = {code: tuple(permission.scope_for(role) for role in ROLES) for code, permission in PERMISSIONS.items()}
    assert in_code == MATRIX


def test_the_matrix_in_the_documents_is_the_matrix_in_code(app):
    printed = app.test_cli_runner().invoke(args=["identity", "permissions"]).output
    text = (PROJECT / "docs" / "access.md").read_text(encoding="utf-8")
    assert len(printed.splitlines()) == len(PERMISSIONS) + 2
    assert printed in text, "Print it with flask identity permissions, and put it into docs/access.md."


def test_every_system_role_is_seeded_by_the_migration(app):
    from sqlalchemy import select

    from karokar.identity.models import Role
    from karokar.kernel.db import db

    rows = db.session.scalars(select(Role))
    assert {row.code: row.organization_type for row in rows if row.is_system_role} == {
        "PLATFORM_ADMIN": "PLATFORM",
        "VENDOR_ADMIN": "VENDOR",
        "CORPORATE_ADMIN": "CORPORATE",
        "EMPLOYEE": "CORPORATE",
    }
