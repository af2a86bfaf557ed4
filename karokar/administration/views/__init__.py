"""The pages of the desk, one module per area. A new area is a module here and a line in the import below."""

from karokar.administration.views import (
    catalog,
    deliveries,
    events,
    health,
    replay,
    reports,
    review,
    settings,
)
from karokar.administration.views.blueprint import bp

AREAS = (
    catalog,
    deliveries,
    events,
    health,
    replay,
    reports,
    review,
    settings,
)

__all__ = ["AREAS", "bp"]
