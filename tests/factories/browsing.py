"""A browser without JavaScript: what a page says, and how its forms are sent."""

import re
from html import unescape
from typing import Any

from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

_HIDDEN = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"')


def text_of(response: TestResponse) -> str:
    """What a page says, without its tags."""
    html = re.sub(r"<(script|style)\b.*?</\1>", " ", response.get_data(as_text=True), flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?bdi>", "", html))))


def forms_of(html: str) -> dict[str, dict[str, str]]:
    """The hidden fields of each form of a page that is sent by POST, by its address ("" for the page's own)."""
    found = {}
    for head, body in re.findall(r'<form method="post"([^>]*)>(.*?)</form>', html, flags=re.DOTALL):
        action = re.search(r'action="([^"]*)"', head)
        found[unescape(action[1]) if action else ""] = {name: unescape(value) for name, value in _HIDDEN.findall(body)}
    return found


def send(client: FlaskClient, page: str, url: str = "", **data: Any) -> TestResponse:
    """Open a page and send the form on it that goes to `url` (by default the page's own), filled in with `data`."""
    opened = client.get(page)
    assert opened.status_code == 200, text_of(opened)
    forms = forms_of(opened.get_data(as_text=True))
    assert url in forms, f"{page} has no form for {url or 'itself'}: {sorted(forms)}"
    return client.post(url or page, data={**forms[url], **data})


def send_large(client: FlaskClient, page: str, **data: Any) -> TestResponse:
    """Send the form of a page with files that are too large for the test client to forget them properly."""
    files = {name: FileStorage(*value) if isinstance(value, tuple) else value for name, value in data.items()}
    boundary, body = encode_multipart({**forms_of(client.get(page).text)[""], **files})
    return client.post(
        page,
        data=body,
        content_type=f"multipart/form-data; boundary={boundary}",
        headers={"Referer": f"http://localhost{page}"},
    )


def follow(client: FlaskClient, response: TestResponse) -> str:
    """Follow the answer to a sent form and return what the page then says."""
    assert response.status_code == 303, text_of(response)
    opened = client.get(response.location)
    assert opened.status_code == 200, text_of(opened)
    return text_of(opened)
