"""What every form and every refusal promises, whatever page it is on."""

import html
import io
import re
from dataclasses import replace

import pytest
from flask import request
from sqlalchemy import func, select

from karokar.app import create_app
from karokar.kernel.db import db
from karokar.kernel.ids import new_id
from karokar.web.models import FormSubmission
from tests.web.conftest import OTHER, asha


def test_a_form_with_its_token_does_its_work_and_leads_on(desk):
    client = desk.client()
    answer = client.post("/note", data={**desk.token(client), "title": "Oil"})
    assert (answer.status_code, answer.location, desk.done) == (303, "/note", ["Oil"])
    assert "Saved." in client.get("/note").text


@pytest.mark.parametrize("change", [{"csrf_token": ""}, {"csrf_token": "AAAA"}, {"csrf_token": "A" * 64}])
def test_a_form_without_a_valid_token_is_shown_again_and_does_nothing(desk, change):
    client = desk.client()
    answer = client.post("/note", data={**desk.token(client), "title": "Oil <b>", **change})
    assert answer.status_code == 403
    assert "Check and send again" in answer.text
    assert "Oil &lt;b&gt;" in answer.text
    assert desk.done == []


def test_the_form_shown_again_can_be_sent(desk):
    client = desk.client()
    client.get("/note")
    page = client.post("/note", data={"title": "Oil"}).text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.split("data-kk-form")[1]))
    assert client.post("/note", data={k: html.unescape(v) for k, v in fields.items()}).status_code == 303
    assert desk.done == ["Oil"]


def test_a_token_of_another_session_is_worth_nothing(desk):
    stolen = desk.token(desk.client())
    assert desk.client().post("/note", data={**stolen, "title": "Oil"}).status_code == 403


def test_what_comes_from_another_site_is_refused_even_with_a_token(desk):
    client = desk.client()
    data = {**desk.token(client), "title": "Oil"}
    assert client.post("/note", data=data, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.post("/note", data=data, headers={"Origin": "https://evil.example"}).status_code == 403
    assert desk.done == []


def test_each_rendering_masks_the_token_anew(desk):
    client = desk.client()
    assert desk.token(client)["csrf_token"] != desk.token(client)["csrf_token"]


def test_a_form_opened_before_the_secret_key_was_changed_can_still_be_sent(desk, monkeypatch):
    client = desk.client()
    data = {**desk.token(client), "title": "Oil"}
    monkeypatch.setitem(desk.app.config, "SECRET_KEY_FALLBACKS", [desk.app.config["SECRET_KEY"]])
    monkeypatch.setitem(desk.app.config, "SECRET_KEY", "Rotated-xV1mB9sLkT4wRnC8yH2pGfD6jA")
    assert client.post("/note", data=data).status_code == 303
    assert desk.done == ["Oil"]


def test_a_form_sent_twice_does_its_work_once_and_leads_to_the_same_place(desk):
    client = desk.client()
    data = {**desk.token(client), "title": "Oil"}
    first, second = client.post("/note", data=data), client.post("/note", data=data)
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.location == second.location
    assert desk.done == ["Oil"]


def test_a_refused_form_may_be_sent_again(desk):
    client = desk.client()
    data = desk.token(client)
    assert client.post("/note", data={**data, "title": ""}).status_code == 422
    assert client.post("/note", data={**data, "title": "Oil"}).status_code == 303
    assert db.session.scalar(select(func.count()).select_from(FormSubmission)) == 1


def test_a_form_opened_for_another_organization_says_so_and_does_nothing(desk):
    client = desk.client()
    data = desk.token(client)
    desk.actor = asha(organization_id=OTHER, organization_name="Meridian Textiles")
    answer = client.post("/note", data={**data, "title": "Oil"})
    assert answer.status_code == 409
    assert "Meridian Textiles" in answer.text
    assert desk.done == []


def test_errors_stand_at_their_field_and_in_a_summary_that_takes_the_focus(desk):
    client = desk.client()
    page = client.post("/note", data={**desk.token(client), "title": " ", "seats": "many"}).text
    assert "data-kk-focus" in page
    assert '<a href="#title">Title</a>: Give it a title.' in page
    assert re.search(r'<input[^>]*aria-describedby="title-hint title-error"[^>]*aria-invalid="true"', page)
    assert 'value="many"' in page


def test_a_domain_error_lands_at_the_field_that_it_names(desk):
    client = desk.client()
    answer = client.post("/note", data={**desk.token(client), "title": "forbidden word"})
    assert answer.status_code == 422
    assert "That word is taken." in answer.text
    assert 'value="forbidden word"' in answer.text


def test_a_domain_error_about_the_whole_stands_above_the_form(desk):
    client = desk.client()
    answer = client.post("/note", data={**desk.token(client), "title": "no field"})
    assert (answer.status_code, "It does not fit as a whole." in answer.text) == (422, True)


def test_a_lost_update_shows_both_versions_field_by_field_and_can_be_saved(desk):
    client = desk.client()
    data = desk.token(client, "/note?old=1")
    base = '{"title": "Old title", "seats": "5"}'
    answer = client.post(
        "/note?old=1", data={**data, "version": "3", "form_base": base, "title": "My title", "seats": "5"}
    )
    assert answer.status_code == 409
    for text in ("Old title", "Their title", "My title", "both changed"):
        assert text in answer.text
    assert 'name="version" value="4"' in answer.text
    assert 'name="seats" value="5"' in answer.text


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("notfound", 404, "There is no such booking"),
        ("rule", 422, "The end must come after the start."),
        ("state", 409, "A completed booking cannot be cancelled."),
        ("inactive", 409, "Not possible for now"),
    ],
)
def test_a_domain_error_becomes_a_page_with_its_sentence(desk, kind, status, words):
    page = desk.client().get(f"/fails/{kind}")
    assert page.status_code == status
    assert words in page.text
    assert 'id="kk-nav"' in page.text


