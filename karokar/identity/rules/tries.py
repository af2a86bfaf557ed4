"""How often somebody may guess a password or a code, and how long they wait after that.

Guesses are counted by account *and* source, so that a stranger who guesses slows down only themselves: the owner signs
in from elsewhere meanwhile. A browser in which the owner signed in before has a count of its own. Guesses from
everywhere at one account, and from one source at many accounts, have wider limits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address


@dataclass(frozen=True, kw_only=True)
class Pace:
    """After `free` guesses each further one waits: `first`, then twice as long each time, at most `longest`.

    A count is forgotten when nothing was tried for `forgotten`.
    """

    free: int
    first: timedelta
    longest: timedelta
    forgotten: timedelta


ONE = Pace(free=5, first=timedelta(seconds=15), longest=timedelta(minutes=15), forgotten=timedelta(days=1))
"""Guesses at one account from one source, or in one browser that its owner uses."""
ACCOUNT = Pace(free=100, first=timedelta(seconds=15), longest=timedelta(minutes=15), forgotten=timedelta(days=1))
"""Guesses at one account from everywhere, browsers that its owner uses left aside."""
SOURCE = Pace(free=60, first=timedelta(seconds=15), longest=timedelta(minutes=15), forgotten=timedelta(hours=1))
"""Guesses from one source at all accounts, browsers that their owners use left aside."""


def pause_after(count: int, pace: Pace) -> timedelta:
    """Return how long to wait after so many guesses."""
    if count < pace.free:
        return timedelta(0)
    doublings: int = 2 ** min(count - pace.free, 30)
    return min(pace.first * doublings, pace.longest)


def source_of(address: str) -> str:
    """Return what counts as one source: an IPv4 address, or the /64 that a customer of an IPv6 network gets."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped) if found.ipv4_mapped else f"{int(found) >> 64:x}/64"
    return str(found)


def counts_for(kind: str, account: str, *, address: str, browser: str | None) -> Mapping[str, Pace]:
    """Return under which names a guess counts, each with its pace. `browser` is one that the account's owner uses."""
    if browser is not None:
        return {f"{kind}|browser|{browser}|{account}": ONE}
    source = source_of(address)
    return {
        f"{kind}|pair|{account}|{source}": ONE,
        f"{kind}|account|{account}": ACCOUNT,
        f"{kind}|source|{source}": SOURCE,
    }
