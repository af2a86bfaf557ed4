"""Counting guesses before they are checked."""

from datetime import timedelta

from sqlalchemy import Delete, delete, select

from karokar.identity.models import TryCount
from karokar.identity.rules import tokens
from karokar.identity.rules.tries import ONE, counts_for, pause_after
from karokar.kernel import clock
from karokar.kernel.database.rows import insert_if_new
from karokar.kernel.db import action, db
from karokar.kernel.errors import TooManyTries
from karokar.kernel.schedule import every
from karokar.kernel.text.email_addresses import normal_email


def account_of(email: str) -> str:
    """Return the name under which guesses at an account are counted, whether or not the account exists."""
    return tokens.fingerprint(normal_email(email))


@action
def begin_try(kind: str, email: str, *, address: str, browser: str | None = None) -> None:
    """Count a guess at an account before it is checked: of many at once, no more than allowed are checked.

    Raises TooManyTries, with the time to wait, where too many went before; that one is not counted.
    """
    now, account = clock.now(), account_of(email)
    paces = {
        tokens.fingerprint(name): pace
        for name, pace in counts_for(kind, account, address=address, browser=browser).items()
    }
    is_of_account = {key for key, pace in paces.items() if pace.forgotten == ONE.forgotten}
    for key in sorted(paces):
        named = account if key in is_of_account else None
        insert_if_new(TryCount, {"key": key, "account": named, "count": 0, "last_at": now})
    statement = select(TryCount).where(TryCount.key.in_(paces)).order_by(TryCount.key).with_for_update()
    rows = list(db.session.scalars(statement.execution_options(populate_existing=True)))
    until = max((row.blocked_until for row in rows if row.blocked_until is not None), default=now)
    if until > now:
        raise TooManyTries(-int((now - until).total_seconds() // 1))
    for row in rows:
        pace = paces[row.key]
        row.count = row.count + 1 if now - row.last_at < pace.forgotten else 1
        row.last_at = now
        pause = pause_after(row.count, pace)
        row.blocked_until = now + pause if pause else None


@action
def end_try(kind: str, email: str, *, address: str, browser: str | None = None) -> None:
    """Forget the guesses that led to a right one; those that others made elsewhere stay counted."""
    account = account_of(email)
    names = counts_for(kind, account, address=address, browser=browser)
    own = [tokens.fingerprint(name) for name, pace in names.items() if pace is ONE]
    shared = [tokens.fingerprint(name) for name, pace in names.items() if pace is not ONE]
    db.session.execute(_delete().where(TryCount.key.in_(own)))
    statement = select(TryCount).where(TryCount.key.in_(shared)).order_by(TryCount.key).with_for_update()
    for row in db.session.scalars(statement.execution_options(populate_existing=True)):
        row.count, row.blocked_until = max(row.count - 1, 0), None


def forget_tries(email: str) -> None:
    """Forget every guess at an account: its owner showed, by a mail, who they are."""
    db.session.execute(_delete().where(TryCount.account == account_of(email)))


@every(3600)
@action
def forget_old_tries() -> None:
    """Forget counts that no longer matter."""
    db.session.execute(_delete().where(TryCount.last_at < clock.now() - timedelta(days=2)))


def _delete() -> Delete:
    return delete(TryCount).execution_options(synchronize_session=False)
