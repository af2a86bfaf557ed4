"""What is kept stays what it was, is cleaned where it came before files were, and is held for a form that is not done."""

import hashlib
import io
import re
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image
from sqlalchemy import func, select, update

from karokar.booking.actions.clock_jobs import clean_stored_photos
from karokar.booking.models import BookingPhoto
from karokar.files.models import HeldFile, LostFile
from karokar.files.storage import Folder, storage
from karokar.kernel import clock
from karokar.kernel.db import db, transaction
from karokar.kernel.settings import settings
from karokar.verification import queries
from karokar.verification.actions import check_stored_documents, clean_stored_documents
from karokar.verification.models import VerificationDocument
from karokar.web.forms.form_files import forget_held_files
from tests.factories import booking as make
from tests.factories import people, pictures
from tests.factories.booking import World
from tests.factories.browsing import send, text_of

SAMPLES = Path(__file__).parent.parent / "samples"
PHOTO = (SAMPLES / "photo-with-place-and-serial.jpg").read_bytes()
CUT_OFF = (SAMPLES / "photo-cut-off.jpg").read_bytes()
READING = {"odometer": "10100", "fuel_percent": "75"}


@pytest.fixture
def app(any_app):
    """Both databases: what is stored is bytes and hashes of theirs."""
    return any_app


@pytest.fixture
def client(any_client):
    return any_client


@pytest.fixture
def world(app) -> World:
    return make.make_world()


@pytest.fixture
def handover(client, world):
    """A booking that was handed over with one photo, and a way to the photo as it is sent."""
    made = world.accepted()

    def picture():
        html = client.get(f"/booking/{made.id}").text
        return client.get(re.search(r'<img src="([^"]+/photos/[^"]+)"', html)[1])

    with clock.standing_at(world.start):
        make.sign_in(client, world.vendor_admin)
        url = f"/booking/{made.id}/activate"
        assert send(client, url, **READING, photo_front=(io.BytesIO(PHOTO), "IMG_1.jpg")).status_code == 303
        yield picture


def notes_of(content):
    return dict(Image.open(io.BytesIO(content)).getexif())


def held_in(answer):
    return re.findall(r'name="held"[^>]* value="([^"]+)"', answer.text)


def count_held():
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(HeldFile))


# --- photos of handovers ----------------------------------------------------------------------------------------------


def test_the_other_side_is_sent_the_picture_and_neither_its_place_nor_its_serial_number(client, world, handover):
    make.sign_in(client, world.company_admin)
    sent = handover()
    assert Image.open(io.BytesIO(sent.data)).tobytes() == Image.open(io.BytesIO(PHOTO)).tobytes()
    assert notes_of(sent.data) == {0x0112: 6}
    assert set(notes_of(PHOTO)) > {0x0112}


def test_a_photo_is_sent_so_that_it_can_do_no_harm_and_is_kept_by_no_cache(handover):
    sent = handover()
    assert sent.headers["Cache-Control"] == "private, no-store"
    assert sent.headers["X-Content-Type-Options"] == "nosniff"
    assert sent.headers["Content-Disposition"] == "inline; filename=front.jpg"
    assert sent.headers["Content-Security-Policy"].startswith("sandbox;")


def test_one_bad_photo_of_twelve_is_named_and_only_it_has_to_be_chosen_again(client, world):
    made = world.accepted()
    url = f"/booking/{made.id}/activate"
    good = [(io.BytesIO(pictures.jpeg(quality=50 + n)), f"good-{n}.jpg") for n in range(11)]
    with clock.standing_at(world.start):
        make.sign_in(client, world.vendor_admin)
        answer = send(client, url, **READING, photos=[*good[:5], (io.BytesIO(CUT_OFF), "bad.jpg"), *good[5:]])
        assert answer.status_code == 422
        page = text_of(answer)
        assert "bad.jpg is damaged or was cut off" in page
        assert all(f"Keep good-{n}.jpg" in page for n in range(11))
        held = held_in(answer)
        assert len(held) == 11
        again = send(client, url, **READING, held=held[:-1], photos=[(io.BytesIO(PHOTO), "new.jpg")])
        assert again.status_code == 303
        assert client.get(f"/booking/{made.id}").text.count("<img src=") == 11


def test_photos_stay_where_something_else_in_the_form_is_wrong_and_go_once_it_went_through(client, world):
    made = world.accepted()
    url = f"/booking/{made.id}/activate"
    with clock.standing_at(world.start):
        make.sign_in(client, world.vendor_admin)
        answer = send(client, url, odometer="", fuel_percent="75", photo_left=(io.BytesIO(PHOTO), "l.jpg"))
        assert "Keep l.jpg" in text_of(answer)
        assert count_held() == 1
        assert send(client, url, **READING, held=held_in(answer)).status_code == 303
        assert "<figcaption>Left side</figcaption>" in client.get(f"/booking/{made.id}").text
    assert count_held() == 0


