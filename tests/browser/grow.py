"""More rows of everything: the example data's rows copied, so that lists become long without anybody making them."""

import contextlib
import sqlite3
import uuid
from pathlib import Path
from typing import Any

LEFT_ALONE = {"alembic_version", "sqlite_sequence", "roles"}


def grow(path: Path, wanted: int) -> dict[str, int]:
    """Copy rows of every table until it has `wanted`, and return how many each has; what constraints refuse stays out."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = [
            row["name"]
            for row in connection.execute("select name from sqlite_master where type = 'table' order by name")
            if row["name"] not in LEFT_ALONE and not row["name"].startswith("sqlite_")
        ]
        counts = {}
        for name in names:
            grow_table(connection, name, wanted)
            counts[name] = connection.execute(f"select count(*) from {name}").fetchone()[0]
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return counts


def grow_table(connection: sqlite3.Connection, table: str, wanted: int) -> None:
    """Copy a table's rows until it has `wanted`."""
    rows = connection.execute(f"select * from {table} limit 40").fetchall()
    if not rows:
        return
    columns = connection.execute(f"pragma table_info({table})").fetchall()
    unique = _unique_columns(connection, table)
    foreign = {row["from"] for row in connection.execute(f"pragma foreign_key_list({table})")}
    have = connection.execute(f"select count(*) from {table}").fetchone()[0]
    statement = f"insert into {table} ({', '.join(rows[0].keys())}) values ({', '.join('?' * len(columns))})"
    refused = 0
    for number in range(have, wanted):
        row = dict(rows[number % len(rows)])
        for column in columns:
            name = column["name"]
            if name in unique and name not in foreign:
                row[name] = _another(row[name], table, column, number)
        try:
            connection.execute(statement, list(row.values()))
        except sqlite3.Error:
            refused += 1
            if refused > 40:
                return


def _unique_columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """What must differ in a copy: the key, and one column of each unique index, never whose organization it is."""
    kinds = {row["name"]: row["type"].upper() for row in connection.execute(f"pragma table_info({table})")}
    found = {name for name in ("id",) if name in kinds}
    for index in connection.execute(f"pragma index_list({table})").fetchall():
        names = [row["name"] for row in connection.execute(f"pragma index_info({index['name']})") if row["name"]]
        if index["unique"] and names:
            found.add(min(names, key=lambda name: _unwilling(name, kinds[name])))
    return found


def _unwilling(name: str, kind: str) -> int:
    """How little a column lends itself to be changed in a copy."""
    if name.endswith("organization_id"):
        return 9
    if name.endswith(("user_id", "recipient_id")):
        return 2
    return 0 if _is_id(kind) else 3


def _is_id(kind: str) -> bool:
    return "CHAR(32)" in kind or "UUID" in kind


def _another(value: Any, table: str, column: sqlite3.Row, number: int) -> Any:
    kind = column["type"].upper()
    if "INT" in kind:
        return None if column["pk"] else (value or 0) + number
    if _is_id(kind):
        # A copied person's id is the id that a copied membership names: joins find as many rows as there are copies.
        name = f"{table.removesuffix('s')}_id" if column["name"] == "id" else column["name"]
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{name}:{number}").hex
    if isinstance(value, str):
        limit = int(kind.split("(")[1].rstrip(")")) if "(" in kind else 200
        return (value[: max(0, limit - 8)] + f"x{number:06}")[:limit]
    return value
