"""The database: one session per request or job, one transaction per action.

Everything is written inside `transaction()`; an `@action` opens one or joins the one that is open. On SQLite a write
transaction begins with BEGIN IMMEDIATE (a deferred one that turns into a writer fails under concurrency), a read does
not and never blocks. Whoever changes an aggregate inside a transaction without publishing an event gets an error.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache, wraps
from typing import Any, ClassVar, ParamSpec, TypeVar, overload
from uuid import UUID

import psycopg
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import JSON, DateTime, MetaData, Uuid, event, func, inspect, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, declared_attr, mapped_column, registry
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.types import TypeDecorator

from karokar.kernel import clock
from karokar.kernel.database import driver
from karokar.kernel.errors import Busy, DomainError, NotWritable, StaleVersion
from karokar.kernel.ids import new_id
from karokar.kernel.log import get_logger

P = ParamSpec("P")
R = TypeVar("R")

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC: `timestamptz` on PostgreSQL, text without a zone on SQLite. Refuses naive times."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: D102
        if value is None:
            return None
        if value.tzinfo is None:
            message = "A time without a zone cannot be stored."
            raise ValueError(message)
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: D102, ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@cache
def _makes_ids(class_: type["Base"]) -> bool:
    columns = inspect(class_).columns
    return "id" in columns and isinstance(columns["id"].type, Uuid)


@cache
def _names_of(class_: type["Base"]) -> frozenset[str]:
    return frozenset(dir(class_))


JsonDocument = JSON().with_variant(JSONB(), "postgresql")


class Base(DeclarativeBase):
    """Every table. A new row gets its id when it is made, not when it is flushed."""

    registry = registry(
        metadata=MetaData(naming_convention=NAMING),
        type_annotation_map={
            UUID: Uuid(),
            datetime: UtcDateTime(),
            dict[str, Any]: JsonDocument,
            list[str]: JsonDocument,
        },
    )

    def __init__(self, **values: Any) -> None:
        unknown = values.keys() - _names_of(type(self))
        if unknown:
            message = f"{type(self).__name__} has no {', '.join(sorted(unknown))}."
            raise TypeError(message)
        if "id" not in values and _makes_ids(type(self)):
            values["id"] = new_id()
        for name, value in values.items():
            setattr(self, name, value)


class Aggregate(Base):
    """A root that owns a rule and publishes events.

    `version` is the optimistic lock, raised by every change. `event_count` is raised by `publish` only, and is the
    `aggregate_seq` of the newest event. `label` is what people call it ("booking").

    A column with `info={"personal": True}` appears in events as changed, without values; one with text that people type
    (`notes.TYPED`) with references to notes; one with `info={"untracked": True}` may change without an event.
    """

    __abstract__ = True
    aggregate_type: ClassVar[str]
    label: ClassVar[str] = "entry"

    id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-10)
    created_at: Mapped[datetime] = mapped_column(default=clock.now, info={"untracked": True}, sort_order=90)
    updated_at: Mapped[datetime] = mapped_column(
        default=clock.now, onupdate=clock.now, info={"untracked": True}, sort_order=91
    )
    version: Mapped[int] = mapped_column(info={"untracked": True}, sort_order=92)
    event_count: Mapped[int] = mapped_column(default=0, info={"untracked": True}, sort_order=93)

    def __init__(self, **values: Any) -> None:
        values.setdefault("event_count", 0)
        super().__init__(**values)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805
        return {"version_id_col": cls.version}

    def saved_as(self, field: str) -> Any:
        """Return what is saved under a form's field of this name, for comparing two changes of it.

        Raises LookupError for a field that asks for something else. Overridden where fields are named otherwise.
        """
        if not hasattr(self, field):
            raise LookupError(field)
        return getattr(self, field)

    def expect(self, version: int | None) -> None:
        """Raise StaleVersion unless this is still the version that the form was opened with (None: not asked)."""
        if version is not None and version != self.version:
            raise StaleVersion(self.label, expected=version, actual=self.version, entity=self)


AGGREGATES: dict[str, type[Aggregate]] = {}
"""Aggregate classes by `aggregate_type`, filled as models are declared."""


@event.listens_for(Aggregate, "instrument_class", propagate=True)
def _list_aggregate(_mapper: Any, class_: type[Aggregate]) -> None:
    AGGREGATES[class_.aggregate_type] = class_


@event.listens_for(Aggregate, "attribute_instrument", propagate=True)
def _keep_old_values(_class: type[Aggregate], _key: str, attribute: Any) -> None:
    # An attribute set before it was loaded would otherwise hide its old value from the event.
    if hasattr(attribute, "impl"):
        attribute.impl.active_history = True


class _ExtensionBase(DeclarativeBase):
    """Flask-SQLAlchemy wants a base to derive its own from; no table uses it."""


db = SQLAlchemy(model_class=_ExtensionBase, disable_autonaming=True)
driver.prepare_connections()


# --- what really changed ----------------------------------------------------------------------------------------------

_CHANGES = "karokar.changes"
_NEW = "karokar.new"
_READ = "karokar.read"


def primitive(value: Any) -> Any:
    """Return `value` as JSON can hold it."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): primitive(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [primitive(item) for item in value]
    message = f"{type(value).__name__} cannot be part of an event."
    raise TypeError(message)


