"""What audit offers to shared pages."""

from karokar.audit import queries
from karokar.kernel.ports import Console, Entry

CONSOLE = Console(
    navigation=(
        Entry(
            label="Audit log",
            icon="fingerprint",
            endpoint="audit.index",
            group="Organization",
            place=90,
            permission="audit.read",
            key="l",
        ),
    ),
    producers={"audit": "Audit"},
    metrics=queries.figures,
)
