"""What contexts offer to shared pages is there, or the application does not start."""

from dataclasses import replace

import pytest
from flask import Flask

from karokar.kernel import ports
from karokar.kernel.ports import AccountLink, Console, Entry, WrongPort

LOST = "booking.no_such_page"


def connected(app: Flask, *more: Console, **changed: object) -> None:
    known = app.extensions["karokar.ports"]
    sign_in = replace(known.sign_in, **changed)
    ports.connect(app, [*known.consoles, *more], sign_in=sign_in, inbox=known.inbox, documents=known.documents)


@pytest.mark.parametrize(
    "console",
    [
        Console(navigation=(Entry(label="Lost", icon="x", endpoint=LOST, group="Work", place=1),)),
        Console(account_links=(AccountLink(label="Lost", icon="x", endpoint=LOST),)),
        Console(pages={"trip": LOST}),
    ],
    ids=["navigation", "account", "page of a thing"],
)
def test_a_page_that_does_not_exist_stops_the_start(app: Flask, console: Console):
    with pytest.raises(WrongPort, match=LOST):
        connected(app, console)


def test_a_way_in_that_does_not_exist_stops_the_start(app: Flask):
    with pytest.raises(WrongPort, match=LOST):
        connected(app, confirm=LOST)


def test_a_kind_of_thing_has_one_page(app: Flask):
    with pytest.raises(WrongPort, match="booking have two pages"):
        connected(app, Console(pages={"booking": "booking.index"}))


def test_what_one_context_asks_another_to_confirm_is_answered(app: Flask):
    known = app.extensions["karokar.ports"]
    silent = [replace(console, holds={}) for console in known.consoles]
    with pytest.raises(WrongPort, match="BOOKING_IS_VACANT"):
        ports.connect(app, silent, sign_in=known.sign_in, inbox=known.inbox, documents=known.documents)
