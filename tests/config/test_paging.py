import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import BigIntegerField, DateTimeField, F, UUIDField, Value
from django.db.models.functions import Cast, Length
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import ValidationFailed
from config.models import RateWindow, WorkerLoop
from config.paging import cursor_after, page, position

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 13, 12, 0, 0, 123_456, tzinfo=UTC)
NEWEST = [("ran_at", "desc"), ("name", "desc")]
OLDEST = [("ran_at", "asc"), ("name", "asc")]
MIXED = [("ran_at", "desc"), ("detail", "asc"), ("name", "desc")]
ORDERS = [
    NEWEST,
    OLDEST,
    MIXED,
    [("name", "asc")],
    [("name", "desc")],
    [("detail", "asc"), ("ran_at", "desc"), ("name", "asc")],
]


@pytest.fixture
def _loops():
    WorkerLoop.objects.bulk_create(
        WorkerLoop(name=f"loop {n:02}", ran_at=NOON + timedelta(minutes=n // 4), detail="ab"[n % 2]) for n in range(13)
    )


def walk(queryset, order, limit):
    rows, cursor = [], None
    while True:
        found, cursor = page(queryset, order, limit, cursor)
        rows += found
        assert len(found) == limit or cursor is None
        if cursor is None:
            return rows


@pytest.mark.usefixtures("_loops")
@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("limit", [1, 2, 5, 13, 20])
def test_the_pages_together_are_the_list(order, limit):
    spelled = [name if way == "asc" else f"-{name}" for name, way in order]
    assert walk(WorkerLoop.objects.all(), order, limit) == list(WorkerLoop.objects.order_by(*spelled))


@pytest.mark.usefixtures("_loops")
def test_a_full_last_page_has_no_next_one():
    assert page(WorkerLoop.objects.all(), NEWEST, 13).next_cursor is None
    assert page(WorkerLoop.objects.none(), NEWEST, 13) == ([], None)


@pytest.mark.usefixtures("_loops")
@pytest.mark.parametrize("cursor", [None, ""])
def test_no_cursor_is_the_first_page(cursor):
    assert page(WorkerLoop.objects.all(), NEWEST, 2, cursor).rows[0].name == "loop 12"


@pytest.mark.usefixtures("_loops")
def test_rows_may_be_dicts():
    rows = walk(WorkerLoop.objects.values("name", "ran_at"), NEWEST, 3)
    assert [row["name"] for row in rows] == [f"loop {n:02}" for n in range(12, -1, -1)]


@pytest.mark.usefixtures("_loops")
def test_a_list_may_be_ordered_by_what_is_computed():
    loops = WorkerLoop.objects.annotate(length=Length("name"), moved=Cast("ran_at", DateTimeField()))
    order = [("length", "desc"), ("moved", "asc"), ("name", "asc")]
    assert len({loop.name for loop in walk(loops, order, 2)}) == 13
    same = WorkerLoop.objects.annotate(same=Value("550e8400-e29b-41d4-a716-446655440000", output_field=UUIDField()))
    assert len(walk(same.annotate(uuid=Cast("same", UUIDField())), [("uuid", "asc"), ("name", "asc")], 5)) == 13


@pytest.mark.usefixtures("_loops")
def test_a_row_that_comes_in_between_moves_nothing():
    first = page(WorkerLoop.objects.all(), NEWEST, 3)
    WorkerLoop.objects.create(name="newer", ran_at=NOON + timedelta(days=1))
    second = page(WorkerLoop.objects.all(), NEWEST, 3, first.next_cursor)
    assert [row.name for row in second.rows] == ["loop 09", "loop 08", "loop 07"]


@pytest.mark.usefixtures("_loops")
def test_one_page_is_one_query_without_a_count(django_assert_num_queries):
    cursor = page(WorkerLoop.objects.all(), NEWEST, 3).next_cursor
    with django_assert_num_queries(1) as queries:
        page(WorkerLoop.objects.all(), NEWEST, 3, cursor)
    assert "COUNT" not in queries[0]["sql"].upper()
    assert "LIMIT 4" in queries[0]["sql"]
    assert '("config_worker_loop"."ran_at", "config_worker_loop"."name") < (' in queries[0]["sql"]


@pytest.mark.usefixtures("_loops")
@pytest.mark.parametrize("order", [NEWEST, OLDEST, MIXED], ids=str)
def test_postgresql_enters_an_index_at_the_cursor(order):
    ways = ", ".join(f"{name} {way}" for name, way in order)
    cursor = page(WorkerLoop.objects.all(), order, 3).next_cursor
    with connection.cursor() as sql:
        sql.execute(f"CREATE INDEX ON config_worker_loop ({ways})")
        sql.execute("SET LOCAL enable_seqscan = off")
        sql.execute("SET LOCAL enable_bitmapscan = off")
        sql.execute("SET LOCAL enable_sort = off")
        with CaptureQueriesContext(connection) as queries:
            page(WorkerLoop.objects.all(), order, 3, cursor)
        sql.execute("EXPLAIN " + queries[0]["sql"])
        plan = "\n".join(line for (line,) in sql.fetchall())
    assert "Index Cond: " in plan
    assert "ran_at" in plan.split("Index Cond: ")[1]


# One value of the first column at a time


TURNS = [("detail", "asc"), ("ran_at", "desc"), ("name", "desc")]


@pytest.mark.usefixtures("_loops")
@pytest.mark.parametrize("limit", [1, 2, 5, 7, 13, 20])
def test_the_pages_of_a_list_in_turns_together_are_the_list(limit):
    rows, cursor = [], None
    while True:
        found, cursor = page(WorkerLoop.objects.all(), TURNS, limit, cursor, turns=["a", "b", "c"])
        rows += found
        if cursor is None:
            break
    assert rows == list(WorkerLoop.objects.order_by("detail", "-ran_at", "-name"))


@pytest.mark.usefixtures("_loops")
def test_a_page_that_one_value_fills_is_one_query(django_assert_num_queries):
    with django_assert_num_queries(1):
        page(WorkerLoop.objects.all(), TURNS, 3, turns=["a", "b"])
    with django_assert_num_queries(2):
        page(WorkerLoop.objects.all(), TURNS, 10, turns=["a", "b"])


@pytest.mark.usefixtures("_loops")
def test_a_cursor_with_a_value_that_has_no_turn_is_none():
    cursor = page(WorkerLoop.objects.all(), TURNS, 3).next_cursor
    with pytest.raises(ValidationFailed):
        page(WorkerLoop.objects.all(), TURNS, 3, cursor, turns=["b"])


# Cursors that nobody gave out


def cursor_of(*content):
    return urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("=")


GOOD = cursor_of("-ran_at,-name", "2026-05-13T12:00:00.123456+00:00", "x")

FORGED = [
    "x",
    "0",
    " ",
    "=",
    "é",
    "\0",
    "a" * 5000,
    GOOD + "=",
    GOOD + "A",
    GOOD[:-1],
    " " + GOOD,
    GOOD + "\n",
    GOOD.replace("W", "W\n", 1),
    urlsafe_b64encode(b"\xff\xfe").decode(),
    urlsafe_b64encode(b"null").decode(),
    urlsafe_b64encode(b"{}").decode(),
    urlsafe_b64encode(b'"-ran_at,-name"').decode(),
    urlsafe_b64encode(b'[ "-ran_at,-name", "2026-05-13T12:00:00.123456+00:00", "x"]').decode().rstrip("="),
    urlsafe_b64encode(b'["-ran_at,-name","2026-05-13T12:00:00.123456+00:00","a\\u0000"]').decode().rstrip("="),
    urlsafe_b64encode(b'["-ran_at,-name","2026-05-13T12:00:00.123456+00:00","\\ud800"]').decode().rstrip("="),
    urlsafe_b64encode(b"[" * 2000).decode(),
    cursor_of(),
    cursor_of("-ran_at,-name"),
    cursor_of("-ran_at,-name", "2026-05-13T12:00:00.123456+00:00"),
    cursor_of("-ran_at,-name", "2026-05-13T12:00:00.123456+00:00", "x", "y"),
    cursor_of("ran_at,name", "2026-05-13T12:00:00.123456+00:00", "x"),
    cursor_of(["-ran_at,-name"], "2026-05-13T12:00:00.123456+00:00", "x"),
    cursor_of("-ran_at,-name", "2026-05-13", "x"),
    cursor_of("-ran_at,-name", "2026-05-13T12:00:00.123456", "x"),
    cursor_of("-ran_at,-name", "2026-05-13T12:00:00.123456Z", "x"),
    cursor_of("-ran_at,-name", "2026-05-13T12:00:00.123456+02:00", "x"),
    cursor_of("-ran_at,-name", "0001-01-01T00:00:00+14:00", "x"),
    cursor_of("-ran_at,-name", "9999-12-31T23:59:59-14:00", "x"),
    cursor_of("-ran_at,-name", "infinity", "x"),
    cursor_of("-ran_at,-name", 1, "x"),
    cursor_of("-ran_at,-name", None, "x"),
    cursor_of("-ran_at,-name", "2026-05-13T12:00:00.123456+00:00", 1),
    cursor_of("-ran_at,-name", "2026-05-13T12:00:00.123456+00:00", None),
    cursor_of("-ran_at,-name", "2026-05-13T12:00:00.123456+00:00", ["x"]),
    cursor_of("-ran_at,-name", {}, []),
]


def test_a_cursor_is_what_it_is_taken_for():
    assert position(WorkerLoop.objects.all(), NEWEST, GOOD) == [NOON, "x"]
    assert cursor_after({"ran_at": NOON, "name": "x"}, NEWEST) == GOOD


@pytest.mark.parametrize("cursor", FORGED, ids=lambda cursor: cursor[:24])
def test_a_forged_cursor_is_refused_by_name(cursor):
    with pytest.raises(ValidationFailed) as failed:
        page(WorkerLoop.objects.all(), NEWEST, 3, cursor)
    assert failed.value.fields == {"cursor": ["This is not a cursor of this list."]}


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"])
def test_the_ends_of_the_calendar_are_no_crash(moment):
    assert page(WorkerLoop.objects.all(), NEWEST, 3, cursor_of("-ran_at,-name", moment, "x")) == ([], None)


NUMBERED = [("number", "asc"), ("name", "asc")]


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**39, 1.5, 1.0, "1", True, None, []])
def test_a_number_out_of_the_columns_range_does_not_reach_postgresql(number):
    loops = WorkerLoop.objects.annotate(number=Cast(F("lag_seconds"), BigIntegerField()))
    with pytest.raises(ValidationFailed):
        page(loops, NUMBERED, 3, cursor_of("number,name", number, "x"))
    for good in (2**63 - 1, -(2**63), 0):
        page(loops, NUMBERED, 3, cursor_of("number,name", good, "x"))


