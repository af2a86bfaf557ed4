"""What may be done with assignments, and by whom: the rows of the permission matrix."""

from karokar.kernel.actor import Scope
from karokar.kernel.permissions import define

ASSIGNMENT_READ = define(
    "assignment.read", "See assignments", platform=Scope.ALL, corporate=Scope.OWN, employee=Scope.SELF
)
ASSIGNMENT_CREATE = define("assignment.create", "Assign the company's own vehicles", corporate=Scope.OWN)
ASSIGNMENT_CLOSE = define("assignment.close", "Close assignments", corporate=Scope.OWN, while_suspended=True)
ASSIGNMENT_START = define(
    "assignment.start", "Hand the company's own vehicles over", corporate=Scope.OWN, employee=Scope.SELF
)
ASSIGNMENT_COMPLETE = define(
    "assignment.complete", "Take the company's own vehicles back", corporate=Scope.OWN, employee=Scope.SELF
)
ASSIGNMENT_ACCEPT = define("assignment.accept", "Accept your assignments", corporate=Scope.SELF, employee=Scope.SELF)
ASSIGNMENT_REJECT = define("assignment.reject", "Decline your assignments", corporate=Scope.SELF, employee=Scope.SELF)
