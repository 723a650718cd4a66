"""Lists of any length, page by page, each page as cheap as the first: keyset paging.

A cursor says after which row the next page begins, by the values of the columns that the list is ordered by.
It is opaque to its reader and never believed: values are typed by the columns and bounded before PostgreSQL
sees them. There are no page numbers and no counts. The same function serves API lists and HTML pages.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import (
    BinaryField,
    BooleanField,
    CharField,
    DateTimeField,
    F,
    Field,
    Func,
    GeneratedField,
    IntegerField,
    Q,
    QuerySet,
    TextField,
    UUIDField,
    Value,
)

from config import strictjson
from config.envelope import dump
from config.errors import ValidationFailed

# What a list is ordered by: columns or annotations that are never NULL, the last of them unique.
Order = Sequence[tuple[str, Literal["asc", "desc"]]]

NEWEST: Order = [("id", "desc")]
OLDEST: Order = [("id", "asc")]

LONGEST_CURSOR = 4096
# How many records are looked at where no index helps.
LOOKED_THROUGH = 20_000


class Page(NamedTuple):
    """Some rows, and the cursor of the page after them; None when they are the last."""

    rows: list[Any]
    next_cursor: str | None


def page(
    queryset: QuerySet[Any], order: Order, limit: int, cursor: str | None = None, *, turns: Sequence[Any] = ()
) -> Page:
    """The `limit` rows of `queryset` in `order` that follow `cursor` (None or "" for the first page).

    `queryset` may be one of models or of `.values()` that include the ordering columns. One query; or, where the first
    column has few values and `turns` names them in their order, one for each value that the page has rows of, so that
    each is read off one stretch of an index, whichever way the others run. Raises ValidationFailed naming `cursor` if
    that is not one of this list's.
    """
    ordered = queryset.order_by(*(_spelled(name, way) for name, way in order))
    found: list[Any] = []
    for stretch in _stretches(queryset, order, cursor, turns):
        found += ordered.filter(stretch)[: limit + 1 - len(found)]
        if len(found) > limit:
            break
    rows = found[:limit]
    return Page(rows, cursor_after(rows[-1], order) if len(found) > limit else None)


def position(queryset: QuerySet[Any], order: Order, cursor: str) -> list[Any]:
    """The values, in `order`, that `cursor` stands for: for lists with SQL of their own. Or ValidationFailed."""
    return _read(order, _fields(queryset, order), cursor)


def beyond_window(records: QuerySet[Any], cursor: str | None = None) -> int | None:
    """The id of the first record, of those newest first behind a cursor, that is too old to be looked at; or None."""
    if cursor:
        records = records.filter(pk__lt=position(records, NEWEST, cursor)[0])
    return records.order_by("-pk").values_list("pk", flat=True)[LOOKED_THROUGH : LOOKED_THROUGH + 1].first()


def cursor_after(row: Any, order: Order) -> str:
    """The cursor of what follows `row`, a model instance or a dict."""
    values = [row[name] if isinstance(row, dict) else getattr(row, name) for name, _ in order]
    if None in values:
        raise ValueError(f"a list cannot be ordered by what may be NULL: {_signature(order)}")
    return _write(order, values)


# Cursors


def _write(order: Order, values: Sequence[Any]) -> str:
    return urlsafe_b64encode(dump([_signature(order), *map(_plain, values)])).decode().rstrip("=")


def _plain(value: Any) -> Any:
    """`value` as JSON has it; bytes in hex."""
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _read(order: Order, fields: Sequence[Field[Any, Any]], cursor: str) -> list[Any]:
    try:
        values = _unpacked(order, cursor)
        read = [_typed(field, value) for field, value in zip(fields, values, strict=True)]
        if _write(order, read) != cursor:
            raise ValueError
    except (ValueError, TypeError):
        raise _not_ours() from None
    return read


def _not_ours() -> ValidationFailed:
    return ValidationFailed({"cursor": ["This is not a cursor of this list."]})


def _unpacked(order: Order, cursor: str) -> list[Any]:
    """The JSON values in `cursor`. Raises ValueError."""
    if len(cursor) > LONGEST_CURSOR or not cursor.isascii():
        raise ValueError
    try:
        content = strictjson.parse(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except NotBase64 as error:
        raise ValueError from error
    if not isinstance(content, list) or content[:1] != [_signature(order)]:
        raise ValueError
    return content[1:]


def _typed(field: Field[Any, Any], value: Any) -> Any:
    """`value` as `field`'s column would give it. Raises ValueError or TypeError."""
    if isinstance(field, DateTimeField):
        return _moment(value)
    if isinstance(field, IntegerField):
        return _whole_number(field, value)
    if not isinstance(value, str):
        raise TypeError
    if isinstance(field, UUIDField):
        return UUID(value)
    return bytes.fromhex(value) if isinstance(field, BinaryField) else value


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.utcoffset() != timedelta(0):
        raise ValueError
    return moment


