"""A full disk, or one that may only be read: pages are shown, and what cannot be saved is refused with a clear line."""

from contextlib import contextmanager

from sqlalchemy import event

from karokar.kernel.db import db
from tests.factories import people
from tests.identity.test_sign_in import is_in, sign_in


@contextmanager
def only_readable():
    """Let the database take nothing."""

    def lock(connection):
        connection.exec_driver_sql("PRAGMA query_only=ON")

    db.session.rollback()
    event.listen(db.engine, "begin", lock)
    try:
        yield
    finally:
        event.remove(db.engine, "begin", lock)
        db.engine.dispose()


def test_a_form_that_cannot_be_saved_says_so_and_works_again_when_there_is_room(app, client):
    vendor = people.make_vendor()
    with only_readable():
        assert client.get("/login").status_code == 200
        answer = sign_in(client, vendor.admin.email)
        assert answer.status_code == 503
        assert "Nothing can be saved right now" in answer.text
    assert sign_in(client, vendor.admin.email).status_code == 303
    assert is_in(client)
