"""The fleet's pages: vehicles, their maintenance, their odometers, the import, and who had which vehicle when."""

from karokar.fleet.views import imports, maintenance, odometer, seen, vehicles, whohad
from karokar.fleet.views.blueprint import bp

AREAS = (vehicles, odometer, maintenance, imports, whohad, seen)

__all__ = ["AREAS", "bp"]
