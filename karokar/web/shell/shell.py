"""What the frame of every page shows: who acts for whom, where they can go, what waits, and how they want to see it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flask import Flask, g, url_for
from werkzeug.local import LocalProxy

from karokar import __version__
from karokar.kernel.actor import Actor, current_actor
from karokar.kernel.pages.paging import count_words
from karokar.kernel.permissions import may, scope_of
from karokar.kernel.ports import ports
from karokar.kernel.settings import settings
from karokar.kernel.text.normalization import bdi, count_of, isolated, names_apart, search_key
from karokar.web.lists import saved_views
from karokar.web.responses.cookies import read_cookie
from karokar.web.shell import times
from karokar.web.shell.links import entity_url, page_path, page_url, plates_whole, short_id, unbroken
from karokar.web.shell.navigation import LinkGroup, navigation
from karokar.web.shell.states import state_choices, state_of
from karokar.web.shell.words import names_by_kind

THEMES = ("light", "dark", "auto")

ROLE_NAMES = {
    "PLATFORM_ADMIN": "Platform administrator",
    "VENDOR_ADMIN": "Vendor administrator",
    "CORPORATE_ADMIN": "Corporate administrator",
    "EMPLOYEE": "Employee",
}


@dataclass(frozen=True)
class MembershipChoice:
    """One organization for which the person may act."""

    organization_id: UUID
    name: str
    role: str
    current: bool


@dataclass(frozen=True)
class Linked:
    """A page about the person's own account, with its address."""

    label: str
    icon: str
    url: str


@dataclass(frozen=True)
class Shell:
    """The frame's facts; each is found when the template first asks for it."""

    actor: Actor
    theme: str
    keys_on: bool
    _found: dict[str, Any] = field(default_factory=dict)

    @property
    def is_signed_in(self) -> bool:
        """Whether a person is acting."""
        return self.actor.user_id is not None

    @property
    def organization_id(self) -> UUID | None:
        """The acting organization."""
        return self.actor.organization_id

    @property
    def organization_name(self) -> str:
        """Its name."""
        return self.actor.organization_name

    @property
    def person_name(self) -> str:
        """The person's name."""
        return self.actor.name

    @property
    def role_name(self) -> str:
        """The role in words."""
        return ROLE_NAMES.get(self.actor.role or "", (self.actor.role or "").replace("_", " ").capitalize())

    @property
    def time_zone(self) -> str:
        """The zone in which times are shown."""
        return self.actor.time_zone

    @property
    def locale(self) -> str:
        """The language of the page."""
        return "en"

    @property
    def version(self) -> str:
        """The version of KaroKar."""
        return __version__

    @property
    def environment(self) -> str:
        """The label of this installation; empty in production, where it would only be in the way."""
        name = settings().environment
        return "" if name == "production" else name.capitalize()

    @property
    def navigation(self) -> list[LinkGroup]:
        """The pages that the person may open."""
        return navigation()

    @property
    def memberships(self) -> Sequence[MembershipChoice]:
        """The organizations for which the person may act, by name."""
        if "memberships" not in self._found:
            self._found["memberships"] = self._list_memberships()
        found: Sequence[MembershipChoice] = self._found["memberships"]
        return found

    def _list_memberships(self) -> Sequence[MembershipChoice]:
        if self.actor.user_id is None:
            return []
        members = ports().sign_in.memberships_of(self.actor.user_id)
        # The acting organization's name is known; only those of others are asked for.
        names: dict[UUID | None, str] = {self.organization_id: self.organization_name}
        others = [member.organization_id for member in members if member.organization_id not in names]
        names.update(names_by_kind({"Organization": set(others)}).by_id.items())
        choices = [
            MembershipChoice(
                member.organization_id,
                names.get(member.organization_id, "An organization"),
                ROLE_NAMES.get(str(member.role), str(member.role)),
                member.organization_id == self.organization_id,
            )
            for member in members
        ]
        return sorted(choices, key=lambda choice: search_key(choice.name))

    @property
    def unread(self) -> int:
        """How many notifications the person has not read."""
        if "unread" not in self._found:
            self._found["unread"] = ports().inbox.count_unread(self.actor) if self.is_signed_in else 0
        unread: int = self._found["unread"]
        return unread

    @property
    def notifications_url(self) -> str:
        """The page of notifications."""
        return url_for(ports().inbox.endpoint)

    @property
    def switch_url(self) -> str:
        """Where the choice of another organization is sent."""
        return url_for(ports().sign_in.switch)

    @property
    def sign_out_url(self) -> str | None:
        """Where signing out is sent."""
        return url_for(ports().sign_in.sign_out) if self.is_signed_in else None

    @property
    def account_links(self) -> list[Linked]:
        """Pages about the person's own account."""
        links = (link for console in ports().consoles for link in console.account_links)
        return [Linked(link.label, link.icon, url_for(link.endpoint)) for link in links]

    @property
    def banners(self) -> list[tuple[str, str]]:
        """What must be said on every page: the acting organization cannot do everything now."""
        status = self.actor.organization_status
        sentences = {
            "PENDING": "Your organization waits for review. Meanwhile you can upload documents and ask for approval.",
            "REJECTED": "Your organization was rejected. Correct what was asked for, then apply again.",
            "SUSPENDED": "Your organization is suspended. You can read, export, answer reviews and end what runs.",
        }
        return [("wait", sentences[status])] if self.is_signed_in and status in sentences else []


def current_shell() -> Shell:
    """Return the frame's facts for this request."""
    if "shell" not in g:
        theme = read_cookie("kk_theme", "auto")
        keys_on = read_cookie("kk_keys") != "off"
        g.shell = Shell(current_actor(), theme if theme in THEMES else "auto", keys_on)
    shell: Shell = g.shell
    return shell


def init_app(app: Flask) -> None:
    """Give every template the shell and the words in which it shows things."""
    # A global, not a context processor: imported macros see it, too.
    app.jinja_env.globals["shell"] = LocalProxy(current_shell)
    app.jinja_env.globals.update(
        may=may,
        reach=scope_of,
        state_of=state_of,
        state_choices=state_choices,
        entity_url=entity_url,
        page_path=page_path,
        page_url=page_url,
        saved_views_here=saved_views.list_here,
    )
    app.jinja_env.filters.update(
        bdi=bdi,
        isolated=isolated,
        names_apart=names_apart,
        counted=count_words,
        count_of=count_of,
        zip=lambda first, second: list(zip(first, second, strict=True)),
        iso=times.iso,
        local_time=times.local_time,
        local_day=times.local_day,
        last_local_day=times.last_local_day,
        days_left=times.days_left,
        time_ago=times.time_ago,
        duration=times.duration,
        short_id=short_id,
        unbroken=unbroken,
        plates_whole=plates_whole,
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
