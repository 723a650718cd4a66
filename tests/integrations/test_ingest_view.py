import gzip
import json
import random
import re
import string
import zlib
from base64 import b64encode
from datetime import timedelta

import pytest
from django.test import Client
from standardwebhooks.webhooks import Webhook

from config import canary, clock
from config.vault import seal
from incidents.models import Incident
from integrations import applying, delivery_store, ingest
from integrations.counts import Refusals, refusals
from integrations.models import DoorCount, InboundDelivery, IngestKey
from monitors.models import Heartbeat, Monitor
from teams.authentication import make_key
from teams.models import Scope
from tests.conftest import NOON, an_event, make_integration, make_team, make_user, rfc
from timeline.events import VENDOR_EVENTS
from timeline.models import TimelineEvent

RECEIVED = NOON + timedelta(hours=1)
KEY_DOOR = "/api/webhooks/incident-log"
KIB, MIB = 1024, 1024 * 1024


@pytest.fixture
def path(integration):
    return f"{KEY_DOOR}/{integration.token}"


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


@pytest.fixture
def send(client, path):
    """`send(value or bytes)`: what a vendor posts, at 13:00 if no other time is held."""

    def post(value, where=path, at=RECEIVED, content_type="application/json", **headers):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        with clock.at(at):
            return client.generic("POST", where, body, content_type=content_type, headers=named)

    return post


def told(name="incident.started", at=NOON, **fields):
    return an_event(name, at, **fields)


def verdict(answer):
    """(HTTP status, what is said of the event)."""
    said = answer.json()
    return answer.status_code, said["data"]["status"] if said["success"] else said["error"]["code"]


def verdicts(answer):
    assert answer.status_code == 202, answer.content
    return [each["status"] for each in answer.json()["data"]]


def statuses():
    return list(InboundDelivery.objects.order_by("id").values_list("status", flat=True))


def counted():
    return {row.reason: row.count for row in DoorCount.objects.all()}


def apply_all(at=RECEIVED):
    while applying.apply_due(at):
        pass


# --- the table of what is answered ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", VENDOR_EVENTS)
def test_a_documented_event_is_accepted_and_kept_exactly(send, integration, name):
    body = json.dumps(told(name, more="é"), indent=3, ensure_ascii=False).encode() + b"\n "
    answer = send(body, user_agent="vendor/1", authorization="Basic secret", cookie="a=b")
    delivery = InboundDelivery.objects.get()
    assert (answer.status_code, answer.json()) == (
        202, {"success": True, "data": {"id": delivery.pk, "status": "accepted"}},
    )  # fmt: skip
    assert (bytes(delivery.body), delivery.event, delivery.status) == (body, name, "received")
    assert (delivery.team, delivery.integration, delivery.received_at) == (integration.team, integration, RECEIVED)
    assert delivery.headers == {"content-type": "application/json", "user-agent": "vendor/1"}
    apply_all()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.applied_at) == ("applied", RECEIVED)
    assert delivery.fact == TimelineEvent.objects.get()


def test_the_same_event_again_is_a_duplicate_before_and_after_it_was_applied(send):
    first = send(told()).json()["data"]["id"]
    for written in (told(), dict(reversed(told().items()))):
        answer = send(written)
        assert (verdict(answer), answer.json()["data"]["id"]) == ((200, "duplicate"), first)
        apply_all()
    assert (InboundDelivery.objects.count(), TimelineEvent.objects.count()) == (1, 1)


def test_the_same_event_of_two_integrations_is_two_events_also_in_one_batch(send, team):
    other = make_integration(team, "Another")
    first, second = send(told()), send(told(), f"{KEY_DOOR}/{other.token}")
    assert verdict(first) == verdict(second) == (202, "accepted")
    apply_all()
    assert statuses() == ["applied", "applied"]
    assert [(each.facts, each.status) for each in Incident.objects.all()] == [(1, "open")] * 2
    assert [(each.facts, each.live_incidents) for each in Monitor.objects.all()] == [(1, 1)] * 2
    assert {(d.fact.integration_id, d.incident_id) for d in InboundDelivery.objects.all()} == {
        (each.integration_id, each.pk) for each in Incident.objects.all()
    }


@pytest.mark.parametrize("name", ["monitor.checked", "incident.closed", "x", "😀" * 500])
def test_an_unknown_name_with_sound_common_fields_is_unrecognized_and_kept(send, name):
    answer = send(told(name, monitor_id="whatever"))
    assert verdict(answer) == (202, "unrecognized")
    assert InboundDelivery.objects.values_list("id", "status", "event").get() == (
        answer.json()["data"]["id"], "unrecognized", name,
    )  # fmt: skip
    assert verdict(send(told(name, monitor_id="whatever"))) == (200, "duplicate")
    apply_all()
    assert statuses() == ["unrecognized"]


def test_a_name_to_be_counted_only_is_counted_and_not_kept(send, integration):
    integration.count_only = ["monitor.checked", "incident.started"]
    integration.save()
    assert verdict(send(told("monitor.checked"))) == (202, "unrecognized")
    answer = send([told(" monitor.checked "), told("monitor.other"), told("monitor.checked", message="2")])
    assert [each["id"] is None for each in answer.json()["data"]] == [True, False, True]
    assert verdicts(answer) == ["unrecognized"] * 3
    assert counted() == {"monitor.checked": 3}
    assert DoorCount.objects.get().integration == integration
    # A name that is known is never only counted, nor is an event that is wrong.
    assert verdict(send(told())) == (202, "accepted")
    assert verdict(send(told("monitor.checked") | {"dt": "x"})) == (422, "VALIDATION_ERROR")
    assert sorted(statuses()) == ["quarantined", "received", "unrecognized"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"incident_id": "0201"}, {"incident_id"}),
        ({"incident_id": None, "message": " ", "regions": 5}, {"incident_id", "message"}),
        ({"dt": "9999-12-31T23:59:59-14:00"}, {"dt"}),
        ({"dt": rfc(NOON + timedelta(days=2)), "team_id": []}, {"team_id"}),
        ({"dt": "1999-12-31T23:59:59.999Z"}, {"dt"}),
        ({"event": None}, {"event"}),
    ],
)
def test_wrong_fields_are_named_and_the_event_is_quarantined(send, fields, named):
    answer = send(told(**fields))
    delivery = InboundDelivery.objects.get()
    error = answer.json()["error"]
    assert verdict(answer) == (422, "VALIDATION_ERROR")
    assert set(error["details"]["fields"]) == named
    assert error["details"]["id"] == delivery.pk
    assert (delivery.status, delivery.is_event, set(delivery.error["details"]["fields"])) == (
        "quarantined",
        True,
        named,
    )
    assert verdict(send(told(**fields))) == (422, "VALIDATION_ERROR")
    apply_all()
    assert statuses() == ["quarantined"]


@pytest.mark.parametrize(
    "body", [b"5", b'"incident.started"', b"null", b"true", b"{}", b'{"event": "incident.started"}']
)
def test_json_that_is_no_event_is_a_422_and_kept(send, body):
    assert verdict(send(body)) == (422, "VALIDATION_ERROR")
    assert statuses() == ["quarantined"]


