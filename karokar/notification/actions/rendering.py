"""Messages in words, as pages and mails show them: the texts, with the names that other contexts give."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, select_autoescape

from karokar.config import PROJECT
from karokar.fleet import facts as fleet
from karokar.identity import facts as identity
from karokar.kernel.settings import settings
from karokar.kernel.text.normalization import bdi, isolated
from karokar.kernel.text.notes import texts_of
from karokar.kernel.text.references import notes_in
from karokar.notification.rules.matrix import KINDS
from karokar.notification.rules.texts import Words, entities_named, words
from karokar.organization import facts as organizations

HIDDEN_LINK = "(the link is shown to the recipient only)"


@dataclass(frozen=True)
class Rendered:
    """A mail ready to be sent: to whom, and its three parts."""

    to: str
    name: str
    subject: str
    text: str
    html: str
    is_link_left_out: bool = False


def names_of(messages: Iterable[Mapping[str, Any]]) -> dict[UUID, str]:
    """Return what these messages (their `data`) speak of: names, and the texts of notes, with one question per kind."""
    wanted: dict[str, set[UUID]] = {"Organization": set(), "Vehicle": set(), "User": set()}
    notes: set[UUID] = set()
    for data in messages:
        notes |= notes_in(data, {})
        for kind, entity_id in entities_named(data):
            wanted[kind].add(entity_id)
    found = {one.id: one.name for one in organizations.organizations(wanted["Organization"]).values()}
    found |= {one.id: one.label for one in fleet.vehicles(wanted["Vehicle"]).values()}
    found |= {one.id: one.name for one in identity.people(wanted["User"]).values()}
    return found | texts_of(notes)


def words_of(template: str, data: Mapping[str, Any], names: Mapping[UUID, str], zone: str) -> Words:
    """Return one message in words, its times in `zone`."""
    return words(template, data, names, zone)


def render_mail(
    notification_id: UUID,
    recipient_id: UUID,
    kind: str,
    template: str,
    data: Mapping[str, Any],
    *,
    with_links: bool = True,
) -> Rendered | None:
    """Return the mail as it reads now; None where it has nothing left to say (an invitation that is no longer open).

    Without `with_links` the links that sign somebody in are left out. Raises NotFound for a recipient who is gone.
    """
    person = identity.get_person(recipient_id)
    said = words(template, data, names_of([data]), person.time_zone)
    if _is_obsolete(template, data):
        return None
    facts = {
        "name": person.name,
        "title": said.title,
        "body": said.body,
        "warning": said.warning,
        "button": said.button,
        "link": _link(notification_id, said, data) if with_links or not said.link else HIDDEN_LINK,
        "is_link_shown": with_links or not said.link,
        "why": KINDS[kind].label if KINDS[kind].fixed != KINDS[kind].offered else "",
        "preferences": f"{settings().base_url}/notification/preferences",
        "console": settings().base_url,
    }
    environment = _environment()
    return Rendered(
        to=person.email,
        name=person.name,
        subject=said.title,
        text=environment.get_template("notification/email/message.txt").render(facts),
        html=environment.get_template("notification/email/message.html").render(facts),
        is_link_left_out=not facts["is_link_shown"],
    )


def _link(notification_id: UUID, said: Words, data: Mapping[str, Any]) -> str:
    if said.link == "invitation":
        return identity.sign_in_link(said.link, UUID(str(data["membershipId"])))
    if said.link:
        return identity.sign_in_link(said.link, UUID(str(data["userId"])))
    return settings().base_url + (said.path or f"/notification/{notification_id}")


def _is_obsolete(template: str, data: Mapping[str, Any]) -> bool:
    if template != "MemberInvited":
        return False
    member = identity.find_membership(UUID(str(data["userId"])), UUID(str(data["organizationId"])))
    return member is None or member.status != "INVITED"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(PROJECT / "templates"),
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(bdi=bdi, isolated=isolated)
    return made
