import contextlib
import json
import logging
import sys

import pytest
import structlog

from config import logs

TOKEN = "Zm9vYmFyLWJhel9xdXV4LTEyMzQ1Njc4OTA"

SECRETS = [
    f"/api/webhooks/incident-log/{TOKEN}",
    f"POST http://127.0.0.1:8000/api/webhooks/incident-log/{TOKEN}?x=1 HTTP/1.1",
    f"wk_{TOKEN}",
    f"X-API-Key: wk_{TOKEN}",
    f"x-api-key: {TOKEN}",
    f"Authorization: Bearer {TOKEN}",
    f"authorization = Basic {TOKEN}",
    f"{{'HTTP_AUTHORIZATION': 'Bearer {TOKEN}', 'HTTP_X_API_KEY': '{TOKEN}'}}",
    json.dumps({"Authorization": f"Bearer {TOKEN}"}),
    json.dumps(json.dumps({"Authorization": f"Bearer {TOKEN}"})),
    f"Cookie: watchkeeper_session={TOKEN}; other={TOKEN}",
    f"watchkeeper_session={TOKEN}",
    f"csrftoken={TOKEN}",
    f"webhook-signature: v1,{TOKEN}",
    f"postgresql://watchkeeper:{TOKEN}@db.example:5432/watchkeeper",
    f"password={TOKEN}",
    f"signing_secret: '{TOKEN}'",
]

PLAIN = [
    "GET /incidents/550e8400-e29b-41d4-a716-446655440000 200",
    "the database does not answer: connection to server at 127.0.0.1, port 5432 failed",
    "wk is short",
    "https://example.com:8000/path@x",
    "/api/webhooks/incident-log",
    "session ended",
]


@pytest.mark.parametrize("line", SECRETS)
def test_what_looks_like_a_secret_is_masked(line):
    assert TOKEN not in logs.masked(line)
    assert logs.MASK in logs.masked(line)


@pytest.mark.parametrize("line", PLAIN)
def test_everything_else_stays(line):
    assert logs.masked(line) == line


@pytest.fixture
def lines(capsys):
    def read():
        return capsys.readouterr().err.splitlines()

    return read


def test_our_lines_are_json_with_time_and_level_and_what_is_bound(lines):
    structlog.contextvars.clear_contextvars()
    with structlog.contextvars.bound_contextvars(request_id="request-1"):
        structlog.get_logger("x").warning("something — odd", token_count=3, url=f"/api/webhooks/incident-log/{TOKEN}")
    (line,) = lines()
    entry = json.loads(line)
    assert entry.pop("at").endswith("Z")
    assert entry == {
        "event": "something — odd",
        "level": "warning",
        "request_id": "request-1",
        "token_count": 3,
        "url": "/api/webhooks/incident-log/***",
    }


def test_lines_of_other_libraries_come_in_the_same_form(lines):
    with structlog.contextvars.bound_contextvars(request_id="request-1"):
        logging.getLogger("some.library").warning("hello %s", f"wk_{TOKEN}")
    (line,) = lines()
    entry = json.loads(line)
    assert entry.pop("at").endswith("Z")
    assert entry == {"event": "hello wk_***", "level": "warning", "request_id": "request-1"}


def test_a_traceback_is_told_without_its_secrets(lines):
    try:
        raise ValueError(f"Authorization: Bearer {TOKEN}")
    except ValueError:
        structlog.get_logger("x").exception("it broke")
        logging.getLogger("some.library").exception("it broke")
    ours, theirs = (json.loads(line) for line in lines())
    for entry in (ours, theirs):
        assert "Traceback" in entry["exception"]
        assert TOKEN not in entry["exception"]


def test_what_is_below_the_level_is_not_written(lines):
    structlog.get_logger("x").debug("nothing")
    logging.getLogger("some.library").debug("nothing")
    assert lines() == []


def test_a_line_that_cannot_be_written_stops_nothing(lines, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logging.getLogger("some.library").warning("%d", "not a number")


def test_a_log_that_cannot_be_written_stops_nobody(monkeypatch):
    with open("/dev/full", "w", buffering=1) as full:
        monkeypatch.setattr(sys, "stderr", full)
        structlog.get_logger("x").info("ours")
        logging.getLogger("some.library").warning("theirs")
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()


def test_values_called_after_a_secret_are_masked_wherever_they_stand(lines):
    structlog.get_logger("x").info(
        "odd", api_key=TOKEN, inner={"Authorization": TOKEN, "n": [1, f"wk_{TOKEN}"]}, other=ValueError(f"wk_{TOKEN}")
    )
    (line,) = lines()
    entry = json.loads(line)
    assert entry["api_key"] == entry["inner"]["Authorization"] == "***"
    assert entry["inner"]["n"] == [1, "wk_***"]
    assert entry["other"] == "wk_***"


@pytest.mark.filterwarnings("ignore:Remove `format_exc_info`")
def test_for_a_terminal_lines_are_made_to_be_read():
    line = {"event": "hello", "level": "info", "key": f"wk_{TOKEN}", "exc_info": ValueError(f"wk_{TOKEN}")}
    for process in logs._rendered(as_json=False):
        line = process(None, "info", line)
    assert "hello" in line
    assert "ValueError" in line
    assert TOKEN not in line
    assert not line.startswith("{")
