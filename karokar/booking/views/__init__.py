"""The pages of bookings."""

from karokar.booking.views import bulk, decisions, detail, drafts, lists, trip
from karokar.booking.views.blueprint import bp

__all__ = ["bp", "bulk", "decisions", "detail", "drafts", "lists", "trip"]
