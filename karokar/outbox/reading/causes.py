"""What led to what: the tree of all events that one request, job or tick set off."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select

from karokar.kernel.actor import Actor
from karokar.kernel.db import db
from karokar.outbox.models import EventLog, EventRow
from karokar.outbox.reading.search import FoundEvent, see

LARGEST_TREE = 500


@dataclass(kw_only=True)
class Node:
    """An event and what it caused. `hidden` counts direct consequences that the viewer may not see."""

    event: FoundEvent
    children: list["Node"] = field(default_factory=list)
    hidden: int = 0
    depth: int = 0

    def walk(self) -> Iterator["Node"]:
        """This node and everything below it, in the order in which it is read."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, kw_only=True)
class CauseTree:
    """All that belongs to one correlation. `hidden` counts events at the root that the viewer may not see.

    `is_cut` tells that there is more than LARGEST_TREE events.
    """

    correlation_id: UUID
    roots: Sequence[Node]
    hidden: int = 0
    is_cut: bool = False

    @property
    def nodes(self) -> list[Node]:
        """Every event of the tree, in the order in which it is read."""
        return [node for root in self.roots for node in root.walk()]

    @property
    def seconds(self) -> float:
        """How long it took from the first event to the last."""
        times = [node.event.occurred_at for node in self.nodes]
        return (max(times) - min(times)).total_seconds() if times else 0.0


def cause_tree(correlation_id: UUID, viewer: Actor) -> CauseTree:
    """Return the tree of a correlation as the viewer may see it.

    What another tenant keeps to itself is counted, never named; a visible consequence of a hidden event hangs on the
    nearest visible one before it.
    """
    rows = db.session.execute(
        select(EventLog.position, EventRow)
        .select_from(EventRow)
        .outerjoin(EventLog, EventLog.event_id == EventRow.id)
        .where(EventRow.correlation_id == correlation_id)
        .order_by(EventRow.id)
        .limit(LARGEST_TREE + 1)
    ).all()
    nodes: dict[UUID, Node] = {}
    causes: dict[UUID, UUID | None] = {}
    hidden_below: dict[UUID | None, int] = {}
    roots: list[Node] = []
    for position, row in rows[:LARGEST_TREE]:
        cause = UUID(row.meta["causationId"]) if row.meta.get("causationId") else None
        causes[row.event_id] = cause
        parent = _nearest(cause, nodes, causes)
        found = see(row, position, viewer)
        if found is None:
            key = parent.event.event_id if parent else None
            hidden_below[key] = hidden_below.get(key, 0) + 1
            continue
        node = Node(event=found, depth=parent.depth + 1 if parent else 0)
        nodes[row.event_id] = node
        (parent.children if parent else roots).append(node)
    for event_id, count in hidden_below.items():
        if event_id is not None:
            nodes[event_id].hidden = count
    return CauseTree(
        correlation_id=correlation_id,
        roots=roots,
        hidden=hidden_below.get(None, 0),
        is_cut=len(rows) > LARGEST_TREE,
    )


def _nearest(cause: UUID | None, nodes: dict[UUID, Node], causes: dict[UUID, UUID | None]) -> Node | None:
    """Return the nearest visible event on the way up; causes are recorded before what they cause."""
    while cause is not None and cause not in nodes:
        cause = causes.get(cause)
    return nodes[cause] if cause is not None else None
