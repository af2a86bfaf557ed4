"""Each test has a database of its own, whatever the one before left behind."""

from sqlalchemy import inspect, text

from karokar.kernel.db import db


def test_the_application_stands_on_a_migrated_database(any_app):
    assert "alembic_version" in inspect(db.engine).get_table_names()
    with db.engine.begin() as connection:
        connection.execute(text("create table left_behind (n integer)"))


def test_what_another_test_left_behind_is_gone(any_app):
    assert "left_behind" not in inspect(db.engine).get_table_names()
    with db.engine.begin() as connection:
        connection.execute(text("create table left_behind (n integer)"))
