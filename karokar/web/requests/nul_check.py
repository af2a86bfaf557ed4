"""Refuses NUL characters before any page looks at a request: they are part of no text, and PostgreSQL stores none."""

from flask import Flask, abort, request

from karokar.kernel.errors import RuleBroken
from karokar.web.responses.problems import wants_json


def refuse() -> None:
    """Answer 400 to an address or a form with a NUL in it, and 422 to a program, naming the parameter."""
    fields = [("the address", request.path), *request.args.items(multi=True), *request.form.items(multi=True)]
    for name, value in fields:
        if "\0" in name + value:
            if wants_json():
                shown = name.replace("\0", "")
                raise RuleBroken("INVALID_PARAMETER", f"{shown} contains a NUL character (%00): leave it out.")
            abort(400)


def install(app: Flask) -> None:
    """Look at every request."""
    app.before_request(refuse)
