"""
Tests of config.together: webhooks are answered past Django as Django would answer them, and all else is left to it.
"""

import gzip
import json
import re
from io import BytesIO

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config import together
from config.bodies import PROBLEM, TOO_SLOW
from config.together import Together
from integrations import delivery_store
from integrations.models import InboundDelivery
from teams.models import APIKey
from tests.conftest import an_event, make_integration, make_team

DOOR = "/api/webhooks/incident-log"


def webhook(path, number=201, body=None, **environ):
    """The WSGI environment of a webhook."""
    sent = json.dumps(an_event("incident.started", incident_id=number)).encode() if body is None else body
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(sent)),
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "HTTP_HOST": "localhost:8000",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(sent),
    } | environ


@pytest.fixture
def path(integration, monkeypatch):
    """The path to an integration's door. The test's connection is in a transaction, and must not be taken for old."""
    monkeypatch.setattr(together, "close_old_connections", lambda: None)
    return f"{DOOR}/{integration.token}"


def test_many_are_answered_with_one_statement_each_with_its_own_delivery(path):
    Together()([webhook(path, 1_000)])
    with CaptureQueriesContext(connection) as asked:
        answers = Together()([webhook(path, number) for number in range(20)])
    assert len(asked) == 1
    assert {answer.status_code for answer in answers} == {202}
    said = [json.loads(answer.content)["data"] for answer in answers]
    kept = InboundDelivery.objects.in_bulk([each["id"] for each in said])
    numbers = [json.loads(bytes(kept[each["id"]].body))["incident_id"] for each in said]
    assert (numbers, {each["status"] for each in said}) == (list(range(20)), {"accepted"})


@pytest.mark.parametrize("https", [False, True])
def test_the_answer_is_the_one_of_the_long_way_header_by_header(path, settings, https):
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = https, 31_536_000 * https
    scheme = "https" if https else "http"
    [short] = Together()([webhook(path, 1, **{"wsgi.url_scheme": scheme})])
    body = json.dumps(an_event("incident.started", incident_id=2)).encode()
    long = Client().post(path, body, "application/json", secure=https)
    differing = {"X-Request-ID"}
    assert {k: v for k, v in short.items() if k not in differing} == {
        k: v for k, v in long.items() if k not in differing
    }
    assert len(short["X-Request-ID"]) == len(long["X-Request-ID"]) == 32
    assert short.content.replace(str(json.loads(short.content)["data"]["id"]).encode(), b"") == long.content.replace(
        str(long.json()["data"]["id"]).encode(), b""
    )


def test_it_leaves_a_line_in_the_log_with_the_callers_request_id_and_never_the_token(path, capsys):
    [answer] = Together()([webhook(path, HTTP_X_REQUEST_ID="abc-123-def")])
    assert answer["X-Request-ID"] == "abc-123-def"
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (line["event"], line["method"], line["status"]) == ("request", "POST", 202)
    assert (line["route"], line["request_id"]) == ("api/webhooks/incident-log/*", "abc-123-def")


def test_a_key_is_looked_up_once_for_all_that_it_sends(path, ingest_key):
    APIKey.objects.update(last_used_at=timezone.now())
    with CaptureQueriesContext(connection) as asked:
        answers = Together()([webhook(DOOR, number, HTTP_X_API_KEY=ingest_key) for number in range(5)])
    assert ([answer.status_code for answer in answers], len(asked)) == ([202] * 5, 2)
    with CaptureQueriesContext(connection) as asked:
        Together()([webhook(DOOR, number, HTTP_X_API_KEY=ingest_key) for number in range(5, 10)])
    assert len(asked) == 1


@pytest.mark.parametrize(
    "environ",
    [
        {"REQUEST_METHOD": "GET"},
        {"PATH_INFO": "/api/incidents"},
        {"PATH_INFO": "/api/webhooks/another"},
        {"PATH_INFO": f"{DOOR}/whi\0"},
        {"PATH_INFO": f"{DOOR}/"},
        {"QUERY_STRING": "a=%00"},
        {"HTTP_COOKIE": "a=\xff\udc00"},
        {"HTTP_HOST": "elsewhere.example"},
        {PROBLEM: TOO_SLOW},
    ],
    ids=str,
)
def test_what_middleware_refuses_is_left_with_its_body_unread_and_what_is_beside_it_answered(path, environ):
    odd = webhook(path) | environ
    first, left, last = Together()([webhook(path, 1), odd, webhook(path, 2)])
    assert (first.status_code, left, last.status_code) == (202, None, 202)
    assert odd["wsgi.input"].read() == odd["wsgi.input"].getvalue() != b""
    assert InboundDelivery.objects.count() == 2


