"""What is handed in: of a picture the picture is kept, what can't be read is named, and no file harms who reads it."""

import fcntl
import hashlib
import io
import signal
import subprocess
from pathlib import Path

import pikepdf
import pytest
from PIL import Image

from karokar.files import bounded
from karokar.files.formats import kinds
from karokar.files.intake import FileRefused, accept
from karokar.kernel.settings import settings
from tests.factories import pictures

SAMPLES = Path(__file__).parent.parent / "samples"


def sample(name):
    return (SAMPLES / name).read_bytes()


def kept(content, name="photo", allowed=kinds.DOCUMENTS):
    """The bytes that are kept of a file, and its media type."""
    file = accept(name, io.BytesIO(content), allowed=allowed)
    made = file.path.read_bytes()
    file.discard()
    assert hashlib.sha256(made).hexdigest() == file.sha256
    assert hashlib.sha256(content).hexdigest() == file.received_sha256
    return made, file.media_type


def refused(content, name="photo", allowed=kinds.DOCUMENTS):
    with pytest.raises(FileRefused) as error:
        accept(name, io.BytesIO(content), allowed=allowed)
    assert name in error.value.sentence
    return error.value


def opened(content):
    return Image.open(io.BytesIO(content))


def assert_no_notes(content):
    exif = opened(content).getexif()
    assert set(exif) <= {0x0112}
    for word in (pictures.MAKER, pictures.SERIAL, "Example", "SERIAL"):
        assert word.encode() not in content


# --- of a picture, the picture ----------------------------------------------------------------------------------------


def test_a_photo_keeps_pixels_and_orientation_and_neither_place_nor_serial_number(app):
    before = sample("photo-with-place-and-serial.jpg")
    after, media_type = kept(before)
    assert media_type == "image/jpeg"
    assert opened(after).tobytes() == opened(before).tobytes()
    assert opened(after).getexif()[0x0112] == opened(before).getexif()[0x0112] == 6
    assert_no_notes(after)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_kept(app, orientation):
    after, _ = kept(pictures.encoded("JPEG", exif=pictures.notes(orientation)))
    assert opened(after).getexif().get(0x0112, 1) == orientation
    assert_no_notes(after)


def test_a_colour_profile_is_kept_and_texts_are_not(app):
    profile = b"a profile of colours" * 5000
    after, _ = kept(pictures.encoded("JPEG", icc_profile=profile, comment=pictures.SERIAL, exif=pictures.notes()))
    assert opened(after).info["icc_profile"] == profile
    assert_no_notes(after)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_rows": 1}, {"quality": 95}])
def test_a_jpeg_of_any_make_keeps_its_pixels(app, mode, options):
    before = pictures.encoded("JPEG", pictures.picture().convert(mode), exif=pictures.notes(), **options)
    after, _ = kept(before)
    assert (opened(after).mode, opened(after).tobytes()) == (mode, opened(before).tobytes())
    assert_no_notes(after)


def test_a_png_keeps_pixels_and_orientation_and_no_texts(app):
    before = pictures.png_with_texts()
    after, media_type = kept(before)
    assert media_type == "image/png"
    assert opened(after).tobytes() == opened(before).tobytes()
    assert opened(after).getexif()[0x0112] == 6
    assert opened(after).text == {}
    assert_no_notes(after)


@pytest.mark.parametrize("name", ["photo-with-trailer.jpg", "photo-with-film.jpg"])
def test_what_a_phone_appends_to_a_photo_is_dropped(app, name):
    before = sample(name)
    after, _ = kept(before)
    assert len(after) < len(before)
    assert opened(after).tobytes() == opened(before).tobytes()
    assert b"ftyp" not in after
    assert after.endswith(b"\xff\xd9")


@pytest.mark.parametrize("behind", [b"\0" * 5000, b"PK\x03\x04xyz", pictures.jpeg(), b"<script>", b"\xff" * 99])
def test_whatever_follows_a_picture_is_dropped(app, behind):
    for whole in (pictures.jpeg(), pictures.encoded("PNG")):
        assert kept(whole + behind)[0] == kept(whole)[0]


def test_the_same_file_is_kept_the_same_whenever_it_comes(app):
    once, _ = kept(sample("photo-with-place-and-serial.jpg"))
    assert kept(sample("photo-with-place-and-serial.jpg"))[0] == kept(once)[0] == once


