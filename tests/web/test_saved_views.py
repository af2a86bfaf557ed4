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


def paths(client, end):
    page = client.get("/views").text
    return [part.rsplit('action="', 1)[1] + f"/{end}" for part in page.split(f'/{end}"')[:-1]]


def test_a_view_is_renamed_by_its_owner_and_no_two_have_one_name(desk):
    client = desk.client()
    save(desk, client)
    save(desk, client, name="Others", query="status=DONE", shared="y")
    broken, others = paths(client, "rename")
    assert client.post(broken, data={**desk.token(client), "name": "Failed  ones"}).status_code == 303
    assert "Failed ones" in client.get("/runs/").text
    assert client.post(broken, data={**desk.token(client), "name": "Others"}).status_code == 422
    assert client.post(broken, data={**desk.token(client), "name": " "}).status_code == 422
    desk.actor = asha(user_id=new_id())
    other = desk.client()
    assert other.post(others, data={**desk.token(other), "name": "Mine"}).status_code == 404


def test_a_list_opens_with_the_view_that_one_made_its_default(desk):
    client = desk.client()
    save(desk, client, shared="y")
    (path,) = paths(client, "default")
    assert client.post(path, data={**desk.token(client), "default": "y"}).status_code == 303
    answer = client.get("/runs/")
    assert (answer.status_code, answer.location) == (303, "/runs/?status=FAILED&sort=title")
    page = client.get(answer.location).text
    assert 'href="/runs/?all=yes"' in page
    assert client.get("/runs/?all=yes").status_code == client.get("/runs/?status=").status_code == 200
    desk.actor = asha(user_id=new_id())
    assert desk.client().get("/runs/").status_code == 200
    desk.actor = asha()
    client.post(path, data={**desk.token(client), "default": "n"})
    assert client.get("/runs/").status_code == 200


def test_a_colleague_s_view_is_a_default_for_as_long_as_it_is_shared(desk):
    client = desk.client()
    save(desk, client, shared="y")
    (path,) = paths(client, "default")
    colleague = asha(user_id=new_id())
    desk.actor = colleague
    other = desk.client()
    assert other.post(path, data={**desk.token(other), "default": "y"}).status_code == 303
    assert other.get("/runs/").status_code == 303
    desk.actor = asha(organization_id=OTHER)
    stranger = desk.client()
    assert stranger.post(path, data={**desk.token(stranger), "default": "y"}).status_code == 404
    desk.actor = asha()
    client.post(paths(client, "share")[0], data={**desk.token(client), "shared": "n"})
    desk.actor = colleague
    assert desk.client().get("/runs/").status_code == 200


def test_a_default_view_that_is_removed_is_none_any_more(desk):
    client = desk.client()
    save(desk, client)
    client.post(paths(client, "default")[0], data={**desk.token(client), "default": "y"})
    client.post(paths(client, "remove")[0], data=desk.token(client))
    assert client.get("/runs/").status_code == 200
