"""Who may read messages and kept mails."""

from karokar.kernel.actor import Scope
from karokar.kernel.permissions import define

NOTIFICATION_READ = define(
    "notification.read",
    "Read your own notifications",
    platform=Scope.SELF,
    vendor=Scope.SELF,
    corporate=Scope.SELF,
    employee=Scope.SELF,
)
MAIL_READ = define(
    "mail.read",
    "Read the mails that were sent or kept, without their links",
    platform=Scope.ALL,
    vendor=Scope.OWN,
    corporate=Scope.OWN,
    employee=Scope.SELF,
)
