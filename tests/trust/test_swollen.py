"""
Large bodies, again and again: when a request is answered, nothing of its body is left, whatever was in it and whatever
became of it. In this process byte by byte; in the full run by the size of a real one.
"""

import gc
import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.test import Client

from config import front
from config.bodies import LARGEST_BODY, MIB, Body
from config.front import Front, environ_of
from config.wsgi import application
from teams.models import Role
from tests.conftest import an_event, make_user
from tests.running import HOST, Running
from tests.trust.conftest import FULL

# What is looked at byte by byte takes ten times as long.
LARGE = MIB + 256 * 1024
# A little less than is refused.
LARGEST = LARGEST_BODY - 64 * 1024
# What an answered webhook may leave behind: lines of counters, caches of words.
LEFT_AT_MOST = 256 * 1024
# What pages and the API may, all together: their forms and errors stand in circles, which are looked for now and then.
COLLECTED_AFTER, LEFT_BY_ALL = 2 * MIB, 12 * MIB
# A web process: 80 MiB when it starts, and what it takes to read the largest bodies.
LARGEST_PROCESS = 300 * MIB


class Sent(NamedTuple):
    """A request with a large body, and how it is answered."""

    path: str
    body: bytes
    status: int
    headers: dict[str, str] = {}


def array(size: int, **fields: Any) -> bytes:
    """Known events, in an array of nearly that size."""
    events, so_far = [], 0
    for number in range(1000):
        event = an_event("monitor.down", monitor_id=number % 20, message=f"{number}", **fields)
        so_far += len(json.dumps(event)) + 2
        if so_far > size:
            break
        events.append(event)
    return json.dumps(events).encode()


