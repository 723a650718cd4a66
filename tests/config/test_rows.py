import json
import random
import string
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from config import rows
from config.models import WorkerLoop
from incidents.models import Incident
from integrations.models import InboundDelivery
from tests.conftest import NOON, an_event, tell_it
from timeline.models import TimelineEvent

RANDOM = "".join(random.Random(1).choices(string.printable.replace("\0", ""), k=60_000))
STRANGE = "😀👩‍👩‍👧\u202e\u200b\x01\x7f\\\"'%s%%(x)s{}[],\n\t\r\U0010ffff\ufffe null \\x00"


def loop(name, **columns):
    return {"name": name, "ran_at": NOON, "lag_seconds": 0.0, "detail": ""} | columns


def a_fact(team, number, **columns):
    return {
        "team_id": team.pk,
        "integration_id": 1,
        "event": "x",
        "subject_kind": "incident",
        "subject_id": 1,
        "occurred_at": NOON,
        "recorded_at": NOON,
        "rank": 1,
        "identity": number.to_bytes(32, "big"),
        "payload": {},
        "effect": "applied",
        "why": "",
        "entries": [],
        "hold": 0,
        "presses": "",
    } | columns


def test_rows_are_written_in_one_statement_and_returned(db):
    with CaptureQueriesContext(connection) as queries:
        returned = rows.insert(WorkerLoop, [loop(f"l{n}") for n in range(500)], returning=("name", "lag_seconds"))
    assert len(queries) == 1
    assert sorted(returned) == sorted((f"l{n}", 0.0) for n in range(500))
    assert WorkerLoop.objects.count() == 500


def test_rows_are_numbered_as_they_stand_and_written_in_one_order(team):
    facts = [a_fact(team, number) for number in (5, 3, 9, 1, 7)]
    written = rows.insert(TimelineEvent, facts, returning=("identity", "id"), in_order_of="identity")
    assert [int.from_bytes(identity, "big") for identity, _ in written] == [1, 3, 5, 7, 9]
    by_id = TimelineEvent.objects.order_by("id").values_list("identity", flat=True)
    assert [int.from_bytes(identity, "big") for identity in by_id] == [5, 3, 9, 1, 7]


def test_rows_are_found_by_ids_or_keys_in_the_order_of_ids(team):
    rows.insert(TimelineEvent, [a_fact(team, number) for number in range(5)])
    found = rows.select(
        TimelineEvent, ("id", "identity", "occurred_at"), {n.to_bytes(32, "big") for n in (4, 0, 9)}, by="identity"
    )
    assert [(int.from_bytes(identity, "big"), at) for _, identity, at in found] == [(0, NOON), (4, NOON)]
    ids = [row[0] for row in found]
    assert rows.select(TimelineEvent, ["id"], ids[::-1]) == [(each,) for each in ids]


def test_rows_that_are_locked_are_locked_in_the_order_of_ids(team):
    rows.insert(TimelineEvent, [a_fact(team, 1)])
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        rows.select(TimelineEvent, ["id"], [1, 2], lock=True)
    assert queries[0]["sql"].endswith("ORDER BY id FOR NO KEY UPDATE")


def test_a_blank_row_has_the_model_s_defaults(team):
    blank = rows.blank(Incident)
    rows.insert(Incident, [blank | {"team_id": team.pk}])
    fresh = Incident(team=team)
    made = Incident.objects.get()
    for field in Incident._meta.concrete_fields:
        if not field.primary_key and not field.generated and field.name not in ("uuid", "created_at"):
            assert getattr(made, field.attname) == getattr(fresh, field.attname), field
    assert rows.blank(Incident)["uuid"] != blank["uuid"]


