"""Proof of the promises from what is stored: nothing lost, nothing twice, no gap, nothing stuck.

Every event that delivery has reached, and every handler that subscribed to it, must be in exactly one of: handled,
retrying, waiting, dead, dismissed. The statements look at all of it; a check of what came since the last one looks at
nothing else.
"""

from dataclasses import dataclass, field

from sqlalchemy import func, inspect, select, text
from sqlalchemy.orm import Session

from karokar.kernel import clock
from karokar.kernel.db import AGGREGATES, action, db
from karokar.kernel.schedule import every
from karokar.outbox.models import EventLog, Verification

SHOWN = 20

_REACHED = "(select shard, max(position) as position from progress group by shard)"

# How each database says that a handler is among those that handled.
_IS_HANDLED = {
    "postgresql": "coalesce(s.handler = any(h.handlers), false)",
    "sqlite": "exists (select 1 from json_each(h.handlers) j where j.value = s.handler)",
}

# How each database says that a handler is noted more than once.
_IS_REPEATED = {
    "postgresql": "exists (select 1 from unnest(h.handlers) x group by x having count(*) > 1)",
    "sqlite": "exists (select 1 from json_each(h.handlers) j group by j.value having count(*) > 1)",
}

_DELIVERIES = f"""
select l.position, s.name, {{is_handled}} as is_handled, t.state
  from event_log l
  join {_REACHED} p on p.shard = l.shard and l.position <= p.position
  join events e on e.id = l.event_id
  join subscriptions s on s.event_type = e.event_type and s.since_position < l.position
       and (s.until_position is null or l.position <= s.until_position)
  left join handled h on h.position = l.position
  left join troubles t on t.handler = s.handler and t.position = l.position and t.state <> 'done'
 where l.position > :since and l.position <= :until
"""

_CHECKS = {
    "lost": f"select position, name from ({_DELIVERIES}) d where not is_handled and state is null",
    "doubled": f"select position, name from ({_DELIVERIES}) d where is_handled and state is not null",
    "repeated": """
select h.position, h.handlers from handled h
 where h.position > :since and h.position <= :until and {is_repeated}""",
    "hole": """
select l.position - 1, l.event_id from event_log l
 where l.position > :since and l.position <= :until and l.position > 1
   and not exists (select 1 from event_log b where b.position = l.position - 1)""",
    "unaccounted": f"""
select l.position, l.shard from event_log l
  left join {_REACHED} p on p.shard = l.shard
  left join handled h on h.position = l.position
 where l.position > :since and l.position <= :until
   and (h.position is not null) <> (l.position <= coalesce(p.position, 0))""",
    "gap": """
select e.aggregate_type, e.aggregate_seq from event_log l join events e on e.id = l.event_id
 where l.position > :since and l.position <= :until and e.aggregate_seq > 1
   and not exists (select 1 from events b where b.aggregate_type = e.aggregate_type
     and b.aggregate_id = e.aggregate_id and b.aggregate_seq = e.aggregate_seq - 1)""",
    "reordered": """
select e.aggregate_type, e.aggregate_seq from event_log l join events e on e.id = l.event_id
  join events b on b.aggregate_type = e.aggregate_type and b.aggregate_id = e.aggregate_id
       and b.aggregate_seq = e.aggregate_seq - 1
  join event_log m on m.event_id = b.id
 where l.position > :since and l.position <= :until and m.position > l.position""",
    "stuck": f"""
select t.position, t.stream from troubles t
  join {_REACHED} p on p.shard = t.shard and t.position <= p.position
 where (t.state = 'retrying' and t.due_at is null)
    or (t.state = 'waiting' and coalesce(t.reason, 'behind') = 'behind' and not exists (
        select 1 from troubles b where b.handler = t.handler and b.shard = t.shard and b.stream = t.stream
           and b.position < t.position and b.state in ('retrying', 'waiting', 'dead')))""",
}

# What the tick at the last check had seen was looked at then.
_UNSEQUENCED = """
select e.id, e.event_type from events e left join event_log l on l.event_id = e.id
 where l.position is null and e.xid < pg_snapshot_xmin((select snapshot from ticks order by position desc limit 1))
   and e.xid >= case when :since = 0 then '0'::xid8 else coalesce((select pg_snapshot_xmin(snapshot) from ticks
     where position <= :since order by position desc limit 1), '0'::xid8) end
"""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a check found. `problems` maps the kind of problem to (where, what), the first of them."""

    since: int
    until: int
    problems: dict[str, list[tuple[object, object]]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many problems were found; those beyond the first of a kind are not counted out."""
        return sum(len(found) for found in self.problems.values())


