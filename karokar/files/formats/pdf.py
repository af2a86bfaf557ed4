"""Whether a PDF opens without a password. Runs in the process with limits only."""

import mmap
import re
from pathlib import Path
from typing import Any

LOCKED = "LOCKED"

# The name may be written with any of its letters as #xx.
_ENCRYPT = re.compile(b"/" + b"".join(b"(?:%c|#%02x|#%02X)" % (letter, letter, letter) for letter in b"Encrypt"))


def may_be_locked(content: bytes | mmap.mmap) -> bool:
    """Whether a PDF says anywhere that it is encrypted: where it does not, nobody has to open it to know."""
    return _ENCRYPT.search(content) is not None


def look_at(source: Path, _target: Path) -> dict[str, Any]:
    """Return `refused` for a PDF that nobody can open without a password or a certificate.

    One that is encrypted with an empty password opens everywhere, and is accepted.
    """
    import pikepdf

    try:
        with pikepdf.open(source):
            return {}
    except pikepdf.PasswordError:
        return {"refused": LOCKED}
    except pikepdf.PdfError:
        # It says that it is encrypted, in a way that cannot be undone without a key.
        return {"refused": LOCKED}