MALFORMED = [
    b"",
    b" ",
    b"{",
    b"[",
    b"{]",
    b"nope",
    b"\xff\xfe",
    b'{"a": "\xed\xa0\x80"}',
    b"\xef\xbb\xbf{}",
    b"{'a': 1}",
    b'{"a": 1,}',
    b"[1, 2",
    b"[1 2]",
    b'{"a": 01}',
    b'{"a": "\n"}',
    b"{} {}",
    b"dt=2026&event=x",
    b"\0",
    b'{"a":\0}',
]
UNSAFE = [
    b'{"a": 1, "a": 2}', b'{"a": {"b": 1, "b": 1}}', b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -Infinity}',
    b'{"a": "\\u0000"}', b'{"\\u0000": 1}', b'{"a": "\\ud800"}', b'{"a": "\\udc00\\ud800"}', b'{"a": 1e400}',
    b'{"a": -1e400}', b'{"a": ' + b"1" * 41 + b"}", b"[" * 33 + b"]" * 33, b'{"a":' * 33 + b"1" + b"}" * 33,
    b'{"\\u0061": 1, "a": 2}',
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "code"), [(body, "MALFORMED_JSON") for body in MALFORMED] + [(body, "UNSAFE_JSON") for body in UNSAFE]
)
def test_what_is_not_json_or_not_safe_is_a_400_and_its_bytes_are_kept_once(send, integration, body, code):
    for _ in range(2):
        assert verdict(send(body, webhook_id="msg_1")) == (400, code)
    delivery = InboundDelivery.objects.get()
    assert (bytes(delivery.body), delivery.status, delivery.is_event) == (body, "quarantined", False)
    assert (delivery.error["code"], delivery.webhook_id, delivery.event) == (code, "msg_1", None)
    assert counted() == {}


@pytest.mark.parametrize("depth", [2, 31, 32])
def test_an_event_may_be_nested_32_deep_and_no_deeper(send, depth):
    def nested(levels):
        body = json.dumps(told(more="DEEP")).encode()
        return body.replace(b'"DEEP"', b"[" * (levels - 1) + b"]" * (levels - 1))

    assert verdict(send(nested(depth))) == (202, "accepted")
    assert verdict(send(nested(33))) == (400, "UNSAFE_JSON")
    apply_all()
    assert TimelineEvent.objects.count() == 1


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "nonsense",
        "application/json; charset=utf-16",
        "application/json; charset=klingon",
    ],
)
def test_the_content_type_is_ignored_if_the_body_parses(send, content_type):
    assert verdict(send(told(message="é 😀"), content_type=content_type)) == (202, "accepted")
    assert verdict(send(b"not=json", content_type=content_type)) == (400, "MALFORMED_JSON")


# --- sizes ----------------------------------------------------------------------------------------------------


def sized(size, **fields):
    """An event of exactly so many bytes."""
    bare = len(json.dumps(told(**fields) | {"message": ""}))
    return json.dumps(told(**fields) | {"message": "x" * (size - bare)}).encode()


def is_kept_in_part(delivery, body, size=None):
    """Whether of a body the first KiB lies in quarantine, and its size."""
    seen = (bytes(delivery.body), delivery.size, delivery.status, delivery.is_event, delivery.error["code"])
    return seen == (body[:KIB], size or len(body), "quarantined", False, "PAYLOAD_TOO_LARGE")


def test_an_event_has_at_most_64_kib_and_of_a_larger_one_the_beginning_is_kept_once(send):
    assert verdict(send(sized(64 * KIB))) == (202, "accepted")
    for body in (sized(64 * KIB + 1), sized(64 * KIB - 1) + b"  "):
        answers = [send(body, webhook_id="msg_1") for _ in range(2)]
        assert {verdict(answer) for answer in answers} == {(413, "PAYLOAD_TOO_LARGE")}
        kept = InboundDelivery.objects.latest("id")
        assert is_kept_in_part(kept, body)
        assert (kept.event, kept.webhook_id, kept.webhook_digest) == ("incident.started", "msg_1", None)
        assert [answer.json()["error"]["details"] for answer in answers] == [{"size": 65_537, "id": kept.pk}] * 2
        assert "65,537 bytes" in answers[0].json()["error"]["message"]
    assert InboundDelivery.objects.count() == 3


