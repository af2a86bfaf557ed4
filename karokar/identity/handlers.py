"""What identity does when other contexts tell something."""

from karokar.events.base import Envelope
from karokar.events.handlers import handles
from karokar.events.organization import OrganizationCreated
from karokar.identity import actions


@handles(
    OrganizationCreated,
    effect="action",
    description="Invites the person who applied as the organization's first administrator",
)
def invite_applicant(envelope: Envelope[OrganizationCreated]) -> None:
    """Invite the applicant; an organization that has members already is left alone."""
    actions.invite_first_admin(envelope.event.organization_id)
