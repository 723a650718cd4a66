import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from config import database
from config.console import CannotStart
from config.embedded import for_the_duration
from config.supervisor import Child, House, Kept

LAUNCHER = [sys.executable, str(Path(__file__).parents[2] / "watchkeeper")]


def a_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def processes_of(data: Path) -> dict[int, str]:
    """The command lines, by process id, of all that works for a data folder."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if bytes(data) in (folder / "environ").read_bytes() and int(folder.name) != os.getpid():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return {pid: command for pid, command in found.items() if command}


def eventually(question: Callable[[], object]) -> bool:
    deadline = time.monotonic() + 60
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def environment(data: Path, **more: str) -> dict[str, str]:
    """Ours, but for the database, which is to be the data folder's own."""
    clean = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return clean | {"WATCHKEEPER_DATA": str(data), "WATCHKEEPER_DEBUG": "1"} | more


class Up:
    """`./watchkeeper up --no-demo` on a data folder and a port."""

    def __init__(self, data: Path, port: int, *options: str, **more: str) -> None:
        self.data, self.port = data, port
        self.log = data.parent / f"{port}.log"
        command = [*LAUNCHER, "up", "--no-demo", *options]
        env = environment(data, **{"PORT": str(port)} | more)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, text=True)

    def lines(self, number: int) -> list[str]:
        assert self.process.stdout
        return [self.process.stdout.readline() for _ in range(number)]

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def find(self, words: str) -> list[int]:
        return [pid for pid, command in processes_of(self.data).items() if words in command]

    def said(self) -> str:
        return self.log.read_text()

    def end(self, how: signal.Signals) -> int:
        with self.process:  # which closes its pipe and waits
            self.process.send_signal(how)
        return self.process.returncode


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    launched: list[Up] = []

    def launch(*options: str, **environment: str) -> Up:
        launched.append(Up(tmp_path / "data", a_port(), *options, **environment))
        return launched[-1]

    yield launch
    for up in launched:
        up.end(signal.SIGKILL)


def complaint(up: Up) -> str:
    """The one line of an `up` that can't."""
    out, _ = up.process.communicate()
    assert (out, up.process.returncode) == ("", 1)
    (line,) = up.said().splitlines()
    return line


