"""What no text holds is refused before any page looks at it: a NUL is no letter, and PostgreSQL stores none."""

from itertools import chain

from flask import Flask, abort, request


def refuse() -> None:
    """Answer 400 to an address or a form with a NUL in it."""
    texts = chain([request.path], *request.args.items(multi=True), *request.form.items(multi=True))
    if any("\0" in text for text in texts):
        abort(400)


def install(app: Flask) -> None:
    """Look at every request."""
    app.before_request(refuse)