def test_nothing_to_write_asks_nothing(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert rows.insert(WorkerLoop, [], returning=("name",)) == []
        rows.update(WorkerLoop, [])
        assert rows.select(WorkerLoop, ["name"], []) == []


def test_without_returning_nothing_is_answered(db):
    assert rows.insert(WorkerLoop, [loop("a")]) == []


def test_a_conflict_may_do_nothing_or_update(db):
    rows.insert(WorkerLoop, [loop("a", detail="old")])
    nothing = rows.insert(
        WorkerLoop, [loop("a", detail="new"), loop("b")], on_conflict="ON CONFLICT DO NOTHING", returning=("name",)
    )
    assert nothing == [("b",)]
    assert WorkerLoop.objects.get(name="a").detail == "old"
    update = "ON CONFLICT (name) DO UPDATE SET detail = excluded.detail"
    assert rows.insert(WorkerLoop, [loop("a", detail="100%")], on_conflict=update, returning=("name",)) == [("a",)]
    assert WorkerLoop.objects.get(name="a").detail == "100%"


def test_a_bad_row_refuses_all(db):
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.insert(WorkerLoop, [loop("a"), loop("b", ran_at=None)])
    assert not WorkerLoop.objects.exists()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("payload", {"a": [1, 2.5, None, True, {"é": "😀"}], "n": 2**63 - 1, "large": 10**39, STRANGE: STRANGE}),
        ("payload", []),
        ("payload", {"text": RANDOM}),
        ("entries", [{"a": None}, "null", {}]),
        ("event", RANDOM),
        ("event", STRANGE),
        ("event", ""),
        ("event", "null"),
        ("why", "{a,b}"),
        ("user_email", None),
        ("user_email", ""),
        ("named_id", 2**63 - 1),
        ("named_id", None),
        ("hold", -1),
        ("rank", -32768),
        ("occurred_at", datetime(2026, 5, 13, 12, 0, 0, 123000, UTC)),
        ("occurred_at", datetime(2000, 1, 1, tzinfo=UTC)),
        ("occurred_at", datetime(2026, 5, 13, 23, 0, tzinfo=timezone(timedelta(hours=14)))),
        ("identity", bytes(range(256))),
        ("identity", b""),
        ("identity", memoryview(b"\0\xff")),
        ("identity", b"\\x41"),
    ],
)
def test_a_value_comes_back_as_it_was_written_and_as_it_was_updated(team, column, value):
    [(written,)] = rows.insert(TimelineEvent, [a_fact(team, 1, **{column: value})], returning=("id",))
    [(other,)] = rows.insert(TimelineEvent, [a_fact(team, 2)], returning=("id",))
    rows.update(
        TimelineEvent, [{"id": other, column: value}] if column != "identity" else [{"id": other, column: b"\5"}]
    )
    for fact in (written, *([other] if column != "identity" else [])):
        stored = TimelineEvent.objects.values_list(column, flat=True).get(pk=fact)
        assert (bytes(stored) if column == "identity" else stored) == value


def test_null_in_a_json_column_is_sql_s_null(integration):
    tell_it(integration, an_event("monitor.down"))
    delivery = InboundDelivery.objects.get()
    rows.update(InboundDelivery, [{"id": delivery.pk, "error": {"code": "x"}}])
    rows.update(InboundDelivery, [{"id": delivery.pk, "error": None}])
    with connection.cursor() as cursor:
        cursor.execute("SELECT error IS NULL FROM integrations_inbounddelivery")
        assert cursor.fetchone() == (True,)


@pytest.mark.parametrize(
    "regions", [[], [""], ["a,b", '"', "{}", "NULL", "null", "\\", " "], [STRANGE, RANDOM], ["r"] * 8_000]
)
def test_an_array_comes_back_as_it_was_written(integration, regions):
    tell_it(integration, an_event("incident.started"))
    incident = Incident.objects.get()
    rows.update(Incident, [{"id": incident.pk, "affected_regions": tuple(regions)}])
    incident.refresh_from_db()
    assert incident.affected_regions == regions


def test_only_the_rows_and_columns_that_are_named_are_updated(team):
    ids = [one for (one,) in rows.insert(TimelineEvent, [a_fact(team, n) for n in range(4)], returning=("id",))]
    before = {row["id"]: row for row in TimelineEvent.objects.values()}
    with CaptureQueriesContext(connection) as queries:
        rows.update(
            TimelineEvent, [{"id": ids[2], "why": "c"}, {"id": ids[0], "why": "a"}, {"id": 10**12, "why": "nobody"}]
        )
    assert len(queries) == 1
    after = {row["id"]: row for row in TimelineEvent.objects.values()}
    assert {one: row for one, row in after.items() if row != before[one]} == {
        ids[0]: before[ids[0]] | {"why": "a"}, ids[2]: before[ids[2]] | {"why": "c"},
    }  # fmt: skip


def test_an_update_costs_one_statement_whatever_the_number_of_rows(team):
    ids = [one for (one,) in rows.insert(TimelineEvent, [a_fact(team, n) for n in range(1_000)], returning=("id",))]
    with CaptureQueriesContext(connection) as queries:
        rows.update(TimelineEvent, [{"id": one, "hold": -1, "presses": "hold"} for one in ids])
    assert len(queries) == 1
    assert TimelineEvent.objects.filter(hold=-1, presses="hold").count() == 1_000


def test_values_that_json_has_no_word_for_are_written_as_postgresql_reads_them():
    one = UUID(int=5)
    written = json.loads(
        rows.as_json([{"at": NOON, "raw": b"\0\xff", "view": memoryview(b"a"), "id": one, "text": "é"}])
    )
    assert written == [
        {"at": "2026-05-13T12:00:00+00:00", "raw": "\\x00ff", "view": "\\x61", "id": str(one), "text": "é"}
    ]


def test_the_types_of_foreign_keys_and_of_narrow_columns_are_the_table_s():
    sql = rows.records(TimelineEvent, ("team_id", "rank", "identity", "occurred_at", "payload", "subject_kind"))
    for part in ('"team_id" bigint', '"rank" smallint', '"identity" bytea', '"occurred_at" timestamp with time zone',
                 '"payload" jsonb', '"subject_kind" varchar(20)'):  # fmt: skip
        assert part in sql