def test_a_request_has_at_most_4_mib_and_of_a_larger_one_the_beginning_is_kept(send):
    room = 4 * MIB - 2 - 63
    fitting = [sized(room // 64 + (n < room % 64), incident_id=1000 + n) for n in range(64)]
    body = b"[" + b",".join(fitting) + b"]"
    assert len(body) == 4 * MIB
    answer = send(body + b" ")
    kept = InboundDelivery.objects.get()
    assert verdict(answer) == (413, "PAYLOAD_TOO_LARGE")
    assert answer.json()["error"]["details"] == {"size": 4 * MIB + 1, "id": kept.pk}
    assert is_kept_in_part(kept, body, 4 * MIB + 1)
    assert verdicts(send(body)) == ["accepted"] * 64


def test_in_an_array_an_event_that_is_too_large_is_put_aside_alone(send):
    large, small = sized(64 * KIB + 1), sized(64 * KIB, incident_id=202)
    answer = send(b"[" + large + b" ,\n" + small + b"," + large + b"]")
    first, second, third = answer.json()["data"]
    assert verdicts(answer) == ["quarantined", "accepted", "quarantined"]
    assert first["error"]["code"] == "PAYLOAD_TOO_LARGE"
    assert first == third
    assert is_kept_in_part(InboundDelivery.objects.get(pk=first["id"]), large)
    assert bytes(InboundDelivery.objects.get(pk=second["id"]).body) == small


def test_what_is_too_large_takes_no_more_room_than_other_rubbish(send, monkeypatch):
    monkeypatch.setattr(delivery_store, "MOST_RUBBISH_ROWS", 1)
    assert verdict(send(b"{")) == (400, "MALFORMED_JSON")
    answer = send(sized(64 * KIB + 1))
    assert (verdict(answer), "details" in answer.json()["error"]) == ((413, "PAYLOAD_TOO_LARGE"), True)
    assert "id" not in answer.json()["error"]["details"]
    assert verdicts(send(b"[" + sized(64 * KIB + 1) + b"]")) == ["rejected"]
    assert verdict(send(b" " * (4 * MIB + 1))) == (413, "PAYLOAD_TOO_LARGE")
    assert (InboundDelivery.objects.count(), counted()) == (1, {"not_kept": 3})


# --- arrays ---------------------------------------------------------------------------------------------------


def test_an_array_of_one_is_answered_with_a_list_of_one(send):
    answer = send([told()])
    assert answer.json()["data"] == [{"id": InboundDelivery.objects.get().pk, "status": "accepted"}]


def test_an_array_of_a_thousand_is_one_insert_and_answered_in_order(send, django_assert_max_num_queries):
    events = [told("incident.escalated", more=n) for n in range(1000)]
    with django_assert_max_num_queries(3):
        answer = send(events)
    ids = [each["id"] for each in answer.json()["data"]]
    assert verdicts(answer) == ["accepted"] * 1000
    kept = InboundDelivery.objects.in_bulk(ids)
    assert [json.loads(bytes(kept[one].body))["more"] for one in ids] == list(range(1000))
    assert verdicts(send(events)) == ["duplicate"] * 1000


@pytest.mark.parametrize("body", [b"[]", b" [ ] ", b"[" + b",".join([b"1"] * 1001) + b"]"])
def test_an_array_of_none_or_of_more_than_a_thousand_is_a_422_and_its_bytes_are_kept(send, body):
    for _ in range(2):
        answer = send(body)
        assert verdict(answer) == (422, "VALIDATION_ERROR")
        assert answer.json()["error"]["details"]["fields"] == {"body": ["An array has 1 to 1,000 events."]}
    assert bytes(InboundDelivery.objects.get().body) == body


def test_each_event_of_an_array_is_judged_by_itself(send):
    known = send(told()).json()["data"]["id"]
    answer = send(
        [told(), told("monitor.checked"), told(incident_id=-1), 7, told(incident_id=5), told(incident_id=5), None,
         told(incident_id=-1), 7, [told()], told("monitor.checked")]
    )  # fmt: skip
    said = answer.json()["data"]
    assert verdicts(answer) == [
        "duplicate",
        "unrecognized",
        "quarantined",
        "quarantined",
        "accepted",
        "duplicate",
        "quarantined",
        "quarantined",
        "quarantined",
        "quarantined",
        "duplicate",
    ]
    ids = [each["id"] for each in said]
    assert ids[0] == known
    assert (ids[4], ids[2], ids[3], ids[1]) == (ids[5], ids[7], ids[8], ids[10])
    assert [set(each["error"]["details"]["fields"]) for each in said if "error" in each] == [
        {"incident_id"}, {"event"}, {"event"}, {"incident_id"}, {"event"}, {"event"},
    ]  # fmt: skip
    assert len(set(ids)) == InboundDelivery.objects.count() == 7


@pytest.mark.parametrize("ill", [b"201.0", b"2.01e2"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0), (0, 0, 1, 1)])
def test_of_one_event_written_ill_and_well_in_an_array_the_well_written_is_accepted(send, ill, order):
    well = json.dumps(told()).encode()
    both = [well.replace(b"201", ill), well]
    answer = send(b"[" + b",".join(both[n] for n in order) + b"]")
    firsts = {0: "quarantined", 1: "accepted"}
    again = {0: "quarantined", 1: "duplicate"}
    expected = [(again if n in order[:place] else firsts)[n] for place, n in enumerate(order)]
    assert sorted(verdicts(answer)) == sorted(expected)
    assert "accepted" in verdicts(answer)
    apply_all()
    assert statuses() == ["applied"]


def test_an_unsafe_or_broken_event_spoils_its_whole_array(send):
    good = json.dumps(told()).encode()
    assert verdict(send(b"[" + good + b',{"a":NaN}]')) == (400, "UNSAFE_JSON")
    assert verdict(send(b"[" + good + b",]")) == (400, "MALFORMED_JSON")
    assert InboundDelivery.objects.filter(is_event=True).count() == 0


def test_a_webhook_id_means_nothing_for_an_array(send):
    assert verdicts(send([told()], webhook_id="msg_1")) == ["accepted"]
    assert verdicts(send([told(incident_id=5)], webhook_id="msg_1")) == ["accepted"]
    assert verdict(send(told(incident_id=6), webhook_id="msg_1")) == (202, "accepted")


# --- webhook-id -----------------------------------------------------------------------------------------------


def test_the_same_webhook_id_with_the_same_event_is_a_duplicate(send):
    assert verdict(send(told(), webhook_id="msg_1")) == (202, "accepted")
    assert verdict(send(told(), webhook_id="msg_1")) == (200, "duplicate")
    assert verdict(send(told(), webhook_id="msg_2")) == (200, "duplicate")
    assert verdict(send(told())) == (200, "duplicate")
    assert InboundDelivery.objects.get().webhook_id == "msg_1"


@pytest.mark.parametrize("apply_between", [False, True])
def test_the_same_webhook_id_with_another_event_is_a_conflict_kept_and_not_applied(send, apply_between):
    send(told(), webhook_id="msg_1")
    if apply_between:
        apply_all()
    answer = send(told(incident_id=5), webhook_id="msg_1")
    assert verdict(answer) == (200, "conflict")
    kept = InboundDelivery.objects.get(pk=answer.json()["data"]["id"])
    assert (kept.status, kept.webhook_id) == ("conflict", "msg_1")
    for _ in range(2):
        assert verdict(send(told(incident_id=5), webhook_id="msg_1")) == (200, "conflict")
    assert verdict(send(told(incident_id=6), webhook_id="msg_1")) == (200, "conflict")
    assert verdict(send(told(), webhook_id="msg_1")) == (200, "duplicate")
    apply_all()
    assert statuses() == ["applied", "conflict", "conflict"]
    assert Incident.objects.count() == 1


def test_a_conflict_that_comes_again_under_an_id_of_its_own_is_accepted(send):
    send(told(), webhook_id="msg_1")
    conflict = send(told(incident_id=5), webhook_id="msg_1").json()["data"]["id"]
    answer = send(told(incident_id=5), webhook_id="msg_2", at=RECEIVED + timedelta(minutes=1))
    assert (verdict(answer), answer.json()["data"]["id"]) == ((202, "accepted"), conflict)
    assert verdict(send(told(incident_id=6), webhook_id="msg_2")) == (200, "conflict")
    apply_all()
    assert Incident.objects.count() == 2
    kept = InboundDelivery.objects.get(pk=conflict)
    assert (kept.status, kept.webhook_id, kept.received_at) == ("applied", "msg_2", RECEIVED + timedelta(minutes=1))


def test_a_webhook_id_of_another_integration_is_another(send, team):
    other = make_integration(team, "Another")
    assert verdict(send(told(), webhook_id="msg_1")) == (202, "accepted")
    assert verdict(send(told(incident_id=5), f"{KEY_DOOR}/{other.token}", webhook_id="msg_1")) == (202, "accepted")


def test_a_quarantined_event_does_not_use_its_webhook_id_up(send):
    assert verdict(send(told(incident_id="x"), webhook_id="msg_1"))[0] == 422
    assert verdict(send(told(incident_id="x"), webhook_id="msg_1"))[0] == 422
    assert verdict(send(b"{", webhook_id="msg_1"))[0] == 400
    assert verdict(send(told(), webhook_id="msg_1")) == (202, "accepted")
    # And once it is used, what is wrong is still said to be wrong.
    assert verdict(send(told(incident_id="y"), webhook_id="msg_1"))[0] == 422


def test_an_unrecognized_event_uses_its_webhook_id_up(send):
    assert verdict(send(told("monitor.checked"), webhook_id="msg_1")) == (202, "unrecognized")
    assert verdict(send(told(), webhook_id="msg_1")) == (200, "conflict")


def test_a_webhook_id_of_8000_random_characters_is_kept_and_found_again(send):
    chance = random.Random(8000)
    long = "".join(chance.choices(string.ascii_letters + string.digits, k=8000))
    assert verdict(send(told(), webhook_id=long)) == (202, "accepted")
    assert verdict(send(told(), webhook_id=long)) == (200, "duplicate")
    assert verdict(send(told(incident_id=5), webhook_id=long)) == (200, "conflict")
    assert verdict(send(told(incident_id=5), webhook_id=long[:-1])) == (202, "accepted")
    assert InboundDelivery.objects.get(event_is_first()).webhook_id == long


def event_is_first():
    from django.db.models import Q

    return Q(pk=InboundDelivery.objects.order_by("id").values("id")[:1])


@pytest.mark.parametrize("webhook_id", ["é", "\xff\x80", "a b", "'; --", "%s", "\x01\x7f", "\t"])
def test_a_strange_webhook_id_breaks_nothing(send, webhook_id):
    assert verdict(send(told(), webhook_id=webhook_id)) == (202, "accepted")
    assert verdict(send(told(), webhook_id=webhook_id, user_agent=webhook_id)) == (200, "duplicate")
    assert verdict(send(b"{", webhook_id=webhook_id)) == (400, "MALFORMED_JSON")


def test_nul_in_a_header_that_a_server_let_through_is_not_kept(send):
    assert verdict(send(told(), webhook_id="a\0b", user_agent="\0")) == (202, "accepted")
    assert verdict(send(b"{", webhook_id="a\0b")) == (400, "MALFORMED_JSON")
    assert set(InboundDelivery.objects.values_list("webhook_id", flat=True)) == {"ab"}


# --- what was refused once and is good now --------------------------------------------------------------------


def test_the_same_event_well_written_takes_the_quarantined_one_s_place(send):
    well = json.dumps(told()).encode()
    ill = well.replace(b"201", b"201.0")
    quarantined = send(ill).json()["error"]["details"]["id"]
    answer = send(well, webhook_id="msg_1", at=RECEIVED + timedelta(minutes=3))
    assert (verdict(answer), answer.json()["data"]["id"]) == ((202, "accepted"), quarantined)
    delivery = InboundDelivery.objects.get()
    assert (bytes(delivery.body), delivery.status, delivery.error, delivery.webhook_id) == (
        well,
        "received",
        None,
        "msg_1",
    )
    assert delivery.received_at == RECEIVED + timedelta(minutes=3)
    apply_all()
    assert TimelineEvent.objects.get().recorded_at == RECEIVED + timedelta(minutes=3)
    # The ill written one is still wrong, and takes nothing back.
    assert verdict(send(ill)) == (422, "VALIDATION_ERROR")
    assert (statuses(), bytes(InboundDelivery.objects.get().body)) == (["applied"], well)


# --- rubbish --------------------------------------------------------------------------------------------------


def test_of_rubbish_so_many_rows_are_kept_and_the_rest_is_counted(send, monkeypatch, integration):
    monkeypatch.setattr(delivery_store, "MOST_RUBBISH_ROWS", 3)
    for number in range(5):
        assert verdict(send(b"{%d" % number)) == (400, "MALFORMED_JSON")
    assert InboundDelivery.objects.filter(is_event=False).count() == 3
    assert counted() == {"not_kept": 2}
    # What is kept already is not counted as lost, and events have their place all the same.
    assert verdict(send(b"{0")) == (400, "MALFORMED_JSON")
    assert verdict(send(b"[]")) == (422, "VALIDATION_ERROR")
    assert verdict(send(told())) == (202, "accepted")
    assert verdict(send(told(incident_id="x"))) == (422, "VALIDATION_ERROR")
    assert counted() == {"not_kept": 3}


def test_of_rubbish_so_many_bytes_are_kept(send, monkeypatch):
    monkeypatch.setattr(delivery_store, "MOST_RUBBISH_BYTES", 100)
    for body in (b"{" + b"a" * 59, b"{" + b"b" * 40, b"{" + b"c" * 39, b"{"):
        assert verdict(send(body)) == (400, "MALFORMED_JSON")
    assert [len(bytes(each.body)) for each in InboundDelivery.objects.order_by("id")] == [60, 40]
    assert counted() == {"not_kept": 2}


def test_one_integration_s_rubbish_leaves_the_others_their_room(send, monkeypatch, team):
    monkeypatch.setattr(delivery_store, "MOST_RUBBISH_ROWS", 1)
    other = make_integration(team, "Another")
    for where in (None, f"{KEY_DOOR}/{other.token}"):
        send(*([b"{"] if where is None else [b"{", where]))
    assert InboundDelivery.objects.count() == 2


# --- who may come in ------------------------------------------------------------------------------------------

GUESSES = ["x", "whi_", "whi_" + "a" * 43, "é", "%20", "a" * 5000, "' OR 1=1", "..", "whi_\x7f"]


def refused(answer):
    assert verdict(answer) == (401, "UNAUTHORIZED")
    assert InboundDelivery.objects.count() == 0
    return counted()


@pytest.mark.parametrize("token", GUESSES)
def test_a_wrong_token_is_a_401_and_only_counted(send, integration, token):
    assert refused(send(told(), f"{KEY_DOOR}/{token}")) == {"unauthorized": 1}


def test_a_token_is_wrong_with_anything_more_or_less(send, integration):
    for token in (integration.token[:-1], integration.token + "A", integration.token.upper(), integration.token + " "):
        refused(send(told(), f"{KEY_DOOR}/{token}"))
    assert counted() == {"unauthorized": 4}


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"x_api_key": ""},
        {"x_api_key": " "},
        {"authorization": "Bearer"},
        {"x_api_key": "wk_wrong"},
        {"authorization": "Bearer wk_wrong"},
        {"authorization": "Basic d2s6d2s="},
        {"x_api_key": "é\xff"},
        {"x_api_key": "a\0"},
    ],
)
def test_a_missing_or_wrong_key_is_a_401_and_only_counted(send, integration, header):
    assert refused(send(told(), KEY_DOOR, **header)) == {"unauthorized": 1}


