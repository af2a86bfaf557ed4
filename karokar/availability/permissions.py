"""What may be done with conflicts in vehicles' calendars, and by whom."""

from karokar.kernel.actor import Scope
from karokar.kernel.permissions import define

CONFLICT_READ = define(
    "conflict.read",
    "See conflicts in vehicles' calendars",
    platform=Scope.ALL,
    vendor=Scope.OWN,
    corporate=Scope.PARTY,
)
CONFLICT_RESOLVE = define(
    "conflict.resolve",
    "Decide that a conflict may stay",
    vendor=Scope.OWN,
    corporate=Scope.PARTY,
)
