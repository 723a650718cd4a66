"""
Many rows in one statement: bulk insert and update of a model's rows through `jsonb_to_recordset`.

The ORM's bulk_create and bulk_update build a statement that grows with every row; here the statement stays the same and
the rows travel as one JSON parameter. Not here: what the rows mean.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from django.db import connection, models

Row = dict[str, Any]


def insert(
    model: type[models.Model], rows: Sequence[Row], *, returning: Sequence[str] = (), on_conflict: str = ""
) -> list[tuple[Any, ...]]:
    """
    Insert rows (column name → value; every row has the same columns) in one statement.

    `on_conflict` is SQL such as `ON CONFLICT DO NOTHING`; the answer has the `returning` columns of the rows inserted.
    """
    if not rows:
        return []
    columns = list(rows[0])
    names = ", ".join(f'"{column}"' for column in columns)
    returned = f" RETURNING {', '.join(returning)}" if returning else ""
    source = f"SELECT {names} FROM {records(model, tuple(columns))}"  # noqa: S608 - names of our own
    sql = f"INSERT INTO {table(model)} ({names}) {source} {on_conflict}{returned}"
    with connection.cursor() as cursor:
        cursor.execute(sql, [as_json(rows)])
        return cursor.fetchall() if returning else []


def update(model: type[models.Model], rows: Sequence[Row]) -> None:
    """Update rows by their `id` (every row has the same columns) in one statement."""
    if not rows:
        return
    columns = list(rows[0])
    sets = ", ".join(f'"{column}" = r."{column}"' for column in columns if column != "id")
    sql = f"UPDATE {table(model)} AS t SET {sets} FROM {records(model, tuple(columns))} WHERE t.id = r.id"  # noqa: S608 - names of our own
    with connection.cursor() as cursor:
        cursor.execute(sql, [as_json(rows)])


def table(model: type[models.Model]) -> str:
    """The model's quoted table name."""
    return f'"{model._meta.db_table}"'


@cache
def records(model: type[models.Model], columns: tuple[str, ...]) -> str:
    """A JSON parameter as a relation `r` with the model's column types."""
    types = {field.column: field.rel_db_type(connection) for field in model._meta.concrete_fields}
    typed = ", ".join(f'"{column}" {types[column]}' for column in columns)
    return f"jsonb_to_recordset(%s::jsonb) AS r({typed})"


def as_json(rows: Sequence[Row]) -> str:
    """The rows as JSON text that PostgreSQL's column types read."""
    return json.dumps(rows, default=plain, ensure_ascii=False)


def plain(value: object) -> str:
    """A value that JSON has no word for, in PostgreSQL's text form."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return "\\x" + bytes(value).hex()
    return str(value)
