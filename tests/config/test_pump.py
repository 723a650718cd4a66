"""Tests of config.pump, config.streams and config.connections: answers that are streamed, through granian itself."""

import contextlib
import gzip
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import streams
from config.errors import RateLimited, Unavailable
from config.heavy import Asker
from config.streams import Bounds, Places, event
from tests.running import ROOT, eventually, free_port
from tests.slow import Reader

SOON = 10.0
SERVE = """
import sys
import django
django.setup(set_prefix=False)
from tests.config import streaming
streaming.serve(int(sys.argv[1]))
"""


class Server:
    """The application of tests.config.streaming, served by granian in one process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        environ = {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PATH": os.environ["PATH"],
            "STREAMING_FOLDER": str(folder),
            "WATCHKEEPER_DATA": str(folder),
            "WATCHKEEPER_SECRET_KEY": "x" * 60,
        }
        with (folder / "log").open("wb") as log:
            command = [sys.executable, "-c", SERVE, str(self.port)]
            self.process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=log)
        eventually(lambda: self.answers() or self.process.poll() is not None, 30)
        if not self.answers():
            self.stop()
            pytest.fail((folder / "log").read_text()[-4000:])

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.state())
        return False

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as line:
            line.request("GET", path, headers=headers)
            answer = line.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def state(self) -> dict[str, int]:
        return json.loads(self.get("/api/state")[2])

    def read(self, path: str, **headers: str) -> Reader:
        return Reader(self.port, path, headers)

    @contextlib.contextmanager
    def shut(self) -> Iterator[None]:
        """Nobody is let in any more while the block runs."""
        (self.folder / "shut").touch()
        try:
            yield
        finally:
            (self.folder / "shut").unlink()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(tmp_path_factory.mktemp("streaming"))
    yield one
    one.stop()


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test opened is closed on the server, too, soon after."""
    yield
    if "server" in request.fixturenames:
        one = request.getfixturevalue("server")
        assert eventually(lambda: one.state()["rows"] == one.state()["events"] == 0, SOON)


def test_events_come_as_they_are_made_and_are_never_compressed(server: Server):
    with server.read("/api/events/numbers", **{"Accept-Encoding": "gzip"}) as reader:
        headers = reader.headers()
        assert headers["content-type"] == "text/event-stream"
        assert "content-encoding" not in headers and "content-length" not in headers
        reader.until(b"id: 3\ndata: number 3\ndata: of many\n\n")
        assert server.state()["events"] == 1


def test_a_silent_event_stream_says_comments(server: Server):
    with server.read("/api/events/silence") as reader:
        assert reader.until(b": still here\n\n").count(b"data: first") == 1


def test_an_event_stream_that_is_over_ends_as_a_whole_answer(server: Server):
    assert server.get("/api/events/three")[2] == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize("path", ["/api/events/numbers", "/api/events/silence", "/api/rows/0"])
def test_a_stream_ends_when_its_reader_goes_away(server: Server, path: str):
    before = server.state()["ended"]
    with server.read(path) as reader:
        reader.until(b"\r\n\r\n")
        assert sum(server.state()[kind] for kind in ("rows", "events")) == 1
    assert eventually(lambda: sum(server.state()[kind] for kind in ("rows", "events")) == 0, SOON)
    if "silence" not in path:
        assert eventually(lambda: server.state()["ended"] == before + 1, SOON)


@pytest.mark.parametrize("path", ["/api/events/numbers", "/api/events/silence", "/api/rows/0"])
def test_a_stream_is_cut_off_when_its_reader_is_not_let_in_any_more(server: Server, path: str):
    with server.read(path) as reader:
        reader.until(b"\r\n\r\n")
        with server.shut():
            assert reader.is_cut_within(SOON)


def test_a_stream_is_cut_off_though_its_reader_takes_nothing(server: Server):
    with server.read("/api/rows/0") as reader:
        reader.until(b"\r\n\r\n")
        with server.shut():
            assert eventually(lambda: server.state()["rows"] == 0, SOON)


@pytest.mark.parametrize("path", ["/api/events/failing", "/api/rows/-1"])
def test_what_breaks_off_does_not_pass_for_whole(server: Server, path: str):
    with server.read(path) as reader:
        assert reader.status == 200
        assert not reader.ends_whole()


