"""The page on which an organization applies; those that ask other contexts as well are in `karokar.pages`."""

from karokar.organization.views import application
from karokar.organization.views.blueprint import bp

AREAS = (application,)

__all__ = ["AREAS", "bp"]
