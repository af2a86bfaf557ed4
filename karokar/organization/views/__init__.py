"""The pages of organizations: applying, one's own data, and the platform's list and decisions."""

from karokar.organization.views import applying, deciding, lists, own
from karokar.organization.views.blueprint import bp

AREAS = (applying, own, lists, deciding)

__all__ = ["AREAS", "bp"]
