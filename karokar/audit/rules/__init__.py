"""What a record's content is, how records hang together, and what is signed with keys outside the database."""

from karokar.audit.rules.chain import Evidence, Finding, content_hash, first_fault, summary
from karokar.audit.rules.signatures import FIRST_LINK, Checkpoint, Keys, next_link, stored_hash

__all__ = [
    "FIRST_LINK",
    "Checkpoint",
    "Evidence",
    "Finding",
    "Keys",
    "content_hash",
    "first_fault",
    "next_link",
    "stored_hash",
    "summary",
]