@pytest.mark.parametrize(
    "uuid", ["x", "550E8400-E29B-41D4-A716-446655440000", "{550e8400-e29b-41d4-a716-446655440000}", 1, None]
)
def test_a_uuid_is_written_in_its_usual_form(uuid):
    loops = WorkerLoop.objects.annotate(uuid=Cast(Value("550e8400-e29b-41d4-a716-446655440000"), UUIDField()))
    order = [("uuid", "asc"), ("name", "asc")]
    with pytest.raises(ValidationFailed):
        page(loops, order, 3, cursor_of("uuid,name", uuid, "x"))
    page(loops, order, 3, cursor_of("uuid,name", "550e8400-e29b-41d4-a716-446655440000", "x"))


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda raw: urlsafe_b64encode(raw).decode().rstrip("=")))
@settings(deadline=None)
def test_any_text_is_a_cursor_or_refused(text):
    try:
        position(WorkerLoop.objects.all(), NEWEST, text)
    except ValidationFailed:
        return
    assert json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


WINDOWS = [("hits", "desc"), ("key", "asc")]


@pytest.fixture
def _windows():
    RateWindow.objects.bulk_create(RateWindow(key=bytes([n]), ends_at=NOON, hits=n % 3) for n in range(1, 8))


@pytest.mark.usefixtures("_windows")
def test_bytes_order_a_list_too():
    keys = [bytes(window.key)[0] for window in walk(RateWindow.objects.all(), WINDOWS, 2)]
    assert keys == [2, 5, 1, 4, 7, 3, 6]


@pytest.mark.parametrize("key", ["x", "0", "AB", "a b", " ab", 1, None, []])
def test_bytes_are_written_in_hex(key):
    with pytest.raises(ValidationFailed):
        page(RateWindow.objects.all(), WINDOWS, 3, cursor_of("-hits,key", 1, key))


# Lists that cannot be paged


def test_a_column_that_may_be_null_orders_nothing():
    with pytest.raises(ValueError, match="may be NULL: last_login"):
        page(get_user_model().objects.all(), [("last_login", "asc")], 3)
    with pytest.raises(ValueError, match="may be NULL: -nothing"):
        cursor_after({"nothing": None}, [("nothing", "desc")])


def test_a_column_of_a_kind_that_a_cursor_cannot_hold_orders_nothing():
    WorkerLoop.objects.create(name="x", ran_at=NOON)
    with pytest.raises(TypeError, match="FloatField: lag_seconds"):
        page(WorkerLoop.objects.all(), [("lag_seconds", "asc")], 3)
