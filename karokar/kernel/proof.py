"""Fresh proof: a browser that was left open, or a stolen cookie, does not do what changes who gets in."""

from datetime import timedelta

from karokar.kernel import clock
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import NotForTokens, ProofNeeded

FRESH = timedelta(minutes=10)
"""How long a password or code that was given counts as fresh."""


def refuse_tokens() -> None:
    """Raise NotForTokens where an API token acts."""
    if current_actor().token_id is not None:
        raise NotForTokens


def demand_proof() -> None:
    """Raise ProofNeeded where a browser acts whose user did not confirm who they are within the last minutes.

    API tokens can prove nothing and are refused with NotForTokens. The command line, handlers and runs act without a
    browser; whoever started them was asked then.
    """
    refuse_tokens()
    actor = current_actor()
    if actor.session_id is None:
        return
    if actor.proven_at is None or clock.now() - actor.proven_at > FRESH:
        raise ProofNeeded
