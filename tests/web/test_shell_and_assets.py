"""The frame, the headers and the static files."""

import gzip
import hashlib
import re
from pathlib import Path

import pytest
from flask import url_for

from karokar.config import PROJECT
from karokar.web.responses.assets import asset
from karokar.web.responses.headers import CONTENT_POLICY
from karokar.web.shell.states import STATES, state_of
from tests.web.conftest import asha

VENDORED = [PROJECT / "static" / "vendor", PROJECT / "tests" / "browser" / "vendor"]
PARTS = PROJECT / "templates"


def _entries(folder: Path) -> list[list[str]]:
    lines = (folder / "manifest").read_text().splitlines()
    return [line.split("  ") for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("folder", VENDORED, ids=["static", "tests"])
def test_third_party_files_are_exactly_those_of_the_manifest(folder):
    listed = {name: digest for digest, name, *_ in _entries(folder)}
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != "manifest"}
    assert set(listed) == there
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


def test_each_third_party_package_has_its_licence_beside_it():
    for entry in _entries(VENDORED[0]):
        assert (VENDORED[0] / entry[1]).parent.joinpath("LICENSE").read_text()
        assert len(entry) == 5


def test_every_icon_that_a_template_asks_for_is_in_the_sprite():
    sprite = (PROJECT / "static/vendor/tabler-icons/sprite.svg").read_text()
    there = set(re.findall(r'<symbol id="([^"]+)"', sprite))
    asked = {state.icon for states in STATES.values() for state in states.values()}
    for template in PARTS.rglob("*.html"):
        asked |= set(re.findall(r'\bicon\("([a-z0-9-]+)"\)', template.read_text()))
    assert asked <= there


def test_no_template_holds_inline_style_or_script():
    for template in PARTS.rglob("*.html"):
        if "email" in template.parts:
            continue
        text = template.read_text()
        assert not re.search(r'\sstyle="', text), template
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), template
        assert not re.search(r"\son[a-z]+=", text), template
        assert "hx-on" not in text, template


def test_own_style_and_script_stay_small():
    sizes = {
        name: len(gzip.compress((PROJECT / "static" / name).read_bytes(), 9)) for name in ("css/kk.css", "js/kk.js")
    }
    print(sizes)
    assert sizes["css/kk.css"] < 12_000
    # Each part stands alone, so that one that fails harms no other: that takes some bytes.
    assert sizes["js/kk.js"] < 6_500


def test_an_asset_is_cached_for_ever_under_its_hash_and_comes_compressed(desk):
    with desk.app.test_request_context():
        address = asset("css/kk.css")
    assert re.fullmatch(r"/static/css/kk\.[0-9a-f]{10}\.css", address)
    answer = desk.client().get(address, headers={"Accept-Encoding": "gzip"})
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data) == (PROJECT / "static/css/kk.css").read_bytes()
    plain = desk.client().get(address)
    assert plain.data == (PROJECT / "static/css/kk.css").read_bytes()


def test_pages_come_compressed_to_whoever_takes_that(desk):
    plain = desk.client().get("/keys")
    packed = desk.client().get("/keys", headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert b"Keyboard map" in gzip.decompress(packed.data)
    assert len(packed.data) < len(plain.data) / 2


def test_an_asset_with_a_wrong_hash_is_not_cached_for_ever(desk):
    answer = desk.client().get("/static/css/kk.0123456789.css")
    assert answer.status_code == 200
    assert "immutable" not in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["../wsgi.py", "css/../../README.md", "css", "nothing.css"])
def test_nothing_outside_the_static_files_is_served(desk, path):
    assert desk.client().get(f"/static/{path}").status_code == 404


def test_every_answer_carries_the_strict_headers(desk):
    for path in ("/", "/nothing", "/healthz", "/fails/rule"):
        headers = desk.client().get(path, headers={"Origin": "https://elsewhere.example"}).headers
        assert headers["Content-Security-Policy"] == CONTENT_POLICY
        assert [name for name, _value in headers if name.lower().startswith("access-control-")] == []
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "no-store" in headers["Cache-Control"]
        assert "HX-Request" in headers["Vary"]


def test_the_process_says_that_it_lives_and_that_it_can_serve(desk):
    assert desk.client().get("/healthz").get_json() == {"status": "ok"}
    ready = desk.client().get("/readyz")
    assert (ready.status_code, ready.get_json()["checks"]) == (200, {"database": "ok", "migrations": "ok"})


def test_the_navigation_offers_only_what_the_person_may_open(desk):
    page = desk.client().get("/").text
    assert ">Runs</a>" in page.replace("</svg>", "")
    desk.actor = asha(permissions={})
    assert "Events console" not in desk.client().get("/").text


def test_a_suspended_organization_is_told_on_every_page(desk):
    desk.actor = asha(organization_status="SUSPENDED")
    assert "Your organization is suspended" in desk.client().get("/").text


@pytest.mark.parametrize(("theme", "shown"), [("dark", "dark"), ("light", "light"), ("purple", "auto")])
def test_the_theme_is_remembered(desk, theme, shown):
    client = desk.client()
    answer = client.post("/theme", data={**desk.token(client), "theme": theme, "next": "/keys"})
    assert answer.location == "/keys"
    assert f'data-kk-theme="{shown}"' in client.get("/").text


def test_the_way_back_never_leads_to_another_site(desk):
    client = desk.client()
    for target in ("https://evil.example/x", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        answer = client.post("/theme", data={**desk.token(client), "theme": "dark", "next": target})
        assert answer.location == "/", target


def test_single_keys_can_be_switched_off(desk):
    client = desk.client()
    client.post("/keys", data={**desk.token(client), "keys": "off"})
    assert 'data-keys="off"' in client.get("/").text


def test_search_finds_pages_by_name(desk):
    page = desk.client().get("/search?part=1&q=runs").text
    assert 'href="/runs/"' in page
    assert "<html" not in page
    assert "Nothing is called" in desk.client().get("/search?q=zzzz").text


def test_an_unknown_status_is_shown_by_its_own_name():
    assert state_of("booking", "ON_HOLD").word == "On hold"


def test_sprite_and_style_have_addresses(desk):
    with desk.app.test_request_context():
        assert url_for("static", filename="css/kk.css") == "/static/css/kk.css"
        with pytest.raises(FileNotFoundError):
            asset("css/none.css")
