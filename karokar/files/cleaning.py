"""Cleans pictures that were stored before pictures were cleaned when they come in.

A row without a hash is one that has not been cleaned. The clock works through them, and one that somebody asks for is
cleaned first, so that nobody is sent what was not.
"""

import hashlib
from typing import Any
from uuid import UUID

from sqlalchemy import select

from karokar.files import bounded
from karokar.files.formats import kinds
from karokar.files.intake import clean_stored
from karokar.kernel.db import db, transaction
from karokar.kernel.schedule import work_through

AT_ONCE = 20
"""Pictures cleaned in one go of the clock: each may take a second."""


def clean_photos(photos: type[Any]) -> int:
    """Clean some rows of a table of photos that have not been cleaned, and return how many."""
    found = select(photos.id).where(photos.sha256.is_(None)).order_by(photos.id)
    return work_through(found, lambda photo_id: clean_photo(photos, photo_id), at_most=AT_ONCE)


def clean_photo(photos: type[Any], photo_id: UUID) -> bool:
    """Clean one photo, and return whether there was something to do. One whose parts can't be told from each other
    stays as it is and is not shown. Raises TooBusy.
    """
    row = db.session.execute(
        select(photos.content, photos.media_type).where(photos.id == photo_id, photos.sha256.is_(None))
    ).one_or_none()
    if row is None:
        return False
    content, media_type = cleaned(row.content, row.media_type)
    with transaction() as session:
        photo = session.get(photos, photo_id, populate_existing=True, with_for_update=True)
        if photo is None or photo.sha256 is not None:
            return False
        photo.content, photo.media_type = content, media_type
        photo.sha256 = hashlib.sha256(content).hexdigest()
    return True


def cleaned(content: bytes, media_type: str) -> tuple[bytes, str]:
    """Return a stored picture without what is not the picture, and its type: that of files which are not shown where
    it can't be told what is what. Raises TooBusy.
    """
    db.session.rollback()  # Nothing stays open while another process works.
    try:
        made = clean_stored(content, media_type)
    except bounded.LimitReached:
        made = None
    return (content, kinds.NOT_SHOWN) if made is None else (made, media_type)
