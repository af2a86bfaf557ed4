"""The pages of bookings."""

from karokar.booking.views import decisions, drafts, lists, running, showing
from karokar.booking.views.blueprint import bp

__all__ = ["bp", "decisions", "drafts", "lists", "running", "showing"]
