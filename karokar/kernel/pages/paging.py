"""Pages of a list: stable keyset paging and a count that never scans the table.

A cursor names the row after which (or before which) the page begins, so rows that come or go meanwhile shift nothing.

    page = paginate(
        select(Booking).where(permitted(Booking, BOOKING_READ)),
        sorts={"start": Booking.start, "reference": Booking.reference},
        tie=Booking.id, sort="-start", cursor=cursor,
    )
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    and_,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.types import NullType

from karokar.kernel.db import db, primitive

R = TypeVar("R")
S = TypeVar("S")

PAGE_SIZE = 25
COUNT_LIMIT = 1000


@dataclass(frozen=True, kw_only=True)
class Page(Generic[R]):
    """One page of a list; `next` and `previous` are cursors, None at either end.

    `count` is exact up to COUNT_LIMIT; above it `is_counted_out` is False and there are more than that.
    """

    rows: Sequence[R]
    next: str | None = None
    previous: str | None = None
    count: int = 0
    is_counted_out: bool = True

    @property
    def count_text(self) -> str:
        """The count as people read it: "12", or "more than 1,000"."""
        return f"{self.count:,}" if self.is_counted_out else f"more than {COUNT_LIMIT:,}"

    def map(self, change: Callable[[R], S]) -> "Page[S]":
        """Return the same page with each row turned into something else."""
        rows = [change(row) for row in self.rows]
        return replace(self, rows=rows)  # type: ignore[return-value,arg-type]


def paginate(
    statement: Select[Any],
    *,
    sorts: Mapping[str, Any],
    tie: Any,
    sort: str,
    cursor: str | None = None,
    size: int = PAGE_SIZE,
    counted: bool = True,
) -> Page[Any]:
    """Return one page of `statement`, which has no order of its own.

    `sorts` maps each name that `?sort=` may have to a column; `tie` is the unique column that makes the order total;
    `sort` is a name of `sorts`, with "-" before it for descending; an unknown one means the first. A cursor that fits
    no longer (another order, or damaged) gives the first page. Rows are entities where the statement selects one thing,
    else SQLAlchemy rows. Raises TypeError for a column of no known type: nothing would ever fit it.
    """
    name, is_down = sort.removeprefix("-"), sort.startswith("-")
    if name not in sorts:
        name, is_down = next(iter(sorts)), False
    column = sorts[name]
    if isinstance(column.type, NullType):
        message = f'The order "{name}" has no type that a cursor could be compared with: give its function a type_.'
        raise TypeError(message)
    at = _decode(cursor, name=name, is_down=is_down)
    if at is not None and not (_fits(at.value, column) and _fits(at.tie, tie)):
        at = None
    is_backward = at is not None and at.is_backward
    is_single = len(statement.column_descriptions) == 1

    ordered = statement.add_columns(column.label("_sort_key"), tie.label("_tie_key"))
    if at is not None:
        ordered = ordered.where(_beyond(column, tie, at, is_down=is_down != is_backward))
    ordered = ordered.order_by(*_order(column, tie, is_down=is_down, is_reversed=is_backward)).limit(size + 1)
    found: list[Row[Any]] = list(db.session.execute(ordered).all())
    has_further = len(found) > size
    found = found[:size]
    if is_backward:
        found.reverse()
    has_next = bool(found) and (is_backward or has_further)
    has_previous = bool(found) and (has_further if is_backward else at is not None)

    count, is_counted_out = _count(statement) if counted else (len(found), True)
    return Page(
        rows=[row[0] if is_single else row for row in found],
        next=_encode(name, found[-1], is_down=is_down, is_backward=False) if has_next else None,
        previous=_encode(name, found[0], is_down=is_down, is_backward=True) if has_previous else None,
        count=count,
        is_counted_out=is_counted_out,
    )


def count_up_to(statement: Select[Any], limit: int) -> int:
    """Count the rows of a statement, giving up beyond `limit` (then the answer is `limit + 1`)."""
    few: Select[Any] = (
        statement.order_by(None).with_only_columns(literal_column("1"), maintain_column_froms=True).limit(limit + 1)
    )
    return db.session.scalar(select(func.count()).select_from(few.subquery())) or 0


def count_each(statement: Select[Any], column: Any, values: Iterable[str]) -> dict[str, int]:
    """Count a statement's rows for each value of a column; see `count_where`."""
    return count_where(statement, {value: column == value for value in values})


