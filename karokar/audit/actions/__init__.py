"""What is done with records: seal them, compare them, sign how far they are, send that, note who took them."""

from karokar.audit.actions.checkpoints import contradiction, newest_checkpoint, read_checkpoints, write_checkpoint
from karokar.audit.actions.delivery import mail_checkpoint, note_taken, post_checkpoint
from karokar.audit.actions.sealing import compare_with_log, record_export, seal_chain, seal_some
from karokar.audit.actions.watching import note_verification, watch_chain

__all__ = [
    "compare_with_log",
    "contradiction",
    "mail_checkpoint",
    "newest_checkpoint",
    "note_taken",
    "note_verification",
    "post_checkpoint",
    "read_checkpoints",
    "record_export",
    "seal_chain",
    "seal_some",
    "watch_chain",
    "write_checkpoint",
]
