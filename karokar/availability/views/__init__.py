"""The pages of availability: the search for what is free, the fleet's timeline, and conflicts."""

from karokar.availability.views import conflicts, search, timeline
from karokar.availability.views.blueprint import bp

AREAS = (search, timeline, conflicts)

__all__ = ["AREAS", "bp"]
