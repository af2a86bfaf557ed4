"""Parts of pages that refresh themselves: see `data-kk-live` in docs/console.md."""

import zlib
from typing import Any

from flask import make_response, render_template, request, url_for
from werkzeug.wrappers import Response


def live_part(template: str, **values: Any) -> Response:
    """Answer a part of a page: 204 while it reads as the page has it, else its HTML and where to ask next.

    For parts that are cheaper to write than to compare.
    """
    text = render_template(template, **values)
    mark = f"{zlib.crc32(text.encode()):08x}"
    if request.args.get("at") == mark:
        return make_response("", 204)
    response = make_response(text)
    response.headers["X-Live-Url"] = url_for(str(request.endpoint), **(request.view_args or {}), at=mark)
    return response
