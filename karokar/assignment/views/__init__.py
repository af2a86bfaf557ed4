"""The pages of assignments."""

from karokar.assignment.views import detail, transitions
from karokar.assignment.views.blueprint import bp

__all__ = ["bp", "detail", "transitions"]
