"""Handing documents in: what is accepted, what is refused, and who may see them."""

import hashlib
import io
import zipfile

import pytest
from flask import Flask
from sqlalchemy import func, select
from structlog.testing import capture_logs

from karokar.files.intake import AcceptedFile, FileRefused, accept, clean_filename
from karokar.files.storage import FileLost, Folder, storage
from karokar.kernel.db import db
from karokar.kernel.errors import NotFound, PermissionDenied, RuleBroken
from karokar.kernel.settings import settings
from karokar.verification import actions, queries
from karokar.verification.models import Verification
from tests.factories import fleet, people, pictures
from tests.factories.people import PDF, PNG
from tests.identity.test_sign_in import token_in

REGISTRATION = "ORGANIZATION_REGISTRATION"
JPEG = pictures.jpeg()


def a_zip() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.txt", "x")
    return held.getvalue()


def hand_in(company, *uploads: AcceptedFile, kind: str = REGISTRATION):
    with people.acting(company.admin):
        return actions.request_verification(
            entity_type="Organization", entity_id=company.id, kind=kind, uploads=list(uploads)
        )


@pytest.mark.parametrize(
    ("name", "content", "media_type", "kept_as"),
    [
        ("paper.pdf", PDF, "application/pdf", "paper.pdf"),
        ("paper.exe", PDF, "application/pdf", "paper.pdf"),
        ("../../etc/passwd", PNG, "image/png", "passwd.png"),
        ('a"b\r\nc.jpg', JPEG, "image/jpeg", "a_b__c.jpg"),
        ("", PNG, "image/png", "document.png"),
    ],
)
def test_the_content_says_what_a_document_is_and_its_name_is_made_safe(app, name, content, media_type, kept_as):
    company = people.make_organization("VENDOR", status="PENDING")
    made = hand_in(company, accept(name, io.BytesIO(content)))
    with people.acting(company.admin):
        document = queries.get_page(made.id).documents[0]
    assert (document.media_type, document.filename, document.size) == (media_type, kept_as, len(content))
    assert document.sha256 == hashlib.sha256(content).hexdigest()
    assert b"".join(storage().read(document.sha256)) == content


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (a_zip(), "isn't a PDF or a picture of a kind that can be read here (JPEG"),
        (a_zip() + PDF, "isn't a PDF or a picture of a kind that can be read here (JPEG"),
        (b"<html><script>alert(1)</script></html>", "isn't a PDF or a picture of a kind that can be read here (JPEG"),
        (b"GIF89a" + b"0" * 50, "isn't a PDF or a picture of a kind that can be read here (JPEG"),
        (b"%PDF-1.7\n" + a_zip(), "damaged"),
        (PNG[:40], "damaged"),
        (JPEG[:-2], "damaged"),
        (PNG[:16] + (60_000).to_bytes(4, "big") * 2 + PNG[24:], "more pixels than can be shown"),
    ],
)
def test_anything_else_is_refused_with_a_sentence_and_nothing_is_kept(app, content, says):
    incoming = settings().data / "incoming"
    before = set(incoming.glob("tmp*"))
    with pytest.raises(FileRefused) as refused:
        accept("paper.pdf", io.BytesIO(content))
    assert says in refused.value.sentence
    assert refused.value.sentence.startswith("paper.pdf")
    assert set(incoming.glob("tmp*")) == before
    assert db.session.scalar(select(func.count()).select_from(Verification)) == 0


def test_a_document_that_is_too_large_is_refused(app):
    large = PDF[:-6] + b" " * (settings().max_upload_mb * 1024 * 1024) + b"%%EOF\n"
    with pytest.raises(FileRefused) as refused:
        accept("paper.pdf", io.BytesIO(large))
    assert "larger than 10 MB" in refused.value.sentence


def test_no_document_and_too_many_are_refused(app):
    company = people.make_organization("VENDOR", status="PENDING")
    for uploads in ([], [people.pdf(str(number)) for number in range(6)]):
        with pytest.raises(RuleBroken) as refused:
            hand_in(company, *uploads)
        assert refused.value.code == "DOCUMENTS_COUNT"


def test_a_second_try_waits_until_the_first_is_reviewed(app):
    company = people.make_organization("VENDOR", status="PENDING")
    hand_in(company, people.pdf())
    with pytest.raises(RuleBroken) as refused:
        hand_in(company, people.pdf("again"))
    assert refused.value.code == "WAITS_ALREADY"
    assert hand_in(company, people.pdf(), kind="TAX")


def test_the_same_content_is_kept_once(tmp_path):
    folder, given, digest = Folder(tmp_path / "kept"), tmp_path / "given", hashlib.sha256(PDF).hexdigest()
    given.write_bytes(PDF)
    folder.keep(given, digest)
    folder.keep(given, digest)
    kept = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert len(kept) == 1
    assert kept[0].stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["../../etc/passwd", "x" * 64, "A" * 64, ""])
def test_the_storage_opens_nothing_but_hashes(tmp_path, name):
    with pytest.raises(FileLost, match="missing"):
        Folder(tmp_path).read(name)


# --- whose it is ------------------------------------------------------------------------------------------------------


def test_only_one_s_own_organization_vehicles_and_people_can_be_proved(app):
    mine, other = people.make_vendor(), people.make_vendor()
    foreign_car = fleet.make_vehicle(other, status="PENDING")
    cases = [
        ("Organization", other.id, REGISTRATION),
        ("Vehicle", foreign_car, "VEHICLE_INSURANCE"),
        ("User", other.admin.user_id, "DRIVING_LICENSE"),
        ("Booking", mine.id, "TAX"),
    ]
    with people.acting(mine.admin):
        for entity_type, entity_id, kind in cases:
            with pytest.raises(NotFound):
                actions.request_verification(
                    entity_type=entity_type, entity_id=entity_id, kind=kind, uploads=[people.pdf()]
                )