def test_held_files_are_for_their_form_and_their_person_alone_and_are_forgotten_after_a_day(client, world):
    made, other = world.accepted(), world.accepted(world.colleague, vehicle_id=make.vehicle(world.vendor))
    wrong = {"odometer": "", "fuel_percent": "7"}
    with clock.standing_at(world.start):
        make.sign_in(client, world.vendor_admin)
        photo = {"photo_left": (io.BytesIO(PHOTO), "l.jpg")}
        held = held_in(send(client, f"/booking/{made.id}/activate", **wrong, **photo))
        for somebody, booking in ((world.vendor_admin, other), (world.company_admin, made)):
            make.sign_in(client, somebody)
            assert not held_in(send(client, f"/booking/{booking.id}/activate", **wrong, held=held))
    with clock.standing_at(world.start + timedelta(days=2)):
        forget_held_files()
    assert count_held() == 0


def store_as_before(content):
    with transaction() as session:
        session.execute(update(BookingPhoto).values(content=content, media_type="image/jpeg", sha256=None))


def test_photos_that_were_stored_before_are_cleaned_by_the_clock(handover):
    store_as_before(PHOTO)
    assert (clean_stored_photos(), clean_stored_photos()) == (1, 0)
    assert notes_of(handover().data) == {0x0112: 6}


def test_a_photo_that_is_asked_for_before_the_clock_came_to_it_is_cleaned_first(handover):
    store_as_before(PHOTO)
    assert notes_of(handover().data) == {0x0112: 6}
    assert clean_stored_photos() == 0


