"""What people type is kept in one Unicode form, through whichever door it comes."""

from unicodedata import normalize

from sqlalchemy import select

from karokar.identity.models import User
from karokar.kernel.db import db
from karokar.runs.imports import Heading, read
from tests.factories import people
from tests.identity.test_sign_in import post, sign_in

COMPOSED = normalize("NFC", "Élodie Åström")
DECOMPOSED = normalize("NFD", COMPOSED)


def stored_names(email: str) -> tuple[str, str]:
    db.session.rollback()
    user = db.session.scalars(select(User).where(User.email == email)).one()
    return user.first_name, user.last_name


def test_a_name_typed_decomposed_is_kept_composed(client):
    vendor = people.make_vendor()
    sign_in(client, vendor.admin.email)
    first, last = DECOMPOSED.split()
    db.session.rollback()
    version = str(db.session.scalars(select(User.version).where(User.email == vendor.admin.email)).one())
    fields = {"first_name": first, "last_name": last, "time_zone": "UTC", "theme": "auto", "version": version}
    assert post(client, "/account/profile", **fields).status_code == 303
    assert stored_names(vendor.admin.email) == tuple(COMPOSED.split())


def test_an_address_that_holds_decomposed_letters_means_the_composed_ones(client):
    vendor = people.make_vendor()
    sign_in(client, vendor.admin.email)
    page = client.get("/fleet/", query_string={"q": DECOMPOSED}).get_data(as_text=True)
    assert COMPOSED in page
    assert DECOMPOSED not in page


def test_a_file_s_cells_and_headings_are_taken_composed():
    text = normalize("NFD", "straße,größe\nÖsterreichische Bahnen,groß\n")
    report = read(text, [Heading("straße"), Heading("größe")])
    assert [dict(line.cells) for line in report.lines] == [{"straße": "Österreichische Bahnen", "größe": "groß"}]


def test_a_command_s_arguments_are_taken_composed(app):
    first, last = DECOMPOSED.split()
    arguments = ["--email", "elodie@example.com", "--first-name", first, "--last-name", last, "--link"]
    result = app.test_cli_runner().invoke(args=["identity", "create-platform-admin", *arguments])
    assert result.exit_code == 0, result.output
    assert stored_names("elodie@example.com") == tuple(COMPOSED.split())
