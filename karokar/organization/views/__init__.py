"""The page on which an organization applies; those that ask other contexts as well are in `karokar.pages`."""

from karokar.organization.views import applying
from karokar.organization.views.blueprint import bp

AREAS = (applying,)

__all__ = ["AREAS", "bp"]
