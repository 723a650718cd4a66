"""Tests of config.front: what an ASGI server hands in comes to Django whole, and an answer comes whatever happens."""

import asyncio
import json
import threading
import time

import pytest
from django.conf import settings
from django.http import HttpResponse

from config import bodies, front
from config.front import Front


def scope(path=b"/api/x", method="POST", headers=(), query=b""):
    return {
        "type": "http",
        "method": method,
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": list(headers),
        "http_version": "1.1",
        "scheme": "http",
        "client": ("127.0.0.1", "50000"),
        "server": ("127.0.0.1", "8000"),
    }


class Exchange:
    """One request to a front, and its answer."""

    def __init__(self, asked, *pieces):
        self.scope = asked
        self.coming = iter([{"type": "http.request", "body": piece, "more_body": True} for piece in pieces])
        self.sent = []

    async def receive(self):
        return next(self.coming, {"type": "http.disconnect"})

    async def send(self, message):
        self.sent.append(message)

    async def through(self, one):
        await one(self.scope, self.receive, self.send)
        return self

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return dict(self.sent[0]["headers"])

    @property
    def body(self):
        return self.sent[1]["body"]


def echo(environ, start_response):
    """A WSGI application that answers with what it was asked."""
    shown = {key: value for key, value in environ.items() if isinstance(value, str)}
    start_response("202 Accepted", [("Content-Type", "application/json"), ("X-Twice", "1")])
    return [json.dumps(shown).encode(), b"\n", environ["wsgi.input"].read()]


def asked(exchange, application=echo):
    async def once():
        return await exchange.through(Front(application))

    return asyncio.run(once())


def test_a_request_reaches_the_wsgi_application_whole():
    headers = [(b"content-length", b"4"), (b"content-type", b"text/plain"), (b"x-api-key", b"k"), (b"cookie", b"a=1")]
    answer = asked(Exchange(scope(headers=headers, query=b"q=%C3%A9"), b"ab", b"cd"))
    assert (answer.status, answer.headers[b"x-twice"]) == (202, b"1")
    said, _, body = answer.body.partition(b"\n")
    environ = json.loads(said)
    assert body == b"abcd"
    assert environ["CONTENT_LENGTH"] == "4"
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert environ["HTTP_X_API_KEY"] == "k"
    assert environ["QUERY_STRING"] == "q=%C3%A9"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert "HTTP_CONTENT_LENGTH" not in environ


def test_the_path_keeps_the_bytes_that_were_sent():
    said = asked(Exchange(scope(b"/api/a%ff%2Fb%E2%82%AC", "GET"))).body
    assert json.loads(said)["PATH_INFO"].encode("latin-1") == b"/api/a\xff/b\xe2\x82\xac"