@event.listens_for(Session, "before_flush")
def _collect_changes(session: Session, _context: Any, _instances: Any) -> None:
    """Remember what each aggregate's columns were before this flush, so that an early autoflush loses nothing."""
    changes: dict[Aggregate, dict[str, Any]] = session.info.setdefault(_CHANGES, {})
    new: set[Aggregate] = session.info.setdefault(_NEW, set())
    for row in session.new:
        if isinstance(row, Aggregate):
            new.add(row)
            changes.setdefault(row, {})
    read: dict[Aggregate, int] = session.info.setdefault(_READ, {})
    for row in session.dirty:
        if not isinstance(row, Aggregate) or row in new:
            continue
        read.setdefault(row, row.version)
        state = inspect(row)
        for column in state.mapper.column_attrs:
            if column.columns[0].info.get("untracked"):
                continue
            history = state.attrs[column.key].history
            if history.has_changes() and history.deleted:
                before = history.deleted[0]
                if primitive(before) != primitive(getattr(row, column.key)):
                    changes.setdefault(row, {}).setdefault(column.key, primitive(before))


@event.listens_for(Session, "after_soft_rollback")
def _forget_changes(session: Session, _previous: Any) -> None:
    for key in (_CHANGES, _NEW):
        session.info.pop(key, None)


def take_changes(session: Session, aggregate: Aggregate) -> dict[str, Any]:
    """Flush, then return and forget what changed in the aggregate since its last event: field → [before, after].

    A new aggregate lists every column with a value, from None. Personal columns are listed without values, as
    `{"personal": True}`.
    """
    session.flush()
    changes: dict[Aggregate, dict[str, Any]] = session.info.get(_CHANGES, {})
    is_new = aggregate in session.info.get(_NEW, set())
    before = changes.pop(aggregate, {})
    session.info.get(_NEW, set()).discard(aggregate)
    found: dict[str, Any] = {}
    for attribute in inspect(type(aggregate)).column_attrs:
        column = attribute.columns[0]
        if column.info.get("untracked") or (not is_new and attribute.key not in before):
            continue
        old, value = before.get(attribute.key), primitive(getattr(aggregate, attribute.key))
        if old == value:
            continue
        found[attribute.key] = {"personal": True} if column.info.get("personal") else [old, value]
    return found


def _refuse_silent_changes(session: Session) -> None:
    silent = [
        f"{type(row).__name__} ({', '.join(sorted(fields)) or 'new'})"
        for row, fields in session.info.get(_CHANGES, {}).items()
        if fields or row in session.info.get(_NEW, set())
    ]
    if silent:
        message = f"Changed without an event: {'; '.join(silent)}."
        raise RuntimeError(message)


# --- transactions -----------------------------------------------------------------------------------------------------

_in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)
_AFTER_COMMIT = "karokar.after_commit"
_RETRYABLE_SQLSTATES = {"40001", "40P01", "55P03", "53300", "57P01", "57P02", "57P03"}
_SQLITE_FOR_NOW = ("database is locked", "database table is locked", "unable to open database file")


def in_transaction() -> bool:
    """Whether a `transaction()` is open here."""
    return _in_transaction.get()