def test_a_door_s_token_is_no_key_and_a_key_no_token(send, integration, ingest_key):
    refused(send(told(), KEY_DOOR, x_api_key=integration.token))
    refused(send(told(), f"{KEY_DOOR}/{ingest_key}"))
    # And a key beside a wrong token helps nobody in.
    refused(send(told(), f"{KEY_DOOR}/wrong", x_api_key=ingest_key))


@pytest.mark.parametrize("way", ["x_api_key", "authorization"])
def test_a_bound_key_opens_the_same_door(send, ingest_key, way, integration):
    header = {way: f"Bearer {ingest_key}" if way == "authorization" else f" {ingest_key} "}
    assert verdict(send(told(), KEY_DOOR, **header)) == (202, "accepted")
    assert verdict(send(told())) == (200, "duplicate")
    assert verdicts(send([told(), told(incident_id=5)], KEY_DOOR, **header)) == ["duplicate", "accepted"]
    assert set(InboundDelivery.objects.values_list("integration_id", flat=True)) == {integration.pk}


def test_a_key_without_the_scope_is_a_403(send, api_key):
    assert verdict(send(told(), KEY_DOOR, x_api_key=api_key)) == (403, "FORBIDDEN")
    assert InboundDelivery.objects.count() == 0


def test_a_key_with_the_scope_that_is_bound_to_nothing_is_a_401(send, team, user):
    _, text = make_key(team, user, "unbound", [Scope.INGEST])
    assert refused(send(told(), KEY_DOOR, x_api_key=text)) == {"unauthorized": 1}


def shut(what, integration, ingest_key):
    """Shut the door in one of the ways it can be shut."""
    bound = IngestKey.objects.select_related("api_key__user", "integration__team").get()
    if what == "integration":
        integration.deactivated_at = NOON
        integration.save()
    elif what == "team":
        integration.team.deactivated_at = NOON
        integration.team.save()
    elif what == "revoked":
        bound.api_key.revoked_at = NOON
        bound.api_key.save()
    elif what == "expired":
        bound.api_key.expires_at = RECEIVED
        bound.api_key.save()
    elif what == "user":
        bound.api_key.user.is_active = False
        bound.api_key.user.save()
    elif what == "member":
        bound.api_key.user.memberships.all().delete()


@pytest.mark.parametrize("what", ["integration", "team", "revoked", "expired", "user", "member"])
def test_a_shut_door_is_a_401_for_the_key(send, integration, ingest_key, what):
    shut(what, integration, ingest_key)
    assert refused(send(told(), KEY_DOOR, x_api_key=ingest_key)) == {"unauthorized": 1}


@pytest.mark.parametrize(("what", "status"), [("integration", 401), ("team", 401), ("revoked", 202), ("user", 202)])
def test_the_token_s_door_is_shut_by_its_integration_and_team_only(send, integration, ingest_key, what, status):
    shut(what, integration, ingest_key)
    assert send(told()).status_code == status


def test_wrong_keys_at_the_door_are_never_throttled(send, integration, settings):
    settings.FAILED_LOGINS_PER_MINUTE = 2
    answers = [send(told(), KEY_DOOR, x_api_key="wrong").status_code for _ in range(5)]
    answers += [send(told(), f"{KEY_DOOR}/wrong").status_code for _ in range(5)]
    assert answers == [401] * 10
    assert counted() == {"unauthorized": 10}


