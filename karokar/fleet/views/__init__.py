"""Who sees which vehicle. Pages about vehicles ask other contexts as well, so they are in `karokar.pages`."""

from karokar.fleet.views import visibility
from karokar.fleet.views.blueprint import bp

AREAS = (visibility,)

__all__ = ["AREAS", "bp"]
