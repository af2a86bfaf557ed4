"""The filters of the list of bookings, which its bulk changes and its export share."""

from karokar.web.lists.filters import Choice, Day, Text
from karokar.web.shell.states import state_choices

FILTERS = (
    Text("q", "Reference or plate", "text"),
    Choice("status", "Status", choices=state_choices("booking")),
    Day("from", "From", "from_"),
    Day("to", "To", "until", is_end=True),
)
