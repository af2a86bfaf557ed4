"""The pages of the desk, one module per area. A new area is a module here and a line in the import below."""

from karokar.administration.views import (
    catalog,
    deliveries,
    events,
    reports,
    review,
)
from karokar.administration.views.blueprint import bp

AREAS = (
    catalog,
    deliveries,
    events,
    reports,
    review,
)

__all__ = ["AREAS", "bp"]
