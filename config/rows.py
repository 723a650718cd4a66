"""
Many rows in one statement: a model's rows by their ids, and bulk insert and update through `jsonb_to_recordset`.

The ORM's `__in`, bulk_create and bulk_update build a statement that grows with every row; here the statement stays the
same and ids or rows travel as one parameter. Not here: what the rows mean.
"""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from django.db import connection, models

Row = dict[str, Any]


def select(
    model: type[models.Model],
    columns: Sequence[str],
    among: Collection[int] | Collection[bytes],
    *,
    by: str = "id",
    lock: bool = False,
) -> list[tuple[Any, ...]]:
    """
    Columns of the rows whose `by` is among some values, in the order of their ids; JSON comes as text.

    With `lock`, nobody else changes the rows until the transaction ends.
    """
    if not among:
        return []
    names = ", ".join(f'"{column}"' for column in columns)
    wanted = f'"{by}" = ANY(%s::{column_types(model)[by]}[])'
    sql = f"SELECT {names} FROM {table(model)} WHERE {wanted} ORDER BY id"  # noqa: S608 - names of our own
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} FOR NO KEY UPDATE" if lock else sql, [as_array(among)])
        return cursor.fetchall()


def insert(
    model: type[models.Model],
    rows: Sequence[Row],
    *,
    returning: Sequence[str] = (),
    on_conflict: str = "",
    in_order_of: str = "",
) -> list[tuple[Any, ...]]:
    """
    Insert rows (column name → value; every row has the same columns) in one statement.

    `on_conflict` is SQL such as `ON CONFLICT DO NOTHING`; the answer has the `returning` columns of the rows inserted.
    The ids are in the order of the rows; with `in_order_of`, the rows are written in the order of that column, so that
    two who write the same rows wait for each other and never in a circle.
    """
    if not rows:
        return []
    columns = list(rows[0])
    names = ", ".join(f'"{column}"' for column in columns)
    returned = f" RETURNING {', '.join(returning)}" if returning else ""
    source = f"SELECT {names} FROM {records(model, tuple(columns))}"  # noqa: S608 - names of our own
    if in_order_of:
        names = f'"id", {names}'
        numbered = source.replace("SELECT", f"SELECT nextval(pg_get_serial_sequence('{table(model)}', 'id')) AS id,", 1)
        source = f'SELECT * FROM ({numbered}) AS numbered ORDER BY "{in_order_of}"'  # noqa: S608 - names of our own
    sql = f"INSERT INTO {table(model)} ({names}) {source} {on_conflict}{returned}"
    with connection.cursor() as cursor:
        cursor.execute(sql, [as_json(rows)])
        return cursor.fetchall() if returning else []


def update(model: type[models.Model], rows: Sequence[Row], *, only: str = "") -> None:
    """
    Update rows by their `id` (every row has the same columns) in one statement. `only` is SQL such as
    `t.status = 'new'`: rows `t` that are otherwise stay as they are.
    """
    if not rows:
        return
    columns = list(rows[0])
    sets = ", ".join(f'"{column}" = r."{column}"' for column in columns if column != "id")
    sql = f"UPDATE {table(model)} AS t SET {sets} FROM {records(model, tuple(columns))} WHERE t.id = r.id"  # noqa: S608 - names of our own
    if only:
        sql += f" AND {only}"
    with connection.cursor() as cursor:
        cursor.execute(sql, [as_json(rows)])


def blank(model: type[models.Model]) -> Row:
    """A new row without an id, with the model's defaults."""
    columns = (field for field in model._meta.concrete_fields if not field.primary_key and not field.generated)
    return {str(field.column): field.get_default() for field in columns}


def table(model: type[models.Model]) -> str:
    """The model's quoted table name."""
    return f'"{model._meta.db_table}"'


@cache
def records(model: type[models.Model], columns: tuple[str, ...]) -> str:
    """A JSON parameter as a relation `r` with the model's column types."""
    types = column_types(model)
    typed = ", ".join(f'"{column}" {types[column]}' for column in columns)
    return f"jsonb_to_recordset(%s::jsonb) AS r({typed})"


@cache
def sequence(model: type[models.Model]) -> str:
    """
    The sequence of the model's ids, as a word of SQL. Asked for once: PostgreSQL looks through its dependencies for it,
    which in a statement costs as much as to write a row.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_literal(pg_get_serial_sequence(%s, 'id'))", [table(model)])
        [name] = cursor.fetchone()
    return f"{name}::regclass"


@cache
def column_types(model: type[models.Model]) -> dict[str, str | None]:
    """The type of each column of the model."""
    return {str(field.column): field.rel_db_type(connection) for field in model._meta.concrete_fields}


def as_array(values: Collection[int] | Collection[bytes]) -> str:
    """Numbers or bytes as the text of a PostgreSQL array."""
    texts = (f'"\\\\x{value.hex()}"' if isinstance(value, bytes) else str(value) for value in values)
    return "{" + ",".join(texts) + "}"


def as_json(rows: Sequence[Row]) -> str:
    """The rows as JSON text that PostgreSQL's column types read."""
    return ENCODER.encode(rows)


def plain(value: object) -> str:
    """A value that JSON has no word for, in PostgreSQL's text form."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return "\\x" + bytes(value).hex()
    return str(value)


# Nothing in a row has itself in it, so that is not looked for.
ENCODER = json.JSONEncoder(default=plain, ensure_ascii=False, check_circular=False)