def test_without_tls_where_it_is_demanded_nothing_is_kept(path, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert Together()([webhook(path)]) == [None]
    assert not InboundDelivery.objects.exists()


def test_trouble_leaves_all_of_them_to_the_long_way(path, monkeypatch):
    def away(*_):
        raise OperationalError("away")

    monkeypatch.setattr(delivery_store, "fetch", away)
    some = [webhook(path, 1), webhook(path, 2)]
    assert Together()(some) == [None, None]
    assert [each["wsgi.input"].tell() for each in some] == [0, 0]


EVENT = an_event("incident.started")
BODY = json.dumps(EVENT).encode()
ODD = {
    "again": ({}, BODY),
    "an array": ({}, json.dumps([EVENT] * 40).encode()),
    "an array, packed answers": ({"HTTP_ACCEPT_ENCODING": "gzip"}, json.dumps([EVENT] * 40).encode()),
    "gzip": ({"HTTP_CONTENT_ENCODING": "gzip"}, gzip.compress(BODY)),
    "broken gzip": ({"HTTP_CONTENT_ENCODING": "gzip"}, b"x"),
    "another encoding": ({"HTTP_CONTENT_ENCODING": "br"}, BODY),
    "no JSON": ({}, b"{"),
    "nothing": ({}, b""),
    "wrong fields": ({}, json.dumps(EVENT | {"incident_id": "x"}).encode()),
    "an unknown event": ({}, json.dumps(EVENT | {"event": "x"}).encode()),
    "too large": ({}, json.dumps(EVENT | {"message": "x" * 70_000}).encode()),
    "a query and a cookie": ({"QUERY_STRING": "a=1", "HTTP_COOKIE": "a=1"}, BODY),
    "a wrong token": ({"PATH_INFO": f"{DOOR}/whi_wrong"}, BODY),
    "no key": ({"PATH_INFO": DOOR}, BODY),
    "a wrong key": ({"PATH_INFO": DOOR, "HTTP_X_API_KEY": "wk_wrong"}, BODY),
}


@pytest.mark.parametrize(("environ", "body"), ODD.values(), ids=ODD)
def test_whatever_it_is_it_is_answered_as_by_django_header_by_header_and_logged_alike(path, environ, body, capsys):
    other = make_integration(make_team("Another"))
    Together()([webhook(path, body=BODY)])
    Client().post(f"{DOOR}/{other.token}", BODY, "application/json")
    capsys.readouterr()
    [short] = Together()([webhook(path, body=body) | environ])
    said = logged(capsys)
    theirs = environ.get("PATH_INFO", f"{DOOR}/{other.token}")
    more = {name: value for name, value in environ.items() if name != "PATH_INFO"}
    long = Client().generic("POST", theirs, body, "application/json", **more)
    assert (short.status_code, headers(short)) == (long.status_code, headers(long))
    assert without_ids(short) == without_ids(long)
    assert said == logged(capsys)


def headers(answer):
    return {name: value for name, value in answer.items() if name not in ("X-Request-ID", "Content-Length")}


def without_ids(answer):
    content = gzip.decompress(answer.content) if answer.get("Content-Encoding") == "gzip" else answer.content
    return re.sub(rb'"id":\d+', b"", content)


def logged(capsys):
    """The lines of the log but for what differs from request to request."""
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    return [{k: v for k, v in line.items() if k not in ("ms", "request_id", "at")} for line in lines]


def test_of_what_was_received_together_nothing_stays_in_memory(path):
    some = [webhook(path, 1), webhook(path, body=b"{")]
    assert None not in Together()(some)
    assert all(each["wsgi.input"].closed for each in some)