def filled(start: bytes, piece: bytes, end: bytes, size: int = LARGE) -> bytes:
    """A body of pieces, of nearly that size."""
    return start + piece * ((size - len(start) - len(end)) // len(piece)) + end


def form(**fields: str) -> bytes:
    return urlencode({"csrfmiddlewaretoken": "t" * 32, **fields}).encode()


def in_parts(name: str, content: bytes, file: str = "") -> bytes:
    named = f'form-data; name="{name}"' + (f'; filename="{file}"' if file else "")
    token = b'--b\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n' + b"t" * 32 + b"\r\n"
    return token + f"--b\r\nContent-Disposition: {named}\r\n\r\n".encode() + content + b"\r\n--b--\r\n"


FORM = {"CONTENT_TYPE": "application/x-www-form-urlencoded"}
PARTS = {"CONTENT_TYPE": "multipart/form-data; boundary=b"}
JSON = {"CONTENT_TYPE": "application/json"}
TOKEN = {"HTTP_COOKIE": f"{settings.CSRF_COOKIE_NAME}={'t' * 32}"}
LONG = "x" * LARGE

# Name → what is sent. DOOR, KEY, SESSION and INCIDENT are filled in.
KINDS: dict[str, Callable[[], Sent]] = {
    "known events": lambda: Sent("DOOR", array(LARGE, note="x" * 50_000), 202),
    "many known events": lambda: Sent("DOOR", array(LARGE, note="x" * 3_500), 202),
    "known events by key": lambda: Sent("/api/webhooks/incident-log", array(LARGE, note="x" * 9_000), 202, {"KEY": ""}),
    "events of letters that take four bytes": lambda: Sent("DOOR", array(LARGE // 2, note="\U0001f525" * 2_000), 202),
    "wrong events": lambda: Sent("DOOR", array(LARGE, note="x" * 3_500, organization_id=None), 202),
    "unknown events": lambda: Sent("DOOR", array(LARGE, note="x" * 3_500, event="monitor.checked"), 202),
    "one event that is too large": lambda: Sent("DOOR", json.dumps(an_event("monitor.down", note=LONG)).encode(), 413),
    "too many": lambda: Sent("DOOR", filled(b"[", b'{"a":1},', b"1]"), 422),
    "an array of arrays": lambda: Sent("DOOR", filled(b"[[", b"[],", b"1]]"), 202),
    "no JSON": lambda: Sent("DOOR", filled(b"[[", b"1,", b"]"), 400),
    "unsafe JSON": lambda: Sent("DOOR", filled(b'{"a":1,"a":"', b"x", b'"}'), 400),
    "no text": lambda: Sent("DOOR", b"\xff" * LARGE, 400),
    "a wrong token": lambda: Sent("/api/webhooks/incident-log/whi_wrong", array(LARGE, note="x" * 50_000), 401),
    "more than the API takes for a title": lambda: Sent(
        "/api/incidents", json.dumps({"title": LONG}).encode(), 400, JSON | {"KEY": ""}
    ),
    "the same under an idempotency key": lambda: Sent(
        "/api/incidents", json.dumps({"title": LONG}).encode(), 400, JSON | {"KEY": "", "HTTP_IDEMPOTENCY_KEY": "k"}
    ),
    "a long note": lambda: Sent(
        "/api/incidents/INCIDENT/updates", json.dumps({"message": LONG}).encode(), 400, JSON | {"KEY": ""}
    ),
    "objects that the API does not know": lambda: Sent(
        "/api/incidents/bulk", filled(b'{"ids":[', b'{"a":[]},', b"1]}"), 400, JSON | {"KEY": ""}
    ),
    "a form for the API": lambda: Sent("/api/incidents", form(title=LONG), 415, FORM | {"KEY": ""}),
    "no key": lambda: Sent("/api/incidents", json.dumps({"title": LONG}).encode(), 401, JSON),
    "a path that is none": lambda: Sent("/api/nothing", json.dumps({"title": LONG}).encode(), 404, JSON | {"KEY": ""}),
    "a log-in": lambda: Sent("/login", form(username=LONG, password="x"), 400, FORM | TOKEN),
    "a log-in in parts": lambda: Sent("/login", in_parts("username", b"x" * LARGE), 400, PARTS | TOKEN),
    "a file for the log-in": lambda: Sent("/login", in_parts("username", b"x" * LARGE, "x.txt"), 400, PARTS | TOKEN),
    "a log-in without token": lambda: Sent("/login", form(username=LONG, password="x"), 403, FORM),
    "a form of a page": lambda: Sent("/preferences", form(name=LONG, time_zone="UTC"), 400, FORM | {"SESSION": ""}),
    "an act": lambda: Sent("/incidents/INCIDENT/act", form(act="comment", message=LONG), 400, FORM | {"SESSION": ""}),
    "what is no form": lambda: Sent("/login", b"x" * LARGE, 403, {"CONTENT_TYPE": "text/plain"} | TOKEN),
    "a page that is none": lambda: Sent("/nothing", form(name=LONG), 404, FORM | TOKEN),
}  # fmt: skip


ELSEWHERE = [name for name, kind in KINDS.items() if "/api/webhooks" not in kind().path != "DOOR"]
AT_THE_DOOR = [name for name in KINDS if name not in ELSEWHERE]


@pytest.fixture
def asked(transactional_db: None, integration: Any, api_key: str, ingest_key: str, tell: Any) -> Callable[[Sent], Any]:
    """Sends a request through Django as the web server does; the status of the answer."""
    tell(an_event("incident.started"))
    uuid = str(integration.team.incidents.get().uuid)
    manager = make_user("manager@example.com", integration.team, Role.MANAGER)
    client = Client()
    client.force_login(manager)
    session = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    served = Front(application)
    scope = {"server": (HOST, 80), "method": "POST", "query_string": b"", "http_version": "1.1", "scheme": "http"}
    path_of = {"DOOR": f"/api/webhooks/incident-log/{integration.token}"}

    def send(sent: Sent) -> int:
        headers = {"HTTP_HOST": "localhost"} | {
            "HTTP_" + k if k == "CONTENT_TYPE" else k: v for k, v in sent.headers.items()
        }
        if "KEY" in headers:
            del headers["KEY"]
            headers["HTTP_X_API_KEY"] = ingest_key if sent.path.startswith("/api/webhooks/") else api_key
        if "SESSION" in headers:
            del headers["SESSION"]
            headers["HTTP_COOKIE"] = f"{session}; {TOKEN['HTTP_COOKIE']}"
        path = path_of.get(sent.path, sent.path).replace("INCIDENT", uuid)
        # A copy: what is left of it is its own.
        body = Body(bytes(bytearray(sent.body)))
        environ = environ_of({**scope, "raw_path": path.encode(), "client": (HOST, 1)}, headers, body)
        return served.work(environ).status

    return send


@pytest.fixture
def uncollected() -> Iterator[None]:
    """The collector comes when it likes; here it does not."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def growth(asked: Callable[[Sent], int], sent: Sent, times: int) -> int:
    """By how many bytes this process grows when a request comes so many times."""
    asked(sent)
    tracemalloc.start()
    try:
        asked(sent)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(times):
            assert asked(sent) in (sent.status, 429)  # who tries too often is refused, and that leaves nothing either
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def some(kinds: list[str]) -> list[str]:
    return kinds if FULL else kinds[::4]


@pytest.mark.parametrize("kind", some(AT_THE_DOOR))
def test_nothing_of_a_large_webhook_is_left_when_it_is_answered(kind, asked, uncollected):
    sent = KINDS[kind]()
    assert len(sent.body) > MIB // 2
    assert growth(asked, sent, times=3) < 3 * LEFT_AT_MOST


@pytest.mark.parametrize("kind", some(ELSEWHERE))
def test_what_is_left_of_large_forms_and_bodies_stays_within_bounds(kind, asked, uncollected, monkeypatch):
    monkeypatch.setattr(front, "COLLECTED_AFTER", COLLECTED_AFTER)
    sent = KINDS[kind]()
    assert len(sent.body) > MIB // 2
    assert growth(asked, sent, times=12) < LEFT_BY_ALL


@pytest.mark.skipif(not FULL, reason="a hundred large bodies for a whole instance: in the full run")
def test_a_process_stays_as_large_as_it_is(tmp_path):
    """It grew to a gigabyte once, by what the database's driver remembered."""
    with Running(tmp_path / "data") as running:
        path = running.create_team("Swollen")["webhook_path"]
        rubbish = filled(b"[", b"[],", b"1]", LARGEST), filled(b'{"a":1,"a":"', b"x", b'"}', LARGEST)
        for body in (array(LARGEST, note="x" * 50_000), *rubbish):
            with closing(HTTPConnection(HOST, running.port, timeout=60)) as line:
                for _ in range(60):
                    line.request("POST", path, body)
                    assert line.getresponse().read()
        assert max(map(resident, running.pids.web_workers)) < LARGEST_PROCESS


def resident(pid: int) -> int:
    """How many bytes of memory a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
