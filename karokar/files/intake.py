"""What is handed in: received, scanned, looked at and cleaned, before any transaction begins; or refused by name."""

import contextlib
import hashlib
import mmap
import os
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from karokar.files import bounded, scanner
from karokar.files.formats import kinds, pdf, pictures
from karokar.files.incoming import PIECE, receive
from karokar.kernel.settings import settings
from karokar.kernel.text.normalization import is_of_a_word

MEGABYTE = 1024 * 1024
_TAIL = 2048
_SHOWN_NAME = 80

EMPTY, TOO_LARGE, UNKNOWN = "EMPTY", "TOO_LARGE", "UNKNOWN"
_LIMIT_REACHED, _TOO_BUSY = "LIMIT_REACHED", "TOO_BUSY"
_AGAIN = "Open it to see whether it is complete, then choose it again."
_SENTENCES = {
    EMPTY: "{name} is empty.",
    TOO_LARGE: "{name} is larger than {most} MB. Choose a smaller one.",
    UNKNOWN: "{name} isn't a {kinds}, whatever its name says. Save it as one of them and choose that.",
    pictures.DAMAGED: f"{{name}} is damaged or was cut off. {_AGAIN}",
    pictures.TOO_MANY_PIXELS: "{name} has more pixels than can be shown. Make the picture smaller.",
    pictures.SEVERAL_PAGES: "{name} has several pages. Save it as a PDF and choose that.",
    pictures.RAW: "{name} is a raw photo. Choose the JPEG that the camera or phone makes of it.",
    pictures.UNREADABLE: (
        "{name} is damaged or was cut off, or is of a kind that can't be read here. Save it as a JPEG and choose that "
        "(on an iPhone: Settings, Camera, Formats, Most Compatible, then take it again)."
    ),
    pdf.LOCKED: "{name} asks for a password. Save a copy without a password (print it to PDF) and choose that.",
    _LIMIT_REACHED: "{name} takes too much time or memory to read. Save it as a smaller JPEG or PDF.",
    _TOO_BUSY: "Too many files are being read at the moment. Choose {name} again in a minute.",
    scanner.INFECTED: "{name} contains malware and was not kept.",
    scanner.UNREACHABLE: (
        "Files can't be checked for malware at the moment, so {name} was not kept. Try again in a few minutes."
    ),
}


class FileRefused(Exception):
    """A file that is not accepted: why, as a code, and the sentence that names it and says what to do."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason, self.sentence = reason, sentence


@dataclass(frozen=True)
class AcceptedFile:
    """A file as it will be kept, until then in a place of its own.

    `sha256` is that of what will be kept, `received_sha256` that of what was sent: the same file sent twice is known by
    it, whatever cleaning made of it. `field` is where in a form it was chosen.
    """

    path: Path
    filename: str
    media_type: str
    size: int
    sha256: str
    received_sha256: str
    field: str = field(default="", compare=False)

    def discard(self) -> None:
        """Forget the file."""
        self.path.unlink(missing_ok=True)


def accept(
    filename: str, stream: IO[bytes], *, allowed: Collection[str] = kinds.DOCUMENTS, in_field: str = ""
) -> AcceptedFile:
    """Return the file that is kept of what was sent. Raises FileRefused.

    Takes as long as reading the file takes, and opens no transaction. Whoever asked keeps the file or discards it.
    """
    most = settings().max_upload_mb
    name = filename.strip()[:_SHOWN_NAME] or "The file"
    with receive(stream, most * MEGABYTE) as sent:
        try:
            reason, path, media_type = _looked_at(sent.path, sent.size, most * MEGABYTE, allowed)
        except bounded.LimitReached:
            reason = _LIMIT_REACHED
        except bounded.TooBusy:
            reason = _TOO_BUSY
        if reason:
            names = "PDF or a picture of a kind" if kinds.PDF in allowed else "picture of a kind"
            names += " that can be read here (JPEG, PNG, HEIC, WebP, AVIF, TIFF)"
            raise FileRefused(reason, _SENTENCES[reason].format(name=name, most=most, kinds=names))
        return AcceptedFile(
            path=path,
            filename=clean_filename(filename, media_type),
            media_type=media_type,
            size=path.stat().st_size,
            sha256=hash_of(path),
            received_sha256=sent.sha256,
            field=in_field,
        )


def _looked_at(sent: Path, size: int, most: int, allowed: Collection[str]) -> tuple[str, Path, str]:
    """Return why the file is refused ("" where it is not), where what is kept of it lies, and its media type."""
    if size == 0:
        return EMPTY, sent, ""
    if size > most:
        return TOO_LARGE, sent, ""
    with sent.open("rb") as file:
        media_type = kinds.sniff(file.read(64))
    if media_type is None or media_type not in allowed:
        return UNKNOWN, sent, ""
    if refusal := scanner.scan(sent):
        return refusal, sent, ""
    path = _place()
    try:
        if media_type == kinds.PDF:
            reason = _pdf_problem(sent)
            if not reason:
                sent.replace(path)
        else:
            found = bounded.run("picture", sent, path, media_type=media_type)
            reason, media_type = found.get("refused", ""), found.get("media_type", "")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if reason:
        path.unlink(missing_ok=True)
    return reason, path, media_type


def _pdf_problem(sent: Path) -> str:
    # Looked through where it lies: a large file is not held in memory for it.
    with sent.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if b"%%EOF" not in content[-_TAIL:]:
            return pictures.DAMAGED
        if not pdf.may_be_locked(content):
            return ""
    found: str = bounded.run("pdf", sent).get("refused", "")
    return found


def clean_stored(content: bytes, media_type: str) -> bytes | None:
    """Return what is kept of a picture that was stored before pictures were cleaned.

    None where its parts cannot be told from each other. Raises LimitReached and TooBusy.
    """
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(_written(content))
        made = _place()
        stack.callback(made.unlink, missing_ok=True)
        found = bounded.run("stored", old, made, media_type=media_type)
        return None if "refused" in found else made.read_bytes()


@contextlib.contextmanager
def _written(content: bytes) -> Iterator[Path]:
    path = _place()
    try:
        path.write_bytes(content)
        yield path
    finally:
        path.unlink(missing_ok=True)


def of_content(
    content: bytes, filename: str, media_type: str, received_sha256: str, in_field: str = ""
) -> AcceptedFile:
    """Return a file that was accepted before, from its bytes."""
    path = _place()
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return AcceptedFile(path, filename, media_type, len(content), digest, received_sha256, in_field)


def _place() -> Path:
    """Return an empty file of this user only; what a process that died leaves there is swept away."""
    folder = settings().data / "incoming"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder)
    os.close(descriptor)
    return Path(name)


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file, read piece by piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def clean_filename(name: str, media_type: str) -> str:
    """Return a file name that is safe in headers and on every system, ending as its content says."""
    base = name.replace("\\", "/").rsplit("/", maxsplit=1)[-1].rsplit(".", maxsplit=1)[0]
    kept = "".join(letter if is_of_a_word(letter) or letter in " -_." else "_" for letter in base).strip(" .")
    return f"{kept[:80] or 'document'}.{kinds.KEPT[media_type]}"
