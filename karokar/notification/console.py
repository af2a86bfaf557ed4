"""What notification offers to shared pages."""

from karokar.kernel.actor import Scope
from karokar.kernel.ports import AccountLink, Console, Entry, Inbox
from karokar.notification import queries

CONSOLE = Console(
    navigation=(
        Entry(
            label="Mail",
            icon="mail",
            endpoint="notification.mail",
            group="Organization",
            place=80,
            permission="mail.read",
            scopes=(Scope.ALL, Scope.OWN),
        ),
    ),
    account_links=(
        AccountLink(
            label="Notification preferences", icon="adjustments-horizontal", endpoint="notification.preferences"
        ),
    ),
    producers={"notification": "Messages"},
    waiting=queries.list_waiting_for,
)

INBOX = Inbox(endpoint="notification.index", count_unread=queries.count_unread)
