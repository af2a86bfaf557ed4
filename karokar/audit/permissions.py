"""Who may search the audit log, and take it away."""

from karokar.kernel.actor import Scope
from karokar.kernel.permissions import define

AUDIT_READ = define("audit.read", "Search the audit log", platform=Scope.ALL, vendor=Scope.OWN, corporate=Scope.OWN)
AUDIT_EXPORT = define(
    "audit.export", "Download the audit log", platform=Scope.ALL, vendor=Scope.OWN, corporate=Scope.OWN
)
