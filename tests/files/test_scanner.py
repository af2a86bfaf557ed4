"""A virus scanner, where one is set, sees every file before anything else does; without its word nothing comes in."""

import dataclasses
import io
import socket
import struct
import threading

import pytest

from karokar.files import scanner
from karokar.files.intake import FileRefused, accept
from karokar.runs.tables import FileRefused as TableRefused
from karokar.runs.tables import table_of
from tests.factories import people, pictures
from tests.factories.browsing import send

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class FakeClamd:
    """Answers as clamd does: it looks for the EICAR test file in what INSTREAM sends."""

    def __init__(self, link: socket.socket) -> None:
        self.link, self.answer, self.seen = link, b"", []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                link, _ = self.link.accept()
            except OSError:
                return
            with link, link.makefile("rb") as lines:
                command = b""
                while not command.endswith(b"\0"):
                    command += lines.read(1)
                link.sendall(b"PONG\0" if command == b"zPING\0" else self.looked_at(lines))

    def looked_at(self, lines) -> bytes:
        content = b""
        while length := struct.unpack(">I", lines.read(4))[0]:
            content += lines.read(length)
        self.seen.append(content)
        return self.answer or (b"stream: Eicar-Test-Signature FOUND\0" if EICAR in content else b"stream: OK\0")


def set_scanner(app, monkeypatch, address):
    monkeypatch.setitem(app.config, "KAROKAR", dataclasses.replace(app.config["KAROKAR"], clamd=address))


@pytest.fixture(params=["unix", "tcp"])
def clamd(request, app, tmp_path, monkeypatch):
    if request.param == "unix":
        link, address = socket.socket(socket.AF_UNIX), f"unix://{tmp_path}/c"
        link.bind(f"{tmp_path}/c")
    else:
        link = socket.socket()
        link.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{link.getsockname()[1]}"
    link.listen()
    set_scanner(app, monkeypatch, address)
    with link:
        yield FakeClamd(link)


def refused(content, name="photo.jpg"):
    with pytest.raises(FileRefused) as error:
        accept(name, io.BytesIO(content))
    return error.value.sentence


def test_a_file_with_malware_is_refused_and_the_scanner_sees_what_was_sent(clamd):
    harmless = pictures.jpeg() + b"a trailer"
    accept("photo.jpg", io.BytesIO(harmless)).discard()
    assert clamd.seen == [harmless]
    assert scanner.answers()
    assert refused(pictures.jpeg() + EICAR) == "photo.jpg contains malware and was not kept."
    assert refused(b"%PDF-1.7\n" + EICAR + b"\n%%EOF\n", "a.pdf") == "a.pdf contains malware and was not kept."


def test_a_table_with_malware_is_refused(clamd):
    assert table_of(b"name\nAsha\n").text == "name\nAsha\n"
    with pytest.raises(TableRefused, match="contains malware"):
        table_of(b"name\n" + EICAR)


def test_a_scanner_that_did_not_look_at_the_whole_file_lets_nothing_in(clamd):
    clamd.answer = b"INSTREAM size limit exceeded. ERROR\0"
    assert "can't be checked for malware at the moment" in refused(pictures.jpeg())


@pytest.mark.parametrize("address", ["unix:///nowhere/clamd.ctl", "tcp://127.0.0.1:1"])
def test_a_scanner_that_is_away_lets_nothing_in_and_the_page_and_health_say_so(client, app, monkeypatch, address):
    company = people.make_organization("VENDOR", status="PENDING")
    people.sign_in(client, company.admin)
    set_scanner(app, monkeypatch, address)
    url = f"/verification/new?entity_type=Organization&entity_id={company.id}"
    answer = send(client, url, url, kind="TAX", documents=[(io.BytesIO(people.PDF), "tax.pdf")])
    assert answer.status_code == 422
    assert "be checked for malware at the moment, so tax.pdf was not kept" in answer.text
    with pytest.raises(TableRefused, match="can't be checked for malware"):
        table_of(b"name\nAsha\n")
    people.sign_in(client, people.platform_admin())
    assert "The malware scanner does not answer" in client.get("/administration/health").text