def _whole_number(field: Field[Any, Any], value: int) -> int:
    lowest, highest = connection.ops.integer_field_range(field.get_internal_type())
    if type(value) is not int or not lowest <= value <= highest:
        raise ValueError
    return value


# Columns and comparisons


def _fields(queryset: QuerySet[Any], order: Order) -> list[Field[Any, Any]]:
    return [_field(queryset, name) for name, _ in order]


def _field(queryset: QuerySet[Any], name: str) -> Field[Any, Any]:
    """What `queryset` calls `name`: an annotation's type or a column, of a kind that a cursor can hold."""
    if name in queryset.query.annotations:
        field = queryset.query.annotations[name].output_field
    else:
        field = queryset.model._meta.get_field(name)
        if field.null:
            raise ValueError(f"a list cannot be ordered by what may be NULL: {name}")
    if isinstance(field, GeneratedField) and field.output_field is not None:
        field = field.output_field
    if not isinstance(field, DateTimeField | IntegerField | UUIDField | CharField | TextField | BinaryField):
        raise TypeError(f"a list cannot be ordered by a {type(field).__name__}: {name}")
    return field


def _beyond(order: Order, fields: Sequence[Field[Any, Any]], values: Sequence[Any]) -> Q:
    """The condition on rows that come after `values`.

    Where all columns run the same way it is one comparison of rows, `(a, b) < (x, y)`, which PostgreSQL reads
    off an index. Where they do not, the first column is bounded by itself, which is what an index can use.
    """
    names = [name for name, _ in order]
    sign = "gt" if order[0][1] == "asc" else "lt"
    if len({way for _, way in order}) == 1:
        wanted = [Value(value, output_field=field) for value, field in zip(values, fields, strict=True)]
        return Q(_compared([F(name) for name in names], ">" if sign == "gt" else "<", wanted))
    first, value = names[0], values[0]
    rest = _beyond(order[1:], fields[1:], values[1:])
    return Q(**{f"{first}__{sign}e": value}) & (Q(**{f"{first}__{sign}": value}) | Q(**{first: value}) & rest)


def _stretches(queryset: QuerySet[Any], order: Order, cursor: str | None, turns: Sequence[Any]) -> list[Q]:
    """The conditions on the rows behind a cursor, for each stretch of them, nearest first."""
    fields = _fields(queryset, order)
    first = order[0][0]
    if not cursor:
        return [Q(**{first: turn}) for turn in turns] or [Q()]
    values = _read(order, fields, cursor)
    if not turns:
        return [_beyond(order, fields, values)]
    if values[0] not in turns:
        raise _not_ours()
    nearest = Q(**{first: values[0]}) & _beyond(order[1:], fields[1:], values[1:])
    return [nearest, *(Q(**{first: turn}) for turn in turns[turns.index(values[0]) + 1 :])]


def _compared(left: Sequence[F], sign: str, right: Sequence[Value]) -> Func:
    return Func(
        _row(left),
        _row(right),
        template="%(expressions)s",
        arg_joiner=f" {sign} ",
        output_field=BooleanField(),
    )


def _row(expressions: Sequence[F] | Sequence[Value]) -> Func:
    return Func(*expressions, template="(%(expressions)s)", output_field=TextField())


def _signature(order: Order) -> str:
    return ",".join(_spelled(name, way) for name, way in order)


def _spelled(name: str, way: str) -> str:
    return name if way == "asc" else f"-{name}"
