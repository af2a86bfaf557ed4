"""A small fuzz of every route and form: always the same requests. `bin/fuzz` sends many more, different each time."""

import pytest
from markupsafe import escape

from karokar.kernel.ids import new_id
from tests.access.test_routes import Viewer, viewers
from tests.fuzz.fuzzing import XSS, Fuzzer, _wrong

__all__ = ["viewers"]


def test_no_odd_request_brings_out_what_must_stay_inside(app, viewers):
    fuzzer = Fuzzer(app, seed=20261201)
    fuzzer.run(viewers)
    assert not fuzzer.findings, "\n".join(map(str, fuzzer.findings))
    assert fuzzer.sent > 800


@pytest.mark.parametrize("sent", XSS[:5])
def test_markup_that_comes_back_is_found_and_text_is_not(sent):
    viewer = Viewer("vendor", None, {}, {"run_id": new_id()})
    for place in ("<p>{}</p>", "<textarea>{}</textarea>", '<input value="{}">', "<input value='{}'>"):
        assert not list(_wrong(viewer, 200, place.format(escape(sent)), "text/html", ""))
    raw = [
        list(_wrong(viewer, 200, place.format(sent), "text/html", "")) for place in ("<p>{}</p>", '<input value="{}">')
    ]
    assert any(raw)


def test_failures_inside_views_and_foreign_ids_are_found():
    viewer = Viewer("vendor", None, {}, {"run_id": new_id()})
    assert list(_wrong(viewer, 500, "", "text/html", ""))
    assert list(_wrong(viewer, 200, "Traceback (most recent call last)", "text/plain", ""))
    assert list(_wrong(viewer, 200, str(viewer.foreign["run_id"]), "application/json", ""))
    assert not list(
        _wrong(viewer, 404, str(viewer.foreign["run_id"]), "application/json", f"/runs/{viewer.foreign['run_id']}")
    )