def test_refusals_are_counted_by_day(send, integration):
    for day in (0, 0, 1):
        send(told(), f"{KEY_DOOR}/wrong", at=RECEIVED + timedelta(days=day))
    assert list(DoorCount.objects.order_by("day").values_list("day", "count")) == [
        (RECEIVED.date(), 2), (RECEIVED.date() + timedelta(days=1), 1),
    ]  # fmt: skip


def test_the_payload_never_says_whose_it_is(send, team, other_team, integration):
    theirs = make_integration(other_team)
    public = {"organization_id": other_team.organization.public_id, "team_id": other_team.public_id}
    assert verdict(send(told(**public))) == (202, "accepted")
    apply_all()
    assert Incident.objects.get().team == team
    assert TimelineEvent.objects.get().team == team
    assert not theirs.deliveries.exists()


# --- in which order it is refused -----------------------------------------------------------------------------

LARGE = b" " * (4 * MIB + 1)


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "patch", "options", "post"])
@pytest.mark.parametrize("body", [b"{", LARGE])
def test_nobody_learns_anything_without_the_secret(client, db, method, body):
    for where in (KEY_DOOR, f"{KEY_DOOR}/wrong"):
        answer = client.generic(method.upper(), where, body, content_type="text/plain")
        assert answer.status_code == 401
    assert InboundDelivery.objects.count() == 0


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch", "options"])
def test_with_the_secret_another_method_is_a_405(client, path, method, ingest_key):
    for where, headers in ((path, {}), (KEY_DOOR, {"x-api-key": ingest_key})):
        answer = client.generic(method.upper(), where, b"{", content_type="text/plain", headers=headers)
        assert verdict(answer) == (405, "METHOD_NOT_ALLOWED")
        assert answer["Allow"] == "POST"


def test_a_key_without_the_scope_is_refused_before_its_method_and_body(client, db, api_key):
    for method, body in (("GET", b""), ("POST", LARGE), ("POST", b"{")):
        answer = client.generic(method, KEY_DOOR, body, headers={"x-api-key": api_key})
        assert verdict(answer) == (403, "FORBIDDEN")


@pytest.mark.parametrize("where", ["", "/", "/a/b"])
def test_a_path_that_leads_nowhere_is_a_404(send, path, where):
    if where == "":
        where = "/x"
    assert verdict(send(told(), path + where)) == (404, "NOT_FOUND")


def test_a_token_with_nul_or_broken_utf_8_is_a_400(send, integration):
    for token in ("%00", "%FF", integration.token + "%00"):
        assert verdict(send(told(), f"{KEY_DOOR}/{token}")) == (400, "VALIDATION_ERROR")


# --- signatures -----------------------------------------------------------------------------------------------

SECRET = "whsec_" + b64encode(b"0123456789abcdef0123456789abcdef").decode()
ANOTHER = "whsec_" + b64encode(b"another-another-another-another-").decode()


@pytest.fixture
def signing(integration):
    integration.signing_secret_ciphertext = seal(SECRET)
    integration.save()
    return integration


def signed(body, secret=SECRET, webhook_id="msg_1", at=None):
    """The three headers of a signed body."""
    at = at or RECEIVED
    return {
        "webhook_id": webhook_id,
        "webhook_timestamp": str(int(at.timestamp())),
        "webhook_signature": Webhook(secret).sign(webhook_id, at, body.decode()),
    }


BODY = json.dumps(told(message="é 😀")).encode()


def test_a_good_signature_opens_the_door_by_token_and_by_key(send, signing, ingest_key):
    assert verdict(send(BODY, **signed(BODY))) == (202, "accepted")
    assert verdict(send(BODY, KEY_DOOR, x_api_key=ingest_key, **signed(BODY))) == (200, "duplicate")
    assert InboundDelivery.objects.get().headers.keys() == {"content-type", "webhook-id", "webhook-timestamp"}


def test_one_good_signature_among_several_is_enough(send, signing):
    headers, other = signed(BODY), signed(BODY, ANOTHER)
    for both in (
        f"{other['webhook_signature']} {headers['webhook_signature']}",
        f"{headers['webhook_signature']} {other['webhook_signature']}",
        f"v1a,abcd {headers['webhook_signature']}",
        f"v1,!!! v1,a,b , v1 v1,xxx {headers['webhook_signature']} v1,AAA",
    ):
        assert send(BODY, **headers | {"webhook_signature": both}).status_code in (200, 202)
    assert refused_signature(send(BODY, **headers | {"webhook_signature": other["webhook_signature"] + " v1,"}))


def refused_signature(answer):
    return verdict(answer) == (401, "UNAUTHORIZED") and counted().get("signature", 0) > 0


def test_an_array_is_signed_as_one_body(send, signing):
    body = json.dumps([told(), told(incident_id=5)]).encode()
    assert verdicts(send(body, **signed(body))) == ["accepted", "accepted"]


def test_without_a_signing_secret_signature_headers_are_not_looked_at(send, integration):
    assert verdict(send(BODY, webhook_id="x", webhook_timestamp="nonsense", webhook_signature="junk")) == (
        202,
        "accepted",
    )


@pytest.mark.parametrize("missing", ["webhook_id", "webhook_timestamp", "webhook_signature"])
def test_a_missing_signature_header_is_a_401(send, signing, missing):
    headers = signed(BODY)
    del headers[missing]
    assert refused_signature(send(BODY, **headers))
    assert refused_signature(send(BODY, **headers, **{missing: ""}))
    assert refused_signature(send(BODY))
    assert (counted(), DoorCount.objects.get().integration) == ({"signature": 3}, signing)
    assert InboundDelivery.objects.count() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook_signature": "v1,"},
        {"webhook_signature": "v1"},
        {"webhook_signature": ","},
        {"webhook_signature": " "},
        {"webhook_signature": "v1,!!!"},
        {"webhook_signature": "v1,AAA"},
        {"webhook_signature": "v1,é"},
        {"webhook_signature": "v1,\xff\x80"},
        {"webhook_signature": "v1,a,b"},
        {"webhook_signature": "junk" * 2000},
        {"webhook_signature": "v2," + "A" * 44},
        {"webhook_signature": "v1," + "A" * 44},
        {"webhook_id": "msg_2"},
        {"webhook_id": "é"},
        {"webhook_timestamp": "0"},
        {"webhook_timestamp": "x"},
        {"webhook_timestamp": "-1"},
        {"webhook_timestamp": "nan"},
        {"webhook_timestamp": "inf"},
        {"webhook_timestamp": "1e400"},
        {"webhook_timestamp": "9" * 5000},
        {"webhook_timestamp": "２"},
        {"webhook_timestamp": "\xb2"},
    ],
)
def test_a_wrong_signature_is_a_401(send, signing, wrong):
    assert refused_signature(send(BODY, **signed(BODY) | wrong))
    assert InboundDelivery.objects.count() == 0


@pytest.mark.parametrize("minutes", [-6, 6, -60 * 24 * 365])
def test_an_old_or_future_timestamp_is_a_401(send, signing, minutes):
    assert refused_signature(send(BODY, **signed(BODY, at=RECEIVED + timedelta(minutes=minutes))))


def test_a_signature_of_another_body_or_secret_is_a_401(send, signing):
    assert refused_signature(send(BODY + b" ", **signed(BODY)))
    assert refused_signature(send(BODY, **signed(BODY, ANOTHER)))


def test_bytes_that_are_not_utf_8_can_not_be_signed(send, signing):
    assert refused_signature(send(b"\xff\xfe", **signed(BODY)))


