"""What contexts offer to the pages that all share: each context says it in its `console.py`, typed.

`app.py` collects the consoles into one registry and hands it to `connect`, which stops the start where one of them
names a page that does not exist. Shared pages ask the registry and know no context.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

from flask import Flask, current_app
from prometheus_client import Metric
from sqlalchemy import Select

from karokar.kernel.actor import Actor, Scope
from karokar.kernel.pages.waiting import Figure, Hit, Holds, WaitingItem
from karokar.kernel.setting_values import ConfigError

_NAME = "karokar.ports"

GroupLabel = Literal["", "Work", "Organization", "Platform"]
GROUPS: tuple[GroupLabel, ...] = ("", "Work", "Organization", "Platform")
"""The groups of the navigation, in their order."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A page of the navigation, for whoever holds `permission` (None: everybody signed in).

    `place` orders the entries of a group across contexts; `key` is what follows `g` on the keyboard. `types` narrows
    the entry to organizations of these types, `scopes` to those who hold the permission that far.
    """

    label: str
    icon: str
    endpoint: str
    group: GroupLabel
    place: int
    permission: str | None = None
    key: str = ""
    types: tuple[str, ...] = ()
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AccountLink:
    """A page about the person's own account, in the menu of every page."""

    label: str
    icon: str
    endpoint: str


@dataclass(frozen=True, kw_only=True)
class Console:
    """What one context offers.

    `pages` maps a kind of thing, in lower case, to the endpoint of its page, which takes the thing's id alone;
    `openable` gives for such kinds the ids that the acting person may open. `names` answers what things of a kind are
    called. `producers` says what people call what the context publishes. `holds` answers, for what other contexts list
    as waiting, of which of the things it is so.
    """

    navigation: tuple[Entry, ...] = ()
    account_links: tuple[AccountLink, ...] = ()
    pages: Mapping[str, str] = field(default_factory=dict)
    openable: Callable[[], Mapping[str, Select[UUID]]] | None = None
    names: Mapping[str, Callable[[Collection[UUID]], Mapping[UUID, str]]] = field(default_factory=dict)
    producers: Mapping[str, str] = field(default_factory=dict)
    waiting: Callable[[Actor], Iterable[WaitingItem]] | None = None
    holds: Mapping[Holds, Callable[[Collection[UUID]], Collection[UUID]]] = field(default_factory=dict)
    figures: Callable[[Actor], Iterable[Figure]] | None = None
    search: Callable[[Actor, str], Iterable[Hit]] | None = None
    uses_of_vehicle: Callable[[UUID], Mapping[str, int]] | None = None
    """What still counts on a vehicle, by what people call one of it ("booking"), and how many."""
    metrics: Callable[[], Iterable[Metric]] | None = None
    home_parts: tuple[Callable[[], str], ...] = ()
    """Views whose HTML (empty for nothing) stands on everybody's home, above what waits."""


class MemberOf(Protocol):
    """A person's membership in an organization."""

    @property
    def organization_id(self) -> UUID:
        """The organization."""

    @property
    def role(self) -> str:
        """The role's code, or its name where it was composed."""


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """How people come in and go, by endpoint, and who they are."""

    sign_in: str
    sign_out: str
    switch: str
    confirm: str
    confirm_with: str
    actor_of_member: Callable[[UUID, UUID, UUID | None], Actor | None]
    memberships_of: Callable[[UUID], Sequence[MemberOf]]
    people_of: Callable[[UUID], Sequence[tuple[UUID, str]]]
    """The members of an organization, by id and name."""
    has_example_accounts: Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Inbox:
    """The page of a person's notifications, and how many are unread."""

    endpoint: str
    count_unread: Callable[[Actor], int]


class Covered(Protocol):
    """How one kind of document stands for a thing."""

    @property
    def status(self) -> str:
        """APPROVED, PENDING, REJECTED, EXPIRED, REVOKED or MISSING."""


class IsCovered(Protocol):
    """Whether an approved document of a kind counts for a thing now; `is_held`: until the transaction has ended."""

    def __call__(self, entity_type: str, entity_id: UUID, kind: str, *, is_held: bool = False) -> bool:
        """Answer."""


@dataclass(frozen=True, kw_only=True)
class Documents:
    """What is proved by documents: asked by those whose things are proved, which verification knows by name alone."""

    is_covered: IsCovered
    coverage: Callable[[str, UUID], Mapping[str, Covered]]
    """Each kind that such a thing can have, and how it stands."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The registry: every context's console in the order of contexts, and what exactly one of them provides."""

    consoles: tuple[Console, ...]
    sign_in: SignIn
    inbox: Inbox
    documents: Documents
    page_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> Mapping[str, Callable[[Collection[UUID]], Mapping[UUID, str]]]:
        """Who knows what things of a kind are called."""
        return {kind: answer for console in self.consoles for kind, answer in console.names.items()}

    @property
    def holds(self) -> Mapping[Holds, Callable[[Collection[UUID]], Collection[UUID]]]:
        """Who confirms what."""
        return {what: answer for console in self.consoles for what, answer in console.holds.items()}

    def uses_of_vehicle(self, vehicle_id: UUID) -> dict[str, int]:
        """Return what still counts on a vehicle, by what people call one of it, and how many."""
        answers = (console.uses_of_vehicle for console in self.consoles if console.uses_of_vehicle is not None)
        return {name: count for answer in answers for name, count in answer(vehicle_id).items()}

    @property
    def entries(self) -> list[Entry]:
        """The navigation, in its order."""
        found = (entry for console in self.consoles for entry in console.navigation)
        return sorted(found, key=lambda entry: (GROUPS.index(entry.group), entry.place))


class WrongPort(ConfigError):
    """A console names something that does not exist. Stops the start."""


def connect(app: Flask, consoles: Iterable[Console], *, sign_in: SignIn, inbox: Inbox, documents: Documents) -> None:
    """Make the registry of an application whose pages are all registered.

    Raises WrongPort, naming it, for a page that does not exist, and for a kind of thing with two pages.
    """
    known = tuple(consoles)
    page_of: dict[str, str] = {}
    for console in known:
        for kind, endpoint in console.pages.items():
            if kind in page_of:
                message = f"Things of the kind {kind} have two pages: {page_of[kind]} and {endpoint}."
                raise WrongPort(message)
            page_of[kind] = endpoint
    made = Ports(consoles=known, sign_in=sign_in, inbox=inbox, documents=documents, page_of=page_of)
    links = (link.endpoint for console in known for link in console.account_links)
    doors = (sign_in.sign_in, sign_in.sign_out, sign_in.switch, sign_in.confirm, sign_in.confirm_with, inbox.endpoint)
    wanted = {*(entry.endpoint for entry in made.entries), *page_of.values(), *links, *doors}
    lost = sorted(wanted - app.view_functions.keys())
    if lost:
        message = f"No page is called {', '.join(lost)}: a console names it."
        raise WrongPort(message)
    unanswered = [what.name for what in Holds if what not in made.holds]
    if unanswered:
        message = f"No console answers {', '.join(unanswered)}."
        raise WrongPort(message)
    app.extensions[_NAME] = made


def ports() -> Ports:
    """Return the registry of the running application."""
    found: Ports = current_app.extensions[_NAME]
    return found
