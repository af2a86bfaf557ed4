"""Who is acting, on whose behalf, and what set it off. Contexts fill this in; the kernel only carries it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from karokar.kernel.ids import new_id


class Scope(StrEnum):
    """How far a permission reaches: see `karokar.kernel.permissions`."""

    ALL = "all"
    OWN = "own"
    PARTY = "party"
    MARKET = "market"
    SELF = "self"


WIDER = (Scope.ALL, Scope.OWN, Scope.PARTY, Scope.MARKET)
"""Every scope that reaches more than a person's own things."""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A person acting for one organization, or the system itself (`user_id` is None).

    `permissions` maps a permission's code to the scope in which it is held here. They are resolved from the database
    on each request, so an Actor is never kept between requests. `token_id` is set where a program acts with an API
    token, which may hold fewer permissions than its owner. `session_id` is set where a browser acts: `proven_at` is
    when its user last gave their password or a code, and `lacks_second_factor` says that their rights here wait until
    they give a code.
    """

    user_id: UUID | None = None
    organization_id: UUID | None = None
    organization_type: str | None = None
    organization_status: str | None = None
    organization_name: str = ""
    name: str = ""
    role: str | None = None
    time_zone: str = "UTC"
    permissions: Mapping[str, Scope] = field(default_factory=lambda: MappingProxyType({}))
    is_system: bool = False
    token_id: UUID | None = None
    session_id: UUID | None = None
    proven_at: datetime | None = None
    lacks_second_factor: bool = False

    @property
    def is_platform(self) -> bool:
        """Whether the acting organization is the platform's."""
        return self.organization_type == "PLATFORM"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """What set off the work in progress: a request, a job, a tick of the clock, or an event being handled.

    `depth` counts the events between the origin and here.
    """

    correlation_id: UUID
    causation_id: UUID | None = None
    depth: int = 0
    source: str = "system"
    traceparent: str | None = None


SYSTEM = Actor(name="KaroKar", is_system=True)

_actor: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)
_cause: ContextVar[Cause | None] = ContextVar("cause", default=None)


def current_actor() -> Actor:
    """Return who is acting; the system where nobody is."""
    return _actor.get()


def current_cause() -> Cause:
    """Return what set off the work in progress; work outside of any starts a correlation of its own."""
    cause = _cause.get()
    if cause is None:
        cause = Cause(correlation_id=new_id())
        _cause.set(cause)
    return cause


@contextmanager
def acting_as(actor: Actor, cause: Cause | None = None) -> Iterator[None]:
    """Do what follows as `actor`, set off by `cause` (by default a correlation of its own)."""
    actor_token = _actor.set(actor)
    cause_token = _cause.set(cause or Cause(correlation_id=new_id()))
    try:
        yield
    finally:
        _cause.reset(cause_token)
        _actor.reset(actor_token)


def set_off_by(cause: Cause) -> None:
    """Do what follows as a consequence of `cause`, until the `acting_as` around it ends."""
    _cause.set(cause)