def test_the_same_error_is_a_problem_document_for_a_program(desk):
    answer = desk.client().get("/fails/rule", headers={"Accept": "application/json"})
    assert answer.mimetype == "application/problem+json"
    body = answer.get_json(force=True)
    assert (body["status"], body["code"]) == (422, "ENDS_BEFORE_START")
    assert body["detail"] == "The end must come after the start."


def test_a_program_with_a_token_gets_a_problem_document_wherever_it_asks(desk):
    answer = desk.client().get("/fails/rule", headers={"Authorization": "Bearer kk_x", "Accept": "*/*"})
    assert answer.mimetype == "application/problem+json"
    behind_a_password = desk.client().get("/fails/rule", headers={"Authorization": "Basic YTpi", "Accept": "text/html"})
    assert behind_a_password.mimetype == "text/html"


def test_what_is_wrong_with_a_field_is_said_in_our_sentences(desk):
    client = desk.client()
    assert "Enter a whole number." in client.post("/note", data={**desk.token(client), "title": "a", "seats": "x"}).text


def test_for_htmx_an_error_is_a_part_without_the_frame(desk):
    page = desk.client().get("/fails/rule", headers={"HX-Request": "true"})
    assert page.status_code == 422
    assert "<html" not in page.text
    assert "The end must come after the start." in page.text


def test_a_missing_permission_is_named_with_who_can_give_it(desk):
    page = desk.client().get("/platform-only")
    assert page.status_code == 403
    assert "event.operate" in page.text
    assert "only members of the platform can have it" in page.text


def test_a_defect_shows_a_reference_and_nothing_of_the_inside(config, database_url):
    app = create_app(replace(config, database_url=database_url, testing=False))
    app.add_url_rule("/fails", endpoint="fails", view_func=_fail)
    answer = app.test_client().get("/fails")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert re.search(r"Reference <span class=\"kk-mono\">[0-9a-f-]{36}<", answer.text)


def _fail():
    raise ZeroDivisionError("secret inside")


_fail.__access__ = "public"


def test_a_route_that_declares_nothing_never_answers(desk):
    with pytest.raises(LookupError, match="undeclared"):
        desk.client().get("/undeclared")


def test_without_a_session_a_page_leads_to_the_sign_in_and_back(desk):
    desk.actor = None
    answer = desk.client().get("/note?old=1")
    assert answer.status_code == 303
    assert "next=" in answer.location or answer.location == "/"


def test_when_the_session_ends_htmx_is_told_to_load_a_page(desk):
    desk.actor = None
    answer = desk.client().get("/note", headers={"HX-Request": "true", "HX-Current-URL": "http://localhost/note"})
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["HX-Redirect"].startswith("/")


def test_when_the_session_ends_nothing_typed_is_lost(desk):
    client = desk.client()
    data = desk.token(client)
    desk.actor = None
    page = client.post("/note", data={**data, "title": "A long story", "new_password": "mango42"})
    assert page.status_code == 401
    assert "A long story" in page.text
    assert "mango42" not in page.text


def test_a_double_submit_key_of_somebody_else_leads_nowhere(desk):
    client = desk.client()
    data = {**desk.token(client), "form_key": str(new_id()), "title": "Oil"}
    client.post("/note", data=data)
    desk.actor = asha(user_id=new_id())
    other = desk.client()
    again = other.post("/note", data={**desk.token(other), "form_key": data["form_key"], "title": "Air"})
    assert again.status_code == 409
    assert desk.done == ["Oil"]


def test_a_conflict_says_to_a_program_both_the_answer_s_status_and_the_thing_s(client):
    from karokar.identity import actions
    from tests.factories import people

    company = people.make_corporate(employees=1)
    with people.acting(company.admin):
        actions.suspend_member(company.employees[0].membership_id)
    people.sign_in(client, company.admin)
    page = client.get("/identity/members").text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    answer = client.post(
        f"/identity/members/{company.employees[0].membership_id}/suspend",
        data={"csrf_token": token, "acting_for": str(company.id), "reason": "Again"},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code == 409
    assert answer.json["status"] == 409
    assert answer.json["current_status"] == "SUSPENDED"


def test_a_form_sent_again_with_other_content_is_done_and_the_person_is_notified(desk):
    client = desk.client()
    data = desk.token(client)
    client.post("/note", data={**data, "title": "Oil"})
    answer = client.post("/note", data={**data, "title": "Air"})
    assert answer.status_code == 303
    assert desk.done == ["Oil", "Air"]
    assert "sent this form before with other content" in client.get("/note").text


def test_a_second_click_on_either_content_does_nothing_more(desk):
    client = desk.client()
    data = desk.token(client)
    for title in ("Oil", "Air", "Oil", "Air"):
        assert client.post("/note", data={**data, "title": title}).status_code == 303
    assert desk.done == ["Oil", "Air"]


def test_another_file_is_other_content_and_the_form_still_reads_it(desk):
    sizes: list[int] = []

    @desk.app.before_request
    def look():
        if request.files:
            sizes.append(len(request.files["file"].read()))

    client = desk.client()
    data = desk.token(client)
    for content in (b"one", b"two two", b"two two"):
        files = {"file": (io.BytesIO(content), "a.txt")}
        client.post("/note", data={**data, "title": "Oil", **files}, content_type="multipart/form-data")
    assert desk.done == ["Oil", "Oil"]
    assert sizes == [3, 7]