def count_where(statement: Select[Any], conditions: Mapping[str, ColumnElement[bool]]) -> dict[str, int]:
    """Count a statement's rows that meet each condition, in one go and each up to COUNT_LIMIT + 1 at most.

    Those that no row meets are left out. `count_words` says a count as people read it.
    """
    counts = [
        select(
            literal(value).label("value"),
            select(func.count())
            .select_from(
                statement.where(condition)
                .order_by(None)
                .with_only_columns(literal_column("1"), maintain_column_froms=True)
                .limit(COUNT_LIMIT + 1)
                .subquery()
            )
            .scalar_subquery()
            .label("count"),
        )
        for value, condition in conditions.items()
    ]
    return {value: count for value, count in db.session.execute(union_all(*counts)) if count}


def count_words(count: int) -> str:
    """Return a capped count as people read it: "12", or "more than 1,000"."""
    return f"{count:,}" if count <= COUNT_LIMIT else f"more than {COUNT_LIMIT:,}"


def _count(statement: Select[Any]) -> tuple[int, bool]:
    count = count_up_to(statement, COUNT_LIMIT)
    return min(count, COUNT_LIMIT), count <= COUNT_LIMIT


@dataclass(frozen=True)
class _Place:
    is_backward: bool
    value: Any
    tie: Any


def _is_nullable(column: Any) -> bool:
    expression = getattr(column, "expression", column)
    return bool(getattr(expression, "nullable", False))


def _order(column: Any, tie: Any, *, is_down: bool, is_reversed: bool) -> list[ColumnElement[Any]]:
    # Rows without a value come last in both directions, so that "no due date" never hides what is due.
    down = is_down != is_reversed
    keys: list[ColumnElement[Any]] = []
    if _is_nullable(column):
        keys.append(column.is_(None).desc() if is_reversed else column.is_(None).asc())
    keys += [column.desc(), tie.desc()] if down else [column.asc(), tie.asc()]
    return keys


def _beyond(column: Any, tie: Any, at: _Place, *, is_down: bool) -> ColumnElement[bool]:
    """Rows after a place in the direction of travel."""
    value, tie_value = at.value, at.tie
    if not _is_nullable(column):
        pair = tuple_(column, tie)
        # The values are written as the columns hold them: left to itself, a tuple would guess their types.
        place = tuple_(literal(value, column.type), literal(tie_value, tie.type))
        return pair < place if is_down else pair > place
    beyond_tie = tie < tie_value if is_down else tie > tie_value
    if value is None:
        rest = and_(column.is_(None), beyond_tie)
        return or_(rest, column.is_not(None)) if at.is_backward else rest
    further = column < value if is_down else column > value
    rest = or_(further, and_(column == value, beyond_tie))
    return rest if at.is_backward else or_(rest, column.is_(None))


def _encode(name: str, row: Row[Any], *, is_down: bool, is_backward: bool) -> str:
    content = [name, is_down, is_backward, _packed(row._sort_key), _packed(row._tie_key)]  # noqa: SLF001 - our labels
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _decode(cursor: str | None, *, name: str, is_down: bool) -> _Place | None:
    if not cursor:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        was_name, was_down, is_backward, value, tie = json.loads(base64.urlsafe_b64decode(padded))
        if was_name != name or was_down is not is_down:
            return None
        return _Place(bool(is_backward), _unpacked(value), _unpacked(tie))
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
        return None


def _fits(value: Any, column: Any) -> bool:
    """Whether a column can be compared with what a cursor holds: anybody may write one by hand."""
    if value is None:
        return _is_nullable(column)
    try:
        # Our own types say what their values are by what they are made of.
        kind = getattr(column.type, "impl_instance", column.type).python_type
    except NotImplementedError:
        kind = type(value)
    if kind is not type(value):
        return kind in {float, Decimal} and isinstance(value, int | float | str) and _is_number(value)
    if kind is int:
        return bool(-_LARGEST[is_large := isinstance(column.type, BigInteger)] <= value <= _LARGEST[is_large])
    if kind is datetime:
        return bool(value.tzinfo is not None and 1 < value.year < 9999)
    if kind is str:
        return "\0" not in value and _is_encodable(value)
    return kind is not float or _is_number(value)


_LARGEST = {True: 2**63 - 1, False: 2**31 - 1}


def _is_number(value: float | str) -> bool:
    try:
        return Decimal(value).is_finite()
    except ArithmeticError:
        return False


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _packed(value: Any) -> list[Any]:
    for mark, kind in (("t", datetime), ("d", date), ("u", UUID)):
        if isinstance(value, kind):
            return [mark, primitive(value)]
    return ["", primitive(value)]


_UNPACK: Mapping[str, Callable[[Any], Any]] = {"t": datetime.fromisoformat, "d": date.fromisoformat, "u": UUID}


def _unpacked(packed: Any) -> Any:
    mark, value = packed
    if mark:
        return _UNPACK[mark](value)
    if value is not None and not isinstance(value, str | int | float | bool):
        message = "A cursor holds plain values."
        raise TypeError(message)
    return value