def test_headers_that_come_twice_are_joined_and_no_header_passes_for_another():
    headers = [(b"x-a", b"1"), (b"x-a", b"2"), (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"x_api_key", b"false")]
    environ = json.loads(asked(Exchange(scope(b"/", "GET", headers))).body)
    assert (environ["HTTP_X_A"], environ["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")
    assert "HTTP_X_API_KEY" not in environ


def test_what_is_wrong_with_a_body_is_said_in_the_environment():
    too_large = [(b"content-length", str(bodies.LARGEST_READ_OFF + 1).encode())]
    assert json.loads(asked(Exchange(scope(headers=too_large))).body)[bodies.PROBLEM] == bodies.TOO_LARGE
    chunked = [(b"transfer-encoding", b"chunked")]
    broken = json.loads(asked(Exchange(scope(headers=chunked), b"{")).body.partition(b"\n")[0])
    assert broken[bodies.PROBLEM] == bodies.BROKEN_OFF


def test_a_slow_body_is_refused_and_its_connection_closed(monkeypatch):
    monkeypatch.setattr(bodies, "SECONDS", 0.05)
    monkeypatch.setattr(front, "TICK", 0.02)

    async def silence():
        await asyncio.sleep(60)

    exchange = Exchange(scope(headers=[(b"content-length", b"5")]))
    exchange.receive = silence
    answer = asked(exchange)
    assert json.loads(answer.body)[bodies.PROBLEM] == bodies.TOO_SLOW
    assert answer.headers[b"connection"] == b"close"


@pytest.mark.parametrize(
    ("asked_for", "name"),
    [
        ("POST /api/webhooks/incident-log/x", "door"),
        ("GET /readyz", "health"),
        ("GET /api/incidents", "API"),
        ("POST /api/incidents/bulk", "API"),
        ("GET /", "pages"),
        ("GET /login", "pages"),
        ("POST /logout", "pages"),
        ("POST /login", "passwords"),
        ("POST /password", "passwords"),
        ("POST /link/wlink_x", "passwords"),
        ("GET /link/wlink_x", "pages"),
    ],
)
def test_each_request_has_its_lane(asked_for, name):
    assert front.lane_for(*asked_for.split()) == name


@pytest.mark.parametrize("name", ["pages", "API"])
def test_pages_and_the_api_have_as_many_threads_as_is_set(name):
    assert front.THREADS[name] == settings.THREADS > 1


def test_who_would_log_in_when_too_many_do_is_told_so_and_the_log_says_who(monkeypatch):
    go, said = threading.Event(), []
    monkeypatch.setitem(front.LINES, "passwords", (3, 60.0))
    monkeypatch.setattr(front.log, "warning", lambda what, **fields: said.append((what, fields)))

    def hashing_passwords(environ, start_response):
        if environ["REQUEST_METHOD"] == "POST":
            go.wait()
        return echo(environ, start_response)

    async def crowd():
        one = Front(hashing_passwords)
        waiting = [asyncio.ensure_future(Exchange(scope(b"/login", "POST")).through(one)) for _ in range(3)]
        await asyncio.sleep(0.05)
        begun = time.monotonic()
        refused = [await Exchange(scope(b"/login", "POST")).through(one) for _ in range(2)]
        took = time.monotonic() - begun
        page = await Exchange(scope(b"/login", "GET")).through(one)
        one.look_after_all()
        go.set()
        return refused, took, page.status, [(await each).status for each in waiting]

    (first, second), took, page, waited = asyncio.run(crowd())
    assert (first.status, second.status, page, waited) == (429, 429, 202, [202] * 3)
    assert int(first.headers[b"retry-after"]) >= 1
    assert b"Too many people log in" in first.body and b"<html" in first.body
    # Who comes again at once waits at the server, and takes no thread meanwhile.
    assert took >= 2 * front.SLOWED_DOWN
    told = [fields for what, fields in said if what == "too many log in at once: answered 429"]
    assert sum(fields["times"] for fields in told) == sum(fields["addresses"]["127.0.0.1"] for fields in told) == 2


def test_a_page_that_takes_its_time_stops_no_webhook():
    go = threading.Event()

    def slow_pages(environ, start_response):
        if environ["PATH_INFO"] == "/":
            go.wait()
        return echo(environ, start_response)

    async def both():
        one = Front(slow_pages)
        page = asyncio.ensure_future(Exchange(scope(b"/", "GET")).through(one))
        event = await Exchange(scope(b"/api/webhooks/incident-log/x", "GET")).through(one)
        go.set()
        return event.status, (await page).status

    assert asyncio.run(both()) == (202, 202)


@pytest.mark.parametrize(("path", "is_json"), [(b"/api/incidents", True), (b"/incidents", False)])
def test_who_finds_no_room_hears_when_to_come_again(monkeypatch, path, is_json):
    monkeypatch.setitem(front.LINES, "pages", (0, 1.0))
    monkeypatch.setitem(front.LINES, "API", (0, 1.0))
    answer = asked(Exchange(scope(path, "GET")))
    assert answer.status == 503
    assert int(answer.headers[b"retry-after"]) >= 1
    assert int(answer.headers[b"content-length"]) == len(answer.body)
    if is_json:
        assert json.loads(answer.body)["error"]["code"] == "UNAVAILABLE"
    else:
        assert b"<html" in answer.body


def test_a_request_that_takes_too_long_is_answered_all_the_same(monkeypatch):
    monkeypatch.setitem(front.WORKING, "pages", 0.05)
    monkeypatch.setattr(front, "TICK", 0.02)
    go = threading.Event()

    def stuck(environ, start_response):
        go.wait()
        return echo(environ, start_response)

    answer = asked(Exchange(scope(b"/", "GET")), stuck)
    go.set()
    assert answer.status == 503


def test_only_http_is_answered():
    exchange = Exchange({"type": "websocket"})
    assert asked(exchange).sent == []


def test_webhooks_may_be_answered_together_past_the_application():
    def together(environs):
        return [HttpResponse(b"short", status=202) if "short" in each["PATH_INFO"] else None for each in environs]

    async def both():
        one = Front(echo, together)
        paths = (b"/api/webhooks/incident-log/short", b"/api/webhooks/incident-log/long", b"/api/short")
        return [await Exchange(scope(path, "GET")).through(one) for path in paths]

    short, long, page = asyncio.run(both())
    assert (short.status, short.body, short.headers[b"content-type"]) == (202, b"short", b"text/html; charset=utf-8")
    assert [json.loads(each.body)["PATH_INFO"] for each in (long, page)] == [
        "/api/webhooks/incident-log/long",
        "/api/short",
    ]