def test_what_is_signed_and_no_json_is_a_400_and_kept(send, signing):
    assert verdict(send(b"{", **signed(b"{"))) == (400, "MALFORMED_JSON")
    assert InboundDelivery.objects.get().webhook_id == "msg_1"


def test_a_signing_secret_that_we_can_not_open_is_our_fault_is_logged_and_named_by_check(send, signing, capsys):
    assert verdict(send(BODY, **signed(BODY))) == (202, "accepted")
    signing.signing_secret_ciphertext = b"gAAAA-not-ours"
    signing.save()
    for headers in (signed(BODY), {}):  # also by who does not sign: whether it would be right nobody can say
        answer = send(BODY, **headers)
        assert (verdict(answer), answer["Retry-After"]) == ((503, "UNAVAILABLE"), "60")
    assert "signature" not in counted()
    lines = [line for line in capsys.readouterr().err.splitlines() if "signing secret" in line]
    assert len(lines) == 2 and all(json.loads(line)["integration"] == signing.pk for line in lines)
    assert [words for words in canary.unopened() if signing.name in words and "signing secret" in words]
    signing.signing_secret_ciphertext = seal(SECRET)
    signing.save()
    assert verdict(send(BODY, **signed(BODY))) == (200, "duplicate")


@pytest.mark.parametrize("named", ["id", "timestamp", "signature"])
def test_the_signing_headers_may_have_their_names_at_svix(send, signing, named):
    headers = signed(BODY)
    theirs = {name.replace("webhook", "svix"): value for name, value in headers.items()}
    mixed = {(f"svix_{named}" if name == f"webhook_{named}" else name): value for name, value in headers.items()}
    assert verdict(send(BODY, **theirs)) == (202, "accepted")
    assert verdict(send(BODY, **mixed)) == (200, "duplicate")
    assert refused_signature(send(BODY, **theirs | {"svix_signature": "v1,AAAA"}))
    kept = InboundDelivery.objects.get()
    assert (kept.webhook_id, kept.headers["svix-id"]) == ("msg_1", "msg_1")
    assert kept.headers.keys() == {"content-type", "svix-id", "svix-timestamp"}


def test_a_standard_header_goes_before_its_name_at_svix(send, signing):
    headers = signed(BODY)
    wrong = {"svix_id": "x", "svix_timestamp": "1", "svix_signature": "v1,AAAA"}
    assert verdict(send(BODY, **headers | wrong)) == (202, "accepted")
    assert InboundDelivery.objects.get().webhook_id == "msg_1"


def test_a_webhook_id_is_an_identity_under_its_name_at_svix_too(send):
    assert verdict(send(told(), svix_id="msg_1")) == (202, "accepted")
    assert verdict(send(told(incident_id=5), svix_id="msg_1")) == (200, "conflict")
    assert verdict(send(told(incident_id=6), webhook_id="msg_1")) == (200, "conflict")


def test_wrong_signatures_are_counted_for_their_integration_with_the_time_of_the_last(send, signing, ingest_key, team):
    for minute, (where, headers) in enumerate([(None, {}), (KEY_DOOR, {"x_api_key": ingest_key})]):
        send(*([BODY] if where is None else [BODY, where]), at=RECEIVED + timedelta(minutes=minute), **headers)
    send(BODY, at=RECEIVED - timedelta(minutes=5))  # by a clock that was set back
    send(BODY, f"{KEY_DOOR}/wrong")
    assert refusals(signing, RECEIVED) == {"signature": Refusals(3, RECEIVED + timedelta(minutes=1))}
    assert refusals(make_integration(team, "Another"), RECEIVED) == {}
    assert refusals(signing, RECEIVED + timedelta(days=8)) == {}


def test_a_counted_event_that_is_called_like_a_refusal_is_none(send, integration):
    integration.count_only = ["signature"]
    integration.save()
    assert verdict(send(told("signature"))) == (202, "unrecognized")
    assert (counted(), refusals(integration, RECEIVED)) == ({"event signature": 1}, {})


# --- a slash at the end ---------------------------------------------------------------------------------------


def test_the_door_s_address_with_a_slash_at_its_end_is_a_404_that_is_counted(send, path, ingest_key, integration):
    answer = send(told(), f"{path}/")
    assert verdict(answer) == (404, "NOT_FOUND")
    assert "slash" in answer.json()["error"]["message"]
    assert verdict(send(told(), f"{KEY_DOOR}/", x_api_key=ingest_key)) == (404, "NOT_FOUND")
    assert refusals(integration, RECEIVED) == {"slash": Refusals(2, RECEIVED)}
    assert InboundDelivery.objects.count() == 0


def test_with_a_slash_a_wrong_token_or_key_or_another_method_is_as_any_404(send, client, path, api_key, db):
    nowhere = send(told(), "/api/nowhere").json()
    for where, headers in (("/wrong/", {}), ("/", {}), ("/", {"x_api_key": "wk_wrong"}), ("/", {"x_api_key": api_key})):
        answer = send(told(), KEY_DOOR + where, **headers)
        assert (answer.status_code, answer.json()) == (404, nowhere)
    assert client.get(f"{path}/").json() == nowhere
    assert counted() == {}


# --- gzip -----------------------------------------------------------------------------------------------------


def packed(send, data, *more, **headers):
    return send(data if isinstance(data, bytes) else gzip.compress(json.dumps(data).encode()), *more,
                content_encoding="gzip", **headers)  # fmt: skip


def test_a_compressed_event_is_the_event(send):
    body = json.dumps(told(), indent=2).encode()
    for written in ("gzip", "GZIP", " gzip "):
        assert send(gzip.compress(body), content_encoding=written).status_code in (200, 202)
    assert send(body, content_encoding="identity").status_code == 200
    kept = InboundDelivery.objects.get()
    assert (bytes(kept.body), kept.headers["content-encoding"]) == (body, "gzip")
    assert verdict(send(told())) == (200, "duplicate")
    assert verdicts(packed(send, [told(), told(incident_id=5)])) == ["duplicate", "accepted"]


def test_by_a_key_a_compressed_event_comes_in_too(send, ingest_key):
    assert verdict(packed(send, told(), KEY_DOOR, x_api_key=ingest_key)) == (202, "accepted")


def test_what_is_signed_is_the_decoded_body(send, signing):
    assert verdict(packed(send, gzip.compress(BODY), **signed(BODY))) == (202, "accepted")
    assert refused_signature(packed(send, gzip.compress(BODY), **signed(BODY, ANOTHER)))


