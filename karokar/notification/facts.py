"""What other contexts may ask about how mails stand."""

from karokar.notification.queries import count_by_state, is_sending_late

__all__ = ["count_by_state", "is_sending_late"]