def test_evidence_that_is_cut_off_stays_as_far_as_it_goes_without_its_notes(handover):
    store_as_before(PHOTO[: len(PHOTO) // 2])
    sent = handover()
    assert 1000 < len(sent.data) < len(PHOTO) // 2
    assert notes_of(sent.data) == {0x0112: 6}


@pytest.mark.parametrize("content", [b"\xff\xd8\xff nothing", b"<html>", b"x"])
def test_a_stored_photo_that_is_none_is_a_sentence_and_never_sent(handover, content):
    store_as_before(content)
    sent = handover()
    assert (sent.status_code, sent.mimetype) == (404, "text/plain")
    assert "changed or damaged" in sent.text


def test_a_photo_that_was_changed_in_the_database_is_not_shown(handover):
    with transaction() as session:
        session.execute(update(BookingPhoto).values(content=pictures.jpeg()))
    sent = handover()
    assert (sent.status_code, "changed or damaged" in sent.text) == (404, True)


# --- documents --------------------------------------------------------------------------------------------------------


def hand_in(client, company, *files):
    address = f"/verification/new?entity_type=Organization&entity_id={company.id}"
    return send(client, address, address, kind="TAX", documents=[(io.BytesIO(data), name) for name, data in files])


@pytest.fixture
def handed_in(client):
    """An organization that handed in a photo as a document, and its verification."""
    company = people.make_organization("VENDOR", status="PENDING")
    people.sign_in(client, company.admin)
    answer = hand_in(client, company, ("scan.jpg", PHOTO))
    with people.acting(company.admin):
        return company, queries.get_page(UUID(answer.location.rsplit("/", 1)[-1]))


def path_of(sha256):
    return settings().data / "documents" / sha256[:2] / sha256


def test_a_document_that_is_a_picture_is_cleaned_and_known_by_what_was_handed_in(handed_in):
    (document,) = handed_in[1].documents
    content = b"".join(storage().read(document.sha256))
    assert notes_of(content) == {0x0112: 6}
    assert document.size == len(content)
    assert document.received_sha256 == hashlib.sha256(PHOTO).hexdigest()


def test_every_file_that_is_sent_says_what_it_is_and_is_kept_by_no_cache(client, world, handover):
    for url in (
        "/fleet/export",
        "/fleet/export?format=xlsx",
        "/booking/export",
        "/audit/export",
        "/fleet/import/example",
    ):
        with client.get(url) as answer:
            assert answer.status_code == 200, url
            assert answer.headers["Content-Disposition"].startswith("attachment;"), url
            assert answer.headers["X-Content-Type-Options"] == "nosniff", url
            assert answer.headers["Cache-Control"] == "private, no-store", url


def test_bad_documents_are_each_named_and_the_good_ones_are_kept(client):
    company = people.make_organization("VENDOR", status="PENDING")
    people.sign_in(client, company.admin)
    locked = (SAMPLES / "asks-for-a-password.pdf").read_bytes()
    answer = hand_in(client, company, ("good.jpg", PHOTO), ("locked.pdf", locked), ("cut.jpg", CUT_OFF))
    assert answer.status_code == 422
    assert "locked.pdf asks for a password" in text_of(answer)
    assert "cut.jpg is damaged or was cut off" in text_of(answer)
    address = f"/verification/new?entity_type=Organization&entity_id={company.id}"
    assert send(client, address, address, kind="TAX", held=held_in(answer)).status_code == 303


def store_documents_as_before():
    """Under the hash of what was handed in, with all its notes."""
    digest = hashlib.sha256(PHOTO).hexdigest()
    path_of(digest).parent.mkdir(parents=True, exist_ok=True)
    path_of(digest).write_bytes(PHOTO)
    with transaction() as session:
        session.execute(update(VerificationDocument).values(sha256=digest, received_sha256=None, size=len(PHOTO)))
    return digest


def test_documents_that_were_handed_in_before_are_cleaned_and_their_hashes_follow(client, handed_in):
    company, page = handed_in
    digest = store_documents_as_before()
    assert (clean_stored_documents(), clean_stored_documents()) == (1, 0)
    assert not path_of(digest).exists()
    with people.acting(company.admin):
        (document,) = queries.get_page(page.id).documents
    assert (document.received_sha256, document.sha256 == digest) == (digest, False)
    answer = client.get(f"/verification/documents/{document.id}")
    assert answer.content_length == document.size == len(answer.data)
    assert notes_of(answer.data) == {0x0112: 6}


def test_the_same_file_of_two_organizations_is_noticed_whenever_it_was_handed_in(client, handed_in):
    store_documents_as_before()
    other = people.make_organization("VENDOR", status="PENDING")
    people.sign_in(client, other.admin)
    location = hand_in(client, other, ("scan.jpg", PHOTO)).location
    clean_stored_documents()
    people.sign_in(client, people.platform_admin())
    assert "The same file was handed in by another organization" in client.get(location).text


@pytest.mark.parametrize("how", ["changed", "gone", "link", "folder"])
def test_a_stored_file_that_is_no_longer_what_it_was_is_a_sentence(client, handed_in, tmp_path, how):
    page = handed_in[1]
    (document,) = page.documents
    path, outside = path_of(document.sha256), tmp_path / "outside"
    outside.write_bytes(path.read_bytes())
    path.unlink()
    if how == "changed":
        path.write_bytes(b"something else")
    elif how == "link":
        path.symlink_to(outside)
    elif how == "folder":
        path.mkdir()
    word = "missing in the storage" if how == "gone" else "changed or damaged"
    people.sign_in(client, people.platform_admin())
    for address in (f"/verification/documents/{document.id}", f"/verification/documents/{document.id}?inline=1"):
        answer = client.get(address)
        assert (answer.status_code, word in answer.text) == (404, True)
    assert word in client.get(f"/verification/{page.id}").text
    assert "1 file is missing or damaged" in client.get("/administration/health").text
    if how == "folder":
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    storage().keep(outside, document.sha256)
    assert word not in client.get(f"/verification/{page.id}").text
    assert "No file was found missing or damaged" in client.get("/administration/health").text


def test_the_clock_finds_damaged_files_that_nobody_asks_for(handed_in):
    (document,) = handed_in[1].documents
    content = path_of(document.sha256).read_bytes()
    path_of(document.sha256).write_bytes(b"something else")
    at = clock.now()
    for hour in range(256):
        with clock.standing_at(at + timedelta(hours=hour)):
            check_stored_documents()
    path_of(document.sha256).write_bytes(content)
    db.session.rollback()
    assert db.session.scalars(select(LostFile.sha256)).all() == [document.sha256]


def test_a_damaged_file_is_made_whole_where_the_same_is_handed_in_again(tmp_path):
    folder, given = Folder(tmp_path / "kept"), tmp_path / "given"
    given.write_bytes(b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    folder.keep(given, digest)
    (tmp_path / "kept" / digest[:2] / digest).write_bytes(b"damage")
    assert folder.state(digest) == "damaged"
    folder.keep(given, digest)
    assert b"".join(folder.read(digest)) == b"content"


def test_a_folder_that_became_a_link_is_not_followed(tmp_path):
    folder, given = Folder(tmp_path / "kept"), tmp_path / "given"
    given.write_bytes(b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    folder.keep(given, digest)
    (tmp_path / "kept" / digest[:2]).rename(tmp_path / "moved")
    (tmp_path / "kept" / digest[:2]).symlink_to(tmp_path / "moved")
    assert folder.state(digest) == "damaged"