def is_transient(error: BaseException) -> bool:
    """Whether the database refused only for now (deadlock, serialization, lock time-out, busy, connection lost)."""
    if not isinstance(error, OperationalError | IntegrityError) and not hasattr(error, "orig"):
        return False
    original = getattr(error, "orig", None)
    state = getattr(original, "sqlstate", None)
    if state in _RETRYABLE_SQLSTATES or getattr(error, "connection_invalidated", False):
        return True
    if isinstance(original, psycopg.OperationalError) and (state is None or state[:2] == "08"):
        return True  # No server answered.
    return any(words in str(original) for words in _SQLITE_FOR_NOW)


def is_unprepared(error: BaseException) -> bool:
    """Whether the database lacks a table: it is new, or of another version."""
    original = getattr(error, "orig", None)
    return getattr(original, "sqlstate", None) == "42P01" or "no such table" in str(original)


def is_not_writable(error: OperationalError) -> bool:
    """Whether the database has no room left, or may only be read."""
    if getattr(error.orig, "sqlstate", None) in {"53100", "25006"}:
        return True
    return any(words in str(error.orig) for words in ("disk is full", "readonly database", "disk I/O error"))


def database_now(session: Session) -> datetime:
    """Return the time by the clock that all processes share: the server's, or on SQLite the machine's.

    What one process writes and another compares (a lease, a claim, when something is due) is told by this clock alone.
    """
    if clock.stands_at() is not None or session.get_bind().dialect.name == "sqlite":
        return clock.now()
    now: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return now


def after_commit(key: str, call: Callable[[], object]) -> None:
    """Run `call` once after the open transaction has committed; a second one with the same key replaces it."""
    db.session.info.setdefault(_AFTER_COMMIT, {})[key] = call


@contextmanager
def transaction() -> Iterator[Session]:
    """Open the write transaction of this session, or join the one that is open; commit, or roll back on any error.

    Raises StaleVersion where somebody else changed a row first, and Busy where the database could not serve in time.
    What was read before is read again inside.
    """
    session: Session = db.session()
    if _in_transaction.get():
        yield session
        return
    if session.new or session.dirty or session.deleted:
        message = "Something was changed outside an action."
        raise RuntimeError(message)
    session.rollback()
    for key in (_AFTER_COMMIT, _READ):
        session.info.pop(key, None)
    token = _in_transaction.set(True)
    try:
        session.connection(execution_options={"karokar_write": True})
        yield session
        session.flush()
        _refuse_silent_changes(session)
        session.commit()
    except StaleDataError as error:
        session.rollback()
        raise _stale(session) from error
    except OperationalError as error:
        session.rollback()
        if is_transient(error):
            raise Busy from error
        if is_not_writable(error):
            get_logger(__name__).error("database_not_writable", reason=str(error.orig))
            raise NotWritable from error
        raise
    except BaseException:
        session.rollback()
        raise
    finally:
        _in_transaction.reset(token)
    for call in session.info.pop(_AFTER_COMMIT, {}).values():
        try:
            call()
        except Exception:  # noqa: BLE001 - what is committed stays committed; the relay makes up for a lost call
            get_logger(__name__).warning("after_commit_failed", exc_info=True)


def _stale(session: Session) -> StaleVersion:
    """Return the refusal that names what somebody else wrote between our reading and our writing of it."""
    for row, version in session.info.pop(_READ, {}).items():
        now = session.get(type(row), inspect(row).identity, populate_existing=True)
        if now is not None and now.version != version:
            return StaleVersion(now.label, expected=version, actual=now.version, entity=now)
    return StaleVersion("entry")


@overload
def action(function: Callable[P, R]) -> Callable[P, R]: ...


@overload
def action(*, refusals: Mapping[str, DomainError]) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def action(
    function: Callable[P, R] | None = None, *, refusals: Mapping[str, DomainError] | None = None
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function one transaction: `@action`, or `@action(refusals={"uq_vehicles_license_plate": RuleBroken(…)})`.

    `refusals` turns a broken constraint, known by a part of the database's message, into a domain error. Where actions
    call each other they join one transaction; then the outermost one's refusals count, too.
    """

    def decorate(inner: Callable[P, R]) -> Callable[P, R]:
        @wraps(inner)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                with transaction():
                    result = inner(*args, **kwargs)
                    db.session.flush()
                    return result
            except IntegrityError as error:
                text = str(error.orig)
                for part, refusal in (refusals or {}).items():
                    if part in text:
                        raise refusal from error
                raise

        run.__action__ = True  # type: ignore[attr-defined] # Architecture tests find actions by it.
        return run

    return decorate(function) if function is not None else decorate
