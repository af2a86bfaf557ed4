"""The pages of assignments."""

from karokar.assignment.views import changing, showing
from karokar.assignment.views.blueprint import bp

__all__ = ["bp", "changing", "showing"]