# --- what is not whole ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [kinds.DOCUMENTS, kinds.PICTURES])
def test_a_photo_that_is_cut_off_is_refused_by_name(app, allowed):
    error = refused(sample("photo-cut-off.jpg"), "IMG_0042.jpg", allowed)
    assert error.sentence.startswith("IMG_0042.jpg is damaged or was cut off")


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_cut_off_photo_is_noticed_even_where_an_end_was_put_there(app, part, options):
    whole = pictures.encoded("JPEG", pictures.picture(640, 480), quality=95, **options)
    half = whole[: int(len(whole) * part)]
    for content in (half, half + b"\xff\xd9", half + bytes(9000), half + pictures.jpeg()):
        assert refused(content).reason == "DAMAGED"


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "TIFF"])
def test_a_cut_off_picture_of_another_kind_is_refused_by_name(app, kind):
    whole = pictures.encoded(kind)
    assert "is damaged or was cut off" in refused(whole[: len(whole) // 2], "scan.bin").sentence


def test_a_png_that_changed_on_the_way_is_damaged(app):
    whole = bytearray(pictures.encoded("PNG"))
    whole[len(whole) // 2] ^= 1
    assert refused(bytes(whole)).reason == "DAMAGED"


# --- other kinds ------------------------------------------------------------------------------------------------------


def test_a_photo_of_an_iphone_becomes_a_jpeg(app):
    before = sample("photo.heic")
    made, media_type = kept(before)
    # Notes say nothing about how such a picture is turned; the file's own parts do, and its decoder follows them.
    assert (media_type, opened(made).size) == ("image/jpeg", (320, 200))
    assert b"SERIAL-123" in before
    assert refused(before[: len(before) // 2], "IMG_1.HEIC").sentence.startswith("IMG_1.HEIC is damaged or was cut off")
    assert_no_notes(made)


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_webp_and_avif_become_jpegs_turned_as_they_are_shown(app, kind):
    made, media_type = kept(pictures.encoded(kind, exif=pictures.notes(6)))
    assert (media_type, opened(made).format, opened(made).size) == ("image/jpeg", "JPEG", (120, 160))
    assert_no_notes(made)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"])
def test_a_scan_in_any_mode_of_tiff_becomes_a_jpeg(app, mode):
    image = pictures.picture()
    image = image.convert("L").convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)
    made, media_type = kept(pictures.encoded("TIFF", image))
    assert (media_type, opened(made).size) == ("image/jpeg", image.size)


def test_a_scan_is_turned_as_it_is_shown(app):
    made, _ = kept(pictures.encoded("TIFF", tiffinfo={0x0112: 6}))
    assert opened(made).size == (120, 160)


def test_what_is_transparent_becomes_white(app):
    made, _ = kept(pictures.encoded("WEBP", Image.new("RGBA", (40, 40), (0, 0, 0, 0))))
    assert min(opened(made).convert("L").tobytes()) > 250


def test_a_tiff_with_several_pages_and_a_raw_photo_are_refused_with_the_way_out(app):
    pages = pictures.encoded("TIFF", save_all=True, append_images=[pictures.picture()])
    assert "Save it as a PDF" in refused(pages, "scan.tif").sentence
    raw = pictures.encoded("TIFF", tiffinfo={50706: b"\x01\x04\0\0"})
    assert "Choose the JPEG" in refused(raw, "IMG.dng").sentence


# --- PDFs -------------------------------------------------------------------------------------------------------------


def test_a_pdf_that_asks_for_a_password_is_refused_and_one_with_an_empty_password_is_not(app):
    error = refused(sample("asks-for-a-password.pdf"), "licence.pdf")
    assert error.sentence.startswith("licence.pdf asks for a password. Save a copy without a password")
    content = sample("empty-user-password.pdf")
    assert kept(content) == (content, "application/pdf")


@pytest.mark.parametrize("strength", [3, 4, 6])
@pytest.mark.parametrize("user", ["secret", ""])
def test_a_password_is_noticed_whatever_it_encrypts_with(app, strength, user, tmp_path):
    path = tmp_path / "a.pdf"
    with pikepdf.new() as document:
        document.add_blank_page()
        is_new = strength > 3
        how = pikepdf.Encryption(owner="owner", user=user, R=strength, aes=is_new, metadata=is_new)
        document.save(path, encryption=how)
    if user:
        assert refused(path.read_bytes()).reason == "LOCKED"
        assert refused(path.read_bytes().replace(b"/Encrypt", b"/Encr#79pt")).reason == "LOCKED"
    else:
        assert kept(path.read_bytes())[1] == "application/pdf"


# --- limits -----------------------------------------------------------------------------------------------------------


def test_the_largest_picture_that_is_accepted_stays_within_the_limits(app):
    made, _ = kept(pictures.encoded("PNG", Image.new("RGB", (9_990, 9_990))))
    assert made.startswith(b"\x89PNG")


def test_a_process_that_is_killed_or_too_slow_is_a_sentence_about_its_file(app, monkeypatch):
    real = subprocess.run

    def killed(_command, **options):
        return real(["/bin/sh", "-c", f"kill -{signal.SIGKILL.value} $$"], **options)

    def slow(command, **_options):
        raise subprocess.TimeoutExpired(command, bounded.LONGEST_S)

    for broken in (killed, slow):
        monkeypatch.setattr(subprocess, "run", broken)
        assert "too much time or memory" in refused(pictures.jpeg()).sentence
    monkeypatch.setattr(subprocess, "run", real)
    assert kept(pictures.jpeg())[1] == "image/jpeg"


def test_the_process_is_given_no_secret_and_cannot_take_memory_without_end(app, monkeypatch):
    code = (
        "import os\nfrom karokar.files import child\nchild.limit_oneself()\n"
        "assert not {'SECRET_KEY', 'DATABASE_URL'} & set(os.environ)\n"
        'try:\n    bytearray(3 * 1024 ** 3)\nexcept MemoryError:\n    print(\'{"refused": "LIMIT_REACHED"}\')\n'
        "else:\n    print('{}')\n"
    )
    real, errors = subprocess.run, []

    def greedy(command, **options):
        done = real([command[0], "-c", code], **options)
        errors.append(done.stderr)
        return done

    monkeypatch.setenv("SECRET_KEY", "x" * 20)
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:secret@host/db")
    monkeypatch.setattr(subprocess, "run", greedy)
    assert refused(pictures.jpeg()).reason == "LIMIT_REACHED"
    assert errors == [b""]


def test_only_some_files_are_read_at_once(app, monkeypatch):
    monkeypatch.setattr(bounded, "PATIENCE_S", 0.1)
    folder = settings().data / "incoming"
    folder.mkdir(exist_ok=True)
    held = [(folder / f"slot-{number}.lock").open("w") for number in range(bounded.AT_ONCE)]
    for file in held:
        fcntl.flock(file, fcntl.LOCK_EX)
    assert "Too many files" in refused(pictures.jpeg()).sentence
    for file in held:
        file.close()
    assert kept(pictures.jpeg())[1] == "image/jpeg"
