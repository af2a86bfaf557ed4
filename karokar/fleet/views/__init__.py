"""Who sees which vehicle. Pages about vehicles ask other contexts as well, so they are in `karokar.pages`."""

from karokar.fleet.views import seen
from karokar.fleet.views.blueprint import bp

AREAS = (seen,)

__all__ = ["AREAS", "bp"]