def test_rows_come_whole_compressed_for_those_who_accept_that(server: Server):
    assert len(server.get("/api/rows/100")[2]) == 100 * 64 * 1024
    _, headers, body = server.get("/api/rows/100", **{"Accept-Encoding": "gzip"})
    assert headers["content-encoding"] == "gzip"
    assert len(gzip.decompress(body)) == 100 * 64 * 1024


def test_a_head_of_a_stream_is_a_head(server: Server):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as line:
        line.request("HEAD", "/api/rows/0")
        answer = line.getresponse()
        assert (answer.status, answer.getheader("Content-Type"), answer.read()) == (200, "text/csv", b"")
        line.request("GET", "/api/state")
        assert line.getresponse().status == 200


def test_slow_readers_hold_no_thread_and_little_memory(server: Server):
    before = server.state()
    with contextlib.ExitStack() as stack:
        for number in range(streams.Rows.places.bounds.process):
            reader = stack.enter_context(server.read(f"/api/rows/0?team={number // 4}&who={number}"))
            reader.until(b"\r\n\r\n")
        made = -1
        while made != (made := server.state()["pieces"]):  # until nobody takes any more
            time.sleep(0.3)
        during = server.state()
        assert during["rows"] == streams.Rows.places.bounds.process
        assert during["threads"] == before["threads"]
        # In KiB, and for each of them; the kernel's own buffers are not counted there.
        assert (during["rss"] - before["rss"]) / during["rows"] < 800


def test_who_takes_nothing_for_long_is_given_up(server: Server):
    with server.read("/api/rows/0") as reader:
        reader.until(b"\r\n\r\n")
        assert eventually(lambda: server.state()["rows"] == 0, SOON)
        assert not reader.ends_whole()


def test_too_many_of_one_are_429_and_too_many_of_all_are_503(server: Server):
    bounds = streams.Rows.places.bounds
    with contextlib.ExitStack() as stack:
        for number in range(bounds.process):
            who = f"/api/rows/0?team={number // 4}&who={number // bounds.who}"
            stack.enter_context(server.read(who)).until(b"\r\n\r\n")
            if number == bounds.who - 1:
                status, headers, body = server.get("/api/rows/0?team=0&who=0")
                assert (status, json.loads(body)["error"]["code"]) == (429, "RATE_LIMITED")
                assert int(headers["retry-after"]) >= 1
                status, _, body = server.get("/rows/0?team=0&who=0")
                assert status == 429 and b"are still open" in body and b"{" not in body
        status, headers, body = server.get("/api/rows/0?team=77&who=77")
        assert (status, json.loads(body)["error"]["code"]) == (503, "UNAVAILABLE")
        assert int(headers["retry-after"]) >= 1


def test_a_connection_serves_on_after_a_stream_and_nothing_is_left_open(server: Server):
    before = server.state()["descriptors"]
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as line:
        for _ in range(5):
            line.request("GET", "/api/events/three")
            assert len(line.getresponse().read()) == 27
    assert eventually(lambda: server.state()["descriptors"] <= before, SOON)


def test_streams_end_with_the_server_in_good_time(tmp_path: Path):
    one = Server(tmp_path)
    with one.read("/api/events/silence") as silent, one.read("/api/rows/0") as slow:
        silent.until(b"data: first")
        slow.until(b"\r\n\r\n")
        one.process.send_signal(signal.SIGTERM)
        # By themselves: granian kills what goes on for longer.
        assert eventually(lambda: one.process.poll() is not None, 5)
        assert not silent.ends_whole()
        assert not slow.ends_whole()


def test_places_are_counted_for_each_who_asks_each_team_and_all():
    places = Places(Bounds(process=4, team=3, who=2))
    give_back = [places.take(Asker(1, "a")), places.take(Asker(1, "a"))]
    with pytest.raises(RateLimited):
        places.take(Asker(1, "a"))
    places.take(Asker(1, "b"))
    with pytest.raises(RateLimited):
        places.take(Asker(1, "c"))
    places.take(None)
    with pytest.raises(Unavailable):
        places.take(Asker(2, "d"))
    give_back[0]()
    places.take(Asker(1, "c"))


def test_an_event_may_have_several_lines_but_its_name_has_one():
    assert event("a\r\nb\n", name="n", id="7") == b"event: n\nid: 7\ndata: a\ndata: b\ndata: \n\n"
    with pytest.raises(ValueError, match="line breaks"):
        event("a", name="n\ndata: false")