MEANINGS = {
    "lost": "reached by delivery, and neither handled nor in trouble",
    "doubled": "handled and in trouble at once",
    "repeated": "a handler that is noted more than once for an event",
    "cut": "an aggregate that counts more events than are stored: its newest are gone",
    "hole": "a position at which the log holds nothing",
    "unaccounted": "handled beyond the progress, or passed without a row",
    "gap": "an event whose predecessor is missing",
    "reordered": "an event that stands before its predecessor",
    "stuck": "open, and nothing would ever make it run",
    "unsequenced": "committed before the newest tick, and without a position",
}


def verify(since: int = 0, until: int | None = None) -> Report:
    """Check the events after one position, up to another (by default the newest), in one view of the database."""
    session = db.session()
    session.rollback()
    dialect = session.get_bind().dialect.name
    try:
        if dialect == "postgresql":
            session.connection(execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True})
        if until is None:
            until = session.scalar(select(func.max(EventLog.position))) or 0
        problems = {}
        statements = _statements(dialect)
        if since == 0:
            statements["cut"] = _newest_events_of_aggregates(session)
        for kind, statement in statements.items():
            found = _look(session, statement, since, until)
            if found:
                problems[kind] = found
    finally:
        session.rollback()
    return Report(since=since, until=until, problems=problems)


def _statements(dialect: str) -> dict[str, str]:
    words = {"{is_handled}": _IS_HANDLED[dialect], "{is_repeated}": _IS_REPEATED[dialect]}
    statements = dict(_CHECKS)
    for word, meaning in words.items():
        statements = {kind: sql.replace(word, meaning) for kind, sql in statements.items()}
    if dialect == "postgresql":
        statements["unsequenced"] = _UNSEQUENCED
    return statements


def _newest_events_of_aggregates(session: Session) -> str:
    """Return the statement that finds aggregates which count more events than are stored."""
    tables = set(inspect(session.connection()).get_table_names())
    parts = [
        f"select '{name}' as kind, t.id from {class_.__tablename__} t where t.event_count > coalesce((select"
        f" max(e.aggregate_seq) from events e where e.aggregate_type = '{name}' and e.aggregate_id = t.id), 0)"
        for name, class_ in sorted(AGGREGATES.items())
        if class_.__tablename__ in tables
    ]
    return f"select kind, id from ({' union all '.join(parts)}) counted"


def _look(session: Session, statement: str, since: int, until: int) -> list[tuple[object, object]]:
    given = {"since": since, "until": until}
    wanted = {name: value for name, value in given.items() if f":{name}" in statement}
    rows = session.execute(text(f"{statement} limit {SHOWN}"), wanted)
    return [(row[0], row[1]) for row in rows]


def verified_position() -> int:
    """Return the position up to which the last check looked."""
    last = db.session.scalar(select(func.max(Verification.until_position)))
    return int(last or 0)


@every(60)
def verify_what_is_new() -> Report:
    """Check what came since the last check, and write down what was found; what was bad is looked at again."""
    last = db.session.scalars(select(Verification).order_by(Verification.id.desc()).limit(1)).one_or_none()
    since = 0 if last is None else (last.since_position if last.problems else last.until_position)
    # What is still on its way is looked at the next time.
    report = verify(since, min(_passed_by_all(), _newest()))
    write_down(report)
    return report


@action
def write_down(report: Report) -> None:
    """Keep the result of a check."""
    db.session.add(
        Verification(
            since_position=report.since,
            until_position=max(report.since, report.until),
            at=clock.now(),
            problems=report.count,
        )
    )


def _newest() -> int:
    return int(db.session.scalar(select(func.max(EventLog.position))) or 0)


def _passed_by_all() -> int:
    """Return the position below which every shard is delivered."""
    pending = db.session.scalar(
        text(
            f"select min(l.position) from event_log l left join {_REACHED} p on p.shard = l.shard"
            " where l.position > :verified and l.position > coalesce(p.position, 0)"
        ),
        {"verified": verified_position()},
    )
    return _newest() if pending is None else int(pending) - 1
