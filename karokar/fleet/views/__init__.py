"""The fleet's pages: vehicles, their maintenance, their odometers, the import, and who had which vehicle when."""

from karokar.fleet.views import imports, maintenance, odometer, vehicles, whohad
from karokar.fleet.views.blueprint import bp

AREAS = (vehicles, odometer, maintenance, imports, whohad)

__all__ = ["AREAS", "bp"]
