"""Secrets that were stored before they were protected as they are today, or with a former key."""

from uuid import UUID

from sqlalchemy import Text, literal, or_, select, type_coerce, update

from karokar.identity.models import RecoveryCode, User
from karokar.identity.rules import recovery
from karokar.kernel.database.sealed import is_sealed_with, seal, unseal
from karokar.kernel.db import action, db
from karokar.kernel.schedule import every
from karokar.kernel.settings import settings

AT_ONCE = 50
COLUMNS = {"totp_secret": User.totp_secret, "pending_totp_secret": User.pending_totp_secret}


@every(60)
@action
def protect_recovery_codes() -> int:
    """Hash slowly what earlier versions hashed quickly, some at a time, and return how many."""
    statement = select(RecoveryCode).where(RecoveryCode.code_hash.not_like(f"{recovery.PREFIX}%")).limit(AT_ONCE)
    found = list(db.session.scalars(statement))
    for code in found:
        code.code_hash = recovery.slow_hash(code.code_hash, code.user_id, cheap=settings().testing)
    return len(found)


@every(3600)
@action
def renew_seals() -> int:
    """Seal with today's key what a former one sealed, and return how many: then the former one can go."""
    # The columns' type would open and close what is read and written; here the sealed text itself counts.
    sealed = [type_coerce(column, Text).label(name) for name, column in COLUMNS.items()]
    rows = db.session.execute(
        select(User.id, *sealed).where(or_(*(column.is_not(None) for column in COLUMNS.values())))
    ).all()
    return sum(_renew(row.id, {name: getattr(row, name) for name in COLUMNS}) for row in rows)


def _renew(user_id: UUID, sealed: dict[str, str | None]) -> bool:
    keys = settings().secret_keys
    old = {name: value for name, value in sealed.items() if value is not None and not is_sealed_with(value, keys[0])}
    old = {name: value for name, value in old.items() if any(is_sealed_with(value, key) for key in keys[1:])}
    for name, value in old.items():
        # A seed that changed meanwhile is left alone. The person changed nothing, so neither did their `updated_at`.
        db.session.execute(
            update(User)
            .where(User.id == user_id, type_coerce(COLUMNS[name], Text) == value)
            .values({name: literal(seal(unseal(value, keys), keys), Text), "updated_at": User.updated_at})
            .execution_options(synchronize_session=False)
        )
    return bool(old)
