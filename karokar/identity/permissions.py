"""What identity lets people do."""

from karokar.kernel.actor import Scope
from karokar.kernel.permissions import define

EMPLOYEE_MANAGE = define(
    "employee.manage",
    "Invite people, change their roles, suspend and remove them",
    platform=Scope.ALL,
    vendor=Scope.OWN,
    corporate=Scope.OWN,
)
ROLE_MANAGE = define(
    "role.manage",
    "Compose roles",
    platform=Scope.ALL,
    vendor=Scope.OWN,
    corporate=Scope.OWN,
)