@pytest.mark.parametrize("encoding", ["br", "deflate", "x-gzip", "gzip, gzip", "identity, gzip", "zstd", "*", "utf-8"])
def test_any_other_encoding_is_a_415_before_the_body_is_looked_at(send, client, encoding):
    answer = send(LARGE, content_encoding=encoding)
    assert verdict(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert answer["Accept-Encoding"] == "gzip"
    assert send(LARGE, f"{KEY_DOOR}/wrong", content_encoding=encoding).status_code == 401
    assert InboundDelivery.objects.count() == 0


WHOLE = gzip.compress(json.dumps(told()).encode())
BROKEN = {
    "no gzip": json.dumps(told()).encode(),
    "zlib": zlib.compress(json.dumps(told()).encode()),
    "cut off in its head": WHOLE[:5],
    "cut off in the middle": WHOLE[: len(WHOLE) // 2],
    "without its last byte": WHOLE[:-1],
    "another member behind it": WHOLE + WHOLE,
    "an empty member behind it": WHOLE + gzip.compress(b""),
    "zeros behind it": WHOLE + b"\0" * 8,
    "a wrong checksum": WHOLE[:-8] + b"\0" * 4 + WHOLE[-4:],
    "a wrong length": WHOLE[:-4] + b"\0" * 4,
    "another method": WHOLE[:2] + b"\7" + WHOLE[3:],
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_broken_gzip_is_a_400_and_kept_as_it_came(send, body):
    for _ in range(2):
        assert verdict(packed(send, body)) == (400, "MALFORMED_JSON")
    kept = InboundDelivery.objects.get()
    assert (bytes(kept.body), kept.status, kept.is_event, kept.size) == (body, "quarantined", False, None)
    assert kept.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("decoded", [b"", b"{", b"\xff", b'{"a": NaN}', WHOLE])
def test_what_comes_out_and_is_no_json_is_kept_as_it_came_out(send, decoded):
    assert packed(send, gzip.compress(decoded)).status_code == 400
    assert bytes(InboundDelivery.objects.get().body) == decoded


def test_the_limits_hold_for_what_comes_out(send):
    event = sized(64 * KIB + 1)
    assert verdict(packed(send, gzip.compress(event))) == (413, "PAYLOAD_TOO_LARGE")
    assert is_kept_in_part(InboundDelivery.objects.get(), event)
    InboundDelivery.objects.all().delete()
    bomb = gzip.compress(b" " * (100 * MIB), 9)
    answer = packed(send, bomb)
    assert verdict(answer) == (413, "PAYLOAD_TOO_LARGE")
    assert is_kept_in_part(InboundDelivery.objects.get(), b" " * KIB, 4 * MIB + 1)
    assert "at least 4,194,305 bytes" in InboundDelivery.objects.get().error["message"]
    assert verdict(packed(send, gzip.compress(sized(64 * KIB)))) == (202, "accepted")
    assert packed(send, gzip.compress(b" " * (4 * MIB))).status_code == 400
    assert packed(send, gzip.compress(b" " * (4 * MIB + 1))).status_code == 413


def test_nothing_is_opened_for_who_may_not_send(send, integration, monkeypatch):
    def opened(*_):
        raise AssertionError("opened")

    monkeypatch.setattr("config.api.gunzip", opened)
    for where, headers in ((f"{KEY_DOOR}/wrong", {}), (KEY_DOOR, {}), (KEY_DOOR, {"x_api_key": "wk_wrong"})):
        assert packed(send, told(), where, **headers).status_code == 401


def test_what_can_not_be_proved_to_be_signed_is_kept_nowhere(send, signing):
    for body, status in ((BROKEN["without its last byte"], 400), (gzip.compress(b" " * (5 * MIB)), 413)):
        assert packed(send, body, **signed(BODY)).status_code == status
    assert send(LARGE, **signed(BODY)).status_code == 413
    assert (InboundDelivery.objects.count(), counted()) == (0, {"not_kept": 3})


# --- what is ignored, and what waits --------------------------------------------------------------------------


def test_an_optional_field_of_a_wrong_type_is_ignored_and_delivery_and_fact_say_so(send, api):
    sent = told(regions={"a": 1}, incident_cause=5, incident_name="N")
    answer = send(sent)
    assert (answer.status_code, answer.json()["data"]["ignored"]) == (202, ["incident_cause", "regions"])
    apply_all()
    delivery, fact = InboundDelivery.objects.get(), TimelineEvent.objects.get()
    assert (delivery.ignored, fact.ignored) == (["incident_cause", "regions"],) * 2
    assert json.loads(bytes(delivery.body)) == sent
    assert "regions" not in fact.payload and "incident_cause" not in fact.payload
    incident = Incident.objects.get()
    assert (incident.title, incident.error_message, incident.affected_regions) == ("N", None, [])
    told_of = api.get(f"/api/deliveries/{delivery.pk}").json()["data"]
    assert (told_of["ignored"], told_of["status"], told_of["size"]) == (["incident_cause", "regions"], "applied", None)
    [event] = api.get(f"/api/incidents/{incident.uuid}/timeline").json()["data"]["events"]
    assert (event["ignored"], event["dated"]) == (["incident_cause", "regions"], None)
    again = send(sent)
    assert (verdict(again), "ignored" in again.json()["data"]) == ((200, "duplicate"), False)


def test_what_a_public_client_writes_otherwise_is_the_same_record_and_another_event(send):
    odd = told(incident_id="201", resource_id="789", organization_id=123, team_id="team_456", regions="eu")
    plain = told(organization_id="123", regions=["eu"])
    assert verdict(send(odd)) == verdict(send(plain)) == (202, "accepted")
    assert "ignored" not in send(told(incident_id="5")).json()["data"]
    apply_all()
    facts = TimelineEvent.objects.filter(subject_id=Incident.objects.get(source_id=201).pk)
    assert [each.payload for each in facts] == [plain, plain]
    assert Incident.objects.get(source_id=201).affected_regions == ["eu"]
    assert Monitor.objects.filter(source_organization_id="123").count() == 1
    assert check_by_hand() == []


def test_in_an_array_each_answer_says_what_was_ignored(send):
    answer = send([told(), told(incident_id=5, regions=[1]), told("monitor.checked", regions=[1])])
    assert [each.get("ignored") for each in answer.json()["data"]] == [None, ["regions"], None]


def test_what_waits_is_said_to_its_sender_and_over_the_api(send, api):
    ahead = RECEIVED + timedelta(hours=20)
    answer = send(told(at=ahead, incident_cause=[]))
    delivery = InboundDelivery.objects.get()
    assert (answer.status_code, answer.json()["data"]) == (
        202, {"id": delivery.pk, "status": "waiting", "ignored": ["incident_cause"]},
    )  # fmt: skip
    assert verdict(send(told(at=ahead, incident_cause=[]))) == (200, "duplicate")
    [found] = api.get("/api/deliveries?status=waiting").json()["data"]["deliveries"]
    assert (found["id"], found["waiting_until"]) == (delivery.pk, rfc(ahead - timedelta(minutes=10)))
    assert api.get("/api/deliveries?status=applied,quarantined").json()["data"]["deliveries"] == []


# --- secrets stay secret --------------------------------------------------------------------------------------


def test_no_token_or_key_stands_in_a_log_or_in_a_kept_header(send, signing, ingest_key, capsys, monkeypatch):
    token = signing.token
    headers = signed(BODY)
    everything = headers | {"x_api_key": ingest_key, "authorization": f"Bearer {ingest_key}", "cookie": "sessionid=abc"}
    send(BODY, **everything)
    send(BODY, KEY_DOOR, **everything)
    send(b"{", **everything)
    send(told(), f"{KEY_DOOR}/{token}x", **everything)
    send(BODY, f"{KEY_DOOR}/{token}/more", **everything)
    send(BODY, KEY_DOOR, x_api_key=f"{ingest_key}x")

    def fail(*_):
        raise RuntimeError(f"failed at {KEY_DOOR}/{token} with X-API-Key: {ingest_key}")

    monkeypatch.setattr(ingest, "receive", fail)
    for where in (f"{KEY_DOOR}/{token}", KEY_DOOR):
        assert verdict(send(BODY, where, **everything)) == (500, "INTERNAL_ERROR")
    log = capsys.readouterr().err
    assert log.count("RuntimeError") >= 2
    secrets = (token, ingest_key, headers["webhook_signature"], SECRET)
    assert not [secret for secret in secrets if secret in log]
    kept = json.dumps([each.headers for each in InboundDelivery.objects.all()])
    assert InboundDelivery.objects.count() > 0
    assert not [secret for secret in (*secrets, "abc") if secret in kept]


def test_a_request_with_a_held_token_says_nothing_of_it_in_its_answers(send, integration, client):
    for answer in (
        send(told()),
        send(b"{"),
        send(told(incident_id="x")),
        send(told(), f"{KEY_DOOR}/{integration.token}/x"),
    ):
        assert integration.token not in answer.content.decode()
        assert integration.token not in str(answer.headers)


# --- poison ---------------------------------------------------------------------------------------------------

RANDOM = "".join(random.Random(7).choices(string.ascii_letters + string.digits + "-_ ", k=60_000))
STRANGE = "😀👩‍👩‍👧\u202eשלום\u200b\x01\x7f\\\"'%s{}<script>\U0010ffff\ufffe"


def poisons():
    """Events that are accepted, though they look as if something could not take them."""
    of_monitor = ("monitor_url", "monitor_name", "monitor_type", "cause")
    of_incident = ("incident_name", "resource_type", "resource_name", "incident_cause")
    acted = ("user_email", "user_name", "integration_name", "integration_type")
    common = ("organization_id", "team_id", "message")
    for value in (RANDOM, STRANGE):
        for field in (*common, *of_monitor):
            yield f"down {field}", told("monitor.down", **{field: value})
        for field in (*common, *of_incident):
            yield f"started {field}", told(**{field: value})
        for field in acted:
            yield f"acknowledged {field}", told("incident.acknowledged", **{field: value})
        yield "regions", told(regions=[value])
        yield "monitor regions", told("monitor.down", regions=[value, "", "a,b", '"{}'])
        yield "heartbeat", told("heartbeat.down", heartbeat_name=value)
        yield "target", told("incident.escalated", escalation_targets=[{"type": value, "id": 1}, {"name": "é"}])
        yield "unknown name", told("monitor.down") | {"event": value}
        yield "unknown field", told(**{value[:8_000]: value[:8_000]})
    yield "many regions", told(regions=["r"] * 8_000)
    yield (
        "many targets",
        told("incident.escalated", escalation_targets=[{"id": n, "name": str(n)} for n in range(1_500)]),
    )
    for identity in (0, 2**63 - 1):
        yield f"id {identity}", told(incident_id=identity, resource_id=identity, escalation_policy_id=identity)
        yield f"group {identity}", told("incident.grouped", incident_group_id=identity, incident_id=identity)
        yield f"monitor {identity}", told("monitor.created", monitor_id=identity)
        yield f"heartbeat {identity}", told("heartbeat.created", heartbeat_id=identity)
    yield "server", told(resource_type="server", resource_id=2**63 - 1)
    yield "half", told(resource_type="monitor", resource_id=None)
    yield "other half", told(resource_type=None, resource_id=5)
    yield "empty", told(incident_name="", resource_type="  ", resource_name="", incident_cause=" ", regions=[])
    yield "numbers", told(more=[1e308, -1e308, 5e-324, 10**39, -(10**38), 0.1, 1e21, 1e-7, -0.0, 2**53 + 1])
    yield "first moment", told() | {"dt": "2000-01-01T00:00:00Z"}
    yield "last moment", told(at=RECEIVED + timedelta(minutes=10))
    yield "shadows", told(id=1, status="open", uuid="x", provisional=5, why=[], user_email=7, presses="hold", hold=9)


POISONS = list(poisons())


@pytest.fixture
def reader(api_key, user):
    """`reader()`: everything is read everywhere, and nothing may fail."""
    api, pages, admin = Client(headers={"X-API-Key": api_key}), Client(), Client()
    pages.force_login(user)
    admin.force_login(make_user("root@example.com", is_staff=True, is_superuser=True))

    def read():
        addresses = [
            "/",
            "/incidents",
            "/monitors",
            "/heartbeats",
            "/deliveries",
            "/incidents?q=my",
            "/deliveries?status=quarantined",
        ]
        addresses += [f"/api/{name}?limit=100" for name in ("incidents", "monitors", "heartbeats", "deliveries")]
        for incident in Incident.objects.all():
            one = f"/api/incidents/{incident.uuid}"
            addresses += [f"/incidents/{incident.uuid}", one, f"{one}/updates", f"{one}/comments", f"{one}/timeline"]
        for model, name in ((Monitor, "monitors"), (Heartbeat, "heartbeats"), (InboundDelivery, "deliveries")):
            addresses += [
                f"{door}{name}/{pk}" for pk in model.objects.values_list("pk", flat=True) for door in ("/", "/api/")
            ]
        addresses += [f"/facts/{pk}" for pk in TimelineEvent.objects.values_list("pk", flat=True)]
        for model in (Incident, Monitor, Heartbeat, TimelineEvent, InboundDelivery):
            records = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            addresses.append(records)
            addresses += [f"{records}{pk}/change/" for pk in list(model.objects.values_list("pk", flat=True))[::5]]
        one_of_each_shape = {re.sub(r"[0-9a-f-]{36}|[0-9]+", "#", address): address for address in addresses}
        addresses = [*one_of_each_shape.values(), *addresses[::12]]
        with clock.at(RECEIVED):
            for address in addresses:
                client = {"/api": api, "/adm": admin}.get(address[:4], pages)
                answer = client.get(address)
                assert answer.status_code == 200, (address, answer.content[:500])

    return read


def test_strange_events_are_accepted_applied_folded_alike_and_read_everywhere(send, reader):
    for name, event in POISONS:
        assert verdict(send(json.dumps(event, ensure_ascii=False).encode())) in (
            (202, "accepted"), (202, "unrecognized"),
        ), name  # fmt: skip
    apply_all()
    assert set(statuses()) == {"applied", "unrecognized"}
    differences = check_by_hand()
    assert differences == []
    reader()


def check_by_hand():
    """rebuild --check, without its transaction of its own."""
    from dashboard import rebuilding

    rows = [(kind, row) for kind, model in rebuilding.subjects() for row in model.objects.values()]
    return [str(each)[:200] for kind, row in rows for each in rebuilding.differences((kind, row["id"]), row)]


def test_refused_events_can_be_read_too(send, reader):
    for body in (
        *MALFORMED[::6],
        *UNSAFE[::5],
        b"\xff",
        b"5",
        b"[]",
        json.dumps(told(incident_id=RANDOM[:50_000])).encode(),
    ):
        assert send(body).status_code in (400, 422)
    send(told() | {"dt": "9999-12-31T23:59:59-14:00"})
    send(told(), webhook_id="msg_1")
    send(told(incident_id=5, message=STRANGE), webhook_id="msg_1")
    reader()


def test_two_spellings_of_a_vendor_s_team_are_one(send):
    send(told(organization_id=" org_123 ", team_id="team_456\n"))
    send(told("incident.acknowledged"))
    apply_all()
    assert Incident.objects.get().facts == 2
    assert (Incident.objects.get().source_organization_id, Monitor.objects.count()) == ("org_123", 1)


@pytest.mark.parametrize("field", ["organization_id", "team_id"])
def test_the_same_id_in_another_team_of_the_vendor_is_another_record(send, field):
    send(told())
    send(told(**{field: "another"}))
    apply_all()
    assert (Incident.objects.count(), Monitor.objects.count()) == (2, 2)


def test_the_same_id_told_by_another_integration_is_another_record(send, team):
    other = make_integration(make_team("Third"), "Another")
    send(told())
    send(told("incident.resolved"), f"{KEY_DOOR}/{other.token}")
    apply_all()
    assert [each.status for each in Incident.objects.order_by("team_id")] == ["open", "resolved"]


def test_a_door_s_answer_is_in_the_log_under_its_route(send, capsys):
    send(told())
    lines = [line for line in capsys.readouterr().err.splitlines() if re.search('"event": ?"request"|request ', line)]
    assert len(lines) == 1
    assert "incident-log/" in lines[0]
