"""Static files under names that carry a hash of their content: cached for a year, compressed once.

`asset("css/kk.css")` gives "/static/css/kk.3f2a9c11d0.css". A file's own name without a hash works too, cached briefly.
"""

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, current_app, g, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join

from karokar.kernel.permissions import public

_HASHED = re.compile(r"^(?P<stem>.+)\.(?P<digest>[0-9a-f]{10})(?P<suffix>\.[a-z0-9]+)$")
_TEXT = (".css", ".js", ".svg", ".json", ".txt", ".map")
_YEAR = 31_536_000


@dataclass(frozen=True)
class Asset:
    """One static file as it is sent."""

    content: bytes
    packed: bytes | None
    digest: str
    media_type: str


@lru_cache(maxsize=512)
def _read(path: str, _changed_at: int) -> Asset:
    content = Path(path).read_bytes()
    packed = gzip.compress(content, 9, mtime=0) if path.endswith(_TEXT) and len(content) > 500 else None
    media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
    if path.endswith(".js"):
        media_type = "text/javascript"
    return Asset(content, packed, hashlib.sha256(content).hexdigest()[:10], media_type)


def find_asset(root: str, name: str) -> Asset | None:
    """Return the static file of that name, read once; None where there is none."""
    path = safe_join(root, name)
    if path is None:
        return None
    try:
        changed_at = Path(path).stat().st_mtime_ns
        return _read(path, changed_at)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def asset(name: str) -> str:
    """Return the address of a static file, with the hash of its content in the name.

    Raises FileNotFoundError where there is no such file, so that a slip of the pen never reaches a reader.
    """
    # A page names the file of its icons some forty times.
    known: dict[str, str] = g.setdefault("karokar_assets", {})
    if name not in known:
        known[name] = _address(name)
    return known[name]


def _address(name: str) -> str:
    found = find_asset(_root(current_app), name)
    if found is None:
        message = f"There is no static file {name}."
        raise FileNotFoundError(message)
    stem, dot, suffix = name.rpartition(".")
    return url_for("static", filename=f"{stem}.{found.digest}{dot}{suffix}")


def _root(app: Flask) -> str:
    return str(Path(app.root_path).parent / "static")


@public
def serve(filename: str) -> Response:
    """Send a static file, compressed where the client takes that; its hash in the name makes it cacheable for ever."""
    root = _root(current_app)
    match = _HASHED.match(filename)
    found = find_asset(root, match["stem"] + match["suffix"]) if match else None
    is_pinned = bool(match and found and found.digest == match["digest"])
    if found is None:
        found = find_asset(root, filename)
    if found is None:
        raise NotFound
    response = Response(mimetype=found.media_type)
    response.set_etag(found.digest)
    response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable" if is_pinned else "public, max-age=60"
    if found.packed is not None:
        response.headers["Vary"] = "Accept-Encoding"
    if found.packed is not None and request.accept_encodings.best_match(["gzip"]) == "gzip":
        response.data = found.packed
        response.headers["Content-Encoding"] = "gzip"
    else:
        response.data = found.content
    response.make_conditional(request)
    return response


def install(app: Flask) -> None:
    """Serve the static files of the project in place of Flask's own way."""
    app.view_functions["static"] = serve
    app.jinja_env.globals["asset"] = asset
