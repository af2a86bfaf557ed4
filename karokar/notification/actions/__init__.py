"""What people do with their messages and with mails; and the sender, which the clock runs."""

from karokar.notification.actions.messages import (
    choose,
    let_go,
    mark_all_read,
    mark_read,
    resend,
    send_again,
    settle_as_arrived,
)
from karokar.notification.actions.rendering import Rendered, names_of, render_mail, words_of
from karokar.notification.actions.sending import send_mails

__all__ = [
    "Rendered",
    "choose",
    "let_go",
    "mark_all_read",
    "mark_read",
    "names_of",
    "render_mail",
    "resend",
    "send_again",
    "send_mails",
    "settle_as_arrived",
    "words_of",
]