def test_a_kind_proves_only_what_it_is_about(app):
    company = people.make_vendor()
    with pytest.raises(RuleBroken) as refused:
        hand_in(company, people.pdf(), kind="VEHICLE_INSURANCE")
    assert refused.value.code == "KIND_DOES_NOT_FIT"


def test_an_employee_hands_in_their_own_licence_and_sees_nobody_else_s(app):
    company = people.make_corporate(employees=2)
    one, other = company.employees
    mine = people.verify("User", one.user_id, "DRIVING_LICENSE", by=one)
    with people.acting(other):
        with pytest.raises(NotFound):
            queries.get_page(mine)
        with pytest.raises(NotFound):
            actions.request_verification(
                entity_type="User", entity_id=one.user_id, kind="DRIVING_LICENSE", uploads=[people.pdf()]
            )
    with people.acting(company.admin):
        assert queries.get_page(mine).status == "APPROVED"


def test_a_document_is_downloaded_by_who_may_and_nobody_else(app: Flask):
    mine, other = people.make_vendor(), people.make_vendor()
    made = people.verify("User", mine.admin.user_id, "DRIVING_LICENSE", by=mine.admin)
    with people.acting(mine.admin):
        document = queries.get_page(made).documents[0]
    address = f"/verification/documents/{document.id}"
    for somebody, status in ((mine.admin, 200), (people.platform_admin(), 200), (other.admin, 404), (None, 303)):
        client = app.test_client()
        if somebody:
            people.sign_in(client, somebody)
        answer = client.get(address)
        assert answer.status_code == status


def test_a_document_is_sent_so_that_it_can_do_no_harm(client):
    company = people.make_vendor()
    made = people.verify("User", company.admin.user_id, "DRIVING_LICENSE", by=company.admin)
    with people.acting(company.admin):
        document = queries.get_page(made).documents[0]
    people.sign_in(client, company.admin)
    answer = client.get(f"/verification/documents/{document.id}")
    assert answer.headers["Content-Disposition"] == "attachment; filename=document.pdf"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    assert "no-store" in answer.headers["Cache-Control"]
    shown = client.get(f"/verification/documents/{document.id}?inline=1")
    assert shown.headers["Content-Disposition"].startswith("inline")
    assert shown.headers["Content-Security-Policy"].startswith("sandbox;")
    assert "script-src" not in shown.headers["Content-Security-Policy"]
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]


def test_a_document_whose_file_is_gone_is_told_and_logged(client):
    company = people.make_vendor()
    made = people.verify("User", company.admin.user_id, "DRIVING_LICENSE", by=company.admin)
    with people.acting(company.admin):
        document = queries.get_page(made).documents[0]
    path = settings().data / "documents" / document.sha256[:2] / document.sha256
    content = path.read_bytes()
    path.unlink()
    people.sign_in(client, people.platform_admin())
    with capture_logs() as logged:
        page = client.get(f"/verification/{made}")
        assert "This file is missing in the storage" in page.text
        assert "<iframe" not in page.text
        framed = client.get(f"/verification/documents/{document.id}?inline=1")
        assert framed.status_code == 404
        assert framed.text.startswith("This file is missing in the storage.")
        assert framed.headers["X-Frame-Options"] == "SAMEORIGIN"
        asked = client.get(f"/verification/documents/{document.id}")
        assert (asked.status_code, "This file is missing in the storage" in asked.text) == (404, True)
        assert "1 file is missing or damaged" in client.get("/administration/health").text
    path.write_bytes(content)
    assert [line["event"] for line in logged].count("document_missing") == 3


# --- through the page -------------------------------------------------------------------------------------------------


def test_a_pending_organization_hands_in_through_the_page_and_wrong_files_get_a_sentence(client):
    company = people.make_organization("VENDOR", status="PENDING")
    people.sign_in(client, company.admin)
    address = f"/verification/new?entity_type=Organization&entity_id={company.id}"

    def send(content: bytes):
        data = {
            "csrf_token": token_in(client.get(address).text),
            "kind": REGISTRATION,
            "documents": [(io.BytesIO(content), "paper.pdf")],
        }
        return client.post(address, data=data, content_type="multipart/form-data")

    refused = send(a_zip())
    assert refused.status_code == 422
    assert "isn&#39;t a PDF or a picture of a kind that can be read here (JPEG" in refused.text
    accepted = send(PDF)
    assert accepted.status_code == 303
    assert "Waiting for review" in client.get(accepted.headers["Location"]).text


def test_an_upload_beyond_the_limit_of_the_server_gets_a_sentence(client):
    company = people.make_organization("VENDOR", status="PENDING")
    people.sign_in(client, company.admin)
    address = f"/verification/new?entity_type=Organization&entity_id={company.id}"
    body = b"--x\r\nContent-Disposition: form-data; name=documents; filename=a.pdf\r\n\r\n" + b" " * 12 * 1024 * 1024
    answer = client.post(address, data=body + b"\r\n--x--\r\n", content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 413
    assert "larger than the 11 MB" in answer.text


def test_a_reviewer_s_role_is_needed_to_review(app):
    company = people.make_organization("VENDOR", status="PENDING")
    made = hand_in(company, people.pdf())
    with people.acting(company.admin), pytest.raises(PermissionDenied):
        actions.approve_verification(made.id)


def test_a_name_is_never_longer_than_headers_take():
    assert len(clean_filename("x" * 500 + ".pdf", "application/pdf")) == 84