def test_it_serves_survives_kills_of_its_parts_and_leaves_nothing_behind(
    launch: Callable[..., Up], tmp_path: Path
) -> None:
    first = subprocess.run(
        [*LAUNCHER, "showmigrations", "--plan"],
        env=environment(tmp_path / "data"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "watchkeeper: making the tables" in first.stderr
    assert {line[:4] for line in first.stdout.splitlines()} == {"[X] "}

    up = launch()
    ready, login = up.lines(2)
    assert ready == f"watchkeeper: ready on http://127.0.0.1:{up.port}\n"
    assert login.startswith("watchkeeper: staff login: admin@example.com, password ")

    for number, part in enumerate(("config.web", "manage.py worker", "bin/postgres"), start=1):
        victim = min(up.find(part))
        os.kill(victim, signal.SIGKILL)
        # Those that the victim leaves behind may answer for a moment.
        assert eventually(lambda number=number: up.said().count("was killed by SIGKILL; starting it again") == number)
        assert eventually(lambda part=part, victim=victim: set(up.find(part)) - {victim} and up.answers())

    assert up.end(signal.SIGTERM) == 0
    assert not processes_of(up.data)

    again = launch()
    known = "watchkeeper: staff login: admin@example.com, ./watchkeeper staff_login tells its first password\n"
    assert again.lines(2)[1] == known
    again.end(signal.SIGKILL)
    assert eventually(lambda: not processes_of(again.data))

    after_a_kill = launch()
    assert after_a_kill.lines(2)[1] == known
    assert after_a_kill.end(signal.SIGINT) == 0
    assert not processes_of(up.data)


def ask(port: int, request: bytes) -> bytes:
    """The first line of what a web server answers to exactly these bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        return connection.makefile("rb").readline().strip()


def test_it_is_ready_and_answers_those_who_ask_after_its_health_whatever_its_hosts_are(
    launch: Callable[..., Up],
) -> None:
    up = launch(WATCHKEEPER_HOSTS="watch.example.com", WATCHKEEPER_HTTPS="1")
    assert up.lines(1) == [f"watchkeeper: ready on http://127.0.0.1:{up.port}\n"]
    for path in (b"/healthz", b"/readyz"):
        for host in (b"", b"Host:\r\n", b"Host: 10.1.2.3:8000\r\n", b"Host: [::1]\r\n", b"Host: a b/c\r\n"):
            assert ask(up.port, b"GET %s HTTP/1.0\r\n%s\r\n" % (path, host)).endswith(b" 200 OK")
            if host:
                assert ask(up.port, b"GET %s HTTP/1.1\r\n%s\r\n" % (path, host)).endswith(b" 200 OK")
    assert ask(up.port, b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").endswith(b" 400 Bad Request")
    assert ask(up.port, b"GET /healthz/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").endswith(b" 400 Bad Request")


BROKEN = """
import sys

class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "config.asgi":
            raise ImportError("broken on purpose")

sys.meta_path.insert(0, Broken())
"""


def test_an_application_that_can_t_be_loaded_is_never_called_ready_and_fills_no_log(
    launch: Callable[..., Up], tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(BROKEN)
    up = launch(PYTHONPATH=str(tmp_path))
    out, _ = up.process.communicate(timeout=120)
    assert (out, up.process.returncode) == ("", 1)
    assert "broken on purpose" in up.said()
    assert up.said().splitlines()[-1] == "watchkeeper: the web server keeps stopping; what it said is above"
    assert len(up.said().splitlines()) < 1000
    assert not processes_of(up.data)


def test_as_long_as_it_is_not_ready_it_says_why_once_and_does_not_open(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    now, complaints = [1000.0], ["it does not answer"] * 1000 + ["the database is read-only"] * 30 + [""]
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setattr("config.supervisor.time.monotonic", lambda: now[0])
    house = House(tmp_path, 1, with_demo=False)

    def rest(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(house, "_complaint", lambda: complaints.pop(0))
    monkeypatch.setattr(house, "_rest", rest)
    house._wait_until_ready()
    assert complaints == []
    assert capsys.readouterr().err.splitlines() == [
        "watchkeeper: not ready yet: it does not answer",
        "watchkeeper: not ready yet: the database is read-only",
    ]


class Dying:
    """A part of the house that never lives."""

    name = "the part"
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    process.wait()  # at once: a supervisor that a test runs in this process buries what it finds dead

    def __init__(self) -> None:
        self.starts: list[float] = []

    def start(self) -> None:
        self.starts.append(time.monotonic())


def test_what_dies_again_and_again_is_started_again_after_a_second_at_most(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [1000.0]
    monkeypatch.setattr("config.supervisor.time.monotonic", lambda: now[0])
    part = Dying()
    kept = Kept(part)  # type: ignore[arg-type]
    while len(part.starts) < 20:
        kept.look_after()
        now[0] += 0.1
    pauses = [after - before for before, after in zip(part.starts, part.starts[1:], strict=False)]
    assert kept._longest_pause() == 1.0
    assert pauses[0] < 0.7
    assert 1.0 <= max(pauses) < 1.3
    assert kept.deaths == 20
    assert capsys.readouterr().err.count("the part stopped with exit code 7; starting it again") == 20


@pytest.mark.parametrize(
    ("how", "longest"), [("import os; os.kill(os.getpid(), 9)", 1.0), ("raise SystemExit(7)", 30.0)]
)
def test_what_was_killed_is_soon_back_and_what_ends_by_itself_is_not_tried_all_the_time(
    monkeypatch: pytest.MonkeyPatch, how: str, longest: float
) -> None:
    now = [1000.0]
    monkeypatch.setattr("config.supervisor.time.monotonic", lambda: now[0])
    child = Child("the part", [sys.executable, "-c", how])
    child.run()
    kept, starts = Kept(child), list[float]()
    monkeypatch.setattr(Child, "start", lambda self: starts.append(now[0]))
    while len(starts) < 20:
        kept.look_after()
        now[0] += 0.1
    assert starts[1] - starts[0] < 1.0
    assert longest <= starts[-1] - starts[-2] < longest + 0.3
    kept.deaths = 2000
    kept.look_after()


def test_a_death_after_a_long_life_is_a_new_story(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("config.supervisor.time.monotonic", lambda: now[0])
    kept = Kept(Dying(), begun=1000.0, deaths=4)  # type: ignore[arg-type]
    now[0] = 1031.0
    kept.look_after()
    assert kept.deaths == 1


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (OSError(28, "No space left on device"), "could not be started (OSError): [Errno 28] No space left on device"),
        (psycopg.OperationalError("gone"), "could not be started (OperationalError): gone"),
        (CannotStart("the part did not start: why"), None),
    ],
)
def test_trouble_in_starting_a_part_again_is_said_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    trouble: Exception,
    said: str | None,
) -> None:
    class Unlucky(Dying):
        def start(self) -> None:
            super().start()
            raise trouble

    monkeypatch.setenv("DATABASE_URL", "")
    house = House(tmp_path, 1, with_demo=False)
    house.is_open, part = True, Unlucky()
    house.kept = [Kept(part, due=0.0)]  # type: ignore[arg-type]
    house._look_after_all()
    house._look_after_all()
    assert len(part.starts) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"watchkeeper: the part {said or 'did not start: why'}",
        "watchkeeper: the part stopped with exit code 7; starting it again",
    ]


def test_what_keeps_stopping_before_the_opening_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    house = House(tmp_path, 1, with_demo=False)
    house.kept = [Kept(Dying(), deaths=4)]  # type: ignore[arg-type]
    with pytest.raises(CannotStart, match="the part keeps stopping"):
        house._look_after_all()


def tell(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[arg-type]


def test_neither_a_given_nor_an_embedded_database_is_served_that_may_lose_what_it_acknowledged(
    launch: Callable[..., Up], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    with for_the_duration(tmp_path / "data") as url:
        tell(url, "ALTER SYSTEM SET fsync = off", "ALTER DATABASE watchkeeper SET synchronous_commit = off")
        tell(url, "SELECT pg_reload_conf()")
        assert eventually(lambda: "fsync=off" in str(database.unfit(settings_at(url))))
        line = complaint(launch(DATABASE_URL=url))
        assert line == (
            "watchkeeper: DATABASE_URL can't be relied on: PostgreSQL runs with fsync=off, which loses acknowledged "
            "events; PostgreSQL runs with synchronous_commit=off, which loses acknowledged events. Set it right where "
            "it was set (postgresql.conf, ALTER SYSTEM, or for this role or database), then start again"
        )
        environ = environment(tmp_path, DATABASE_URL=url)
        command = subprocess.run([*LAUNCHER, "check"], env=environ, capture_output=True, text=True, check=False)
        assert (command.returncode, command.stdout, command.stderr) == (1, "", line + "\n")
    embedded = complaint(launch())
    assert embedded == line.replace("DATABASE_URL", "the embedded PostgreSQL")
    assert not processes_of(tmp_path / "data")


def settings_at(url: str) -> tuple[object, ...]:
    with psycopg.connect(url) as connection:
        return database.settings_of(connection)


def test_a_taken_port_is_one_line(launch: Callable[..., Up]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = complaint(launch(PORT=port))
    assert line == (
        f"watchkeeper: can't listen on port {port}: another program has it; choose another: PORT=8001 ./watchkeeper up"
    )


def test_a_port_that_is_none_is_one_line(launch: Callable[..., Up]) -> None:
    assert "PORT: 'http' is no whole number from 1 to 65535" in complaint(launch(PORT="http"))


def test_an_unknown_option_is_one_line(launch: Callable[..., Up]) -> None:
    assert "up doesn't know --fast; it knows --no-demo" in complaint(launch("--fast"))


def test_a_wrong_database_url_is_one_line(launch: Callable[..., Up]) -> None:
    assert "DATABASE_URL is not a PostgreSQL URL" in complaint(launch(DATABASE_URL="mysql://here"))


def test_a_data_folder_that_cannot_be_written_is_one_line(launch: Callable[..., Up], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = complaint(launch(WATCHKEEPER_DATA=str(tmp_path / "file" / "var")))
    assert line.endswith("(Not a directory); make it writable, or set WATCHKEEPER_DATA to another folder")


def test_a_second_up_on_the_same_data_is_one_line(launch: Callable[..., Up], tmp_path: Path) -> None:
    first = launch()
    assert eventually(lambda: (tmp_path / "data" / "up.lock").exists() and first.find("postgres"))
    second = Up(tmp_path / "data", a_port())
    second.process.communicate()
    assert f"is already up with {tmp_path / 'data'} (process {first.process.pid}); stop it first" in second.said()
    assert second.process.returncode == 1
    assert first.end(signal.SIGTERM) == 0  # in the middle of its start
    assert not processes_of(first.data)
