"""The pages of bookings."""

from karokar.booking.views import bulk, decisions, drafts, lists, running, showing
from karokar.booking.views.blueprint import bp

__all__ = ["bp", "bulk", "decisions", "drafts", "lists", "running", "showing"]
