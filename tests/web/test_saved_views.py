"""Saved views: filters under a name, found again above their list."""

from karokar.kernel.ids import new_id
from tests.web.conftest import OTHER, asha


def save(desk, client, **changes):
    fields = {"endpoint": "runs.index", "query": "status=FAILED&sort=title", "name": "Broken  runs", "next": "/runs/"}
    return client.post("/views", data={**desk.token(client), **fields, **changes})


def test_a_saved_view_is_offered_above_its_list(desk):
    client = desk.client()
    assert save(desk, client).location == "/runs/"
    page = client.get("/runs/").text
    assert 'href="/runs/?status=FAILED&amp;sort=title"' in page
    assert "Broken runs" in page
    assert 'aria-current="true"' in client.get("/runs/?sort=title&status=FAILED").text


def test_a_view_is_seen_by_colleagues_only_when_shared_and_by_no_other_tenant(desk):
    client = desk.client()
    save(desk, client)
    desk.actor = asha(user_id=new_id())
    assert "Broken runs" not in desk.client().get("/runs/").text
    desk.actor = asha()
    save(desk, client, shared="y")
    desk.actor = asha(user_id=new_id())
    assert "Broken runs" in desk.client().get("/runs/").text
    desk.actor = asha(organization_id=OTHER)
    assert "Broken runs" not in desk.client().get("/runs/").text


def test_only_its_owner_removes_a_view(desk):
    client = desk.client()
    save(desk, client, shared="y")
    page = client.get("/views").text
    path = page.split('/remove"')[0].rsplit('action="', 1)[1] + "/remove"
    desk.actor = asha(user_id=new_id())
    other = desk.client()
    assert other.post(path, data=desk.token(other)).status_code == 404
    desk.actor = asha()
    assert client.post(path, data=desk.token(client)).status_code == 303
    assert "Broken runs" not in client.get("/views").text


def test_a_view_needs_a_name_and_a_list(desk):
    client = desk.client()
    assert save(desk, client, name="  ").status_code == 422
    assert save(desk, client, endpoint="nowhere.index").status_code == 404
    assert save(desk, client, endpoint="runs.show").status_code == 404
