"""
What `./watchkeeper` runs once its environment stands: `up`, `test`, or a management command.

For `up` it is the parent of web server, worker and embedded PostgreSQL: it starts them, starts again whichever dies,
and stops them together. How PostgreSQL is run is config.embedded's knowledge; what web server and worker do is theirs.
"""

import contextlib
import errno
import http.client
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from config import database, keepsakes, lifeline
from config.embedded import CannotStart, Cluster, say, try_lock

ROOT = Path(__file__).resolve().parent.parent
MANAGE = [sys.executable, str(ROOT / "manage.py")]
HOST = "127.0.0.1"
# Three processes of one thread, each with its own connection: measured better than fewer with many threads.
GRANIAN = [sys.executable, "-m", "granian", "--interface=wsgi", "--workers=3", "--blocking-threads=1", "--no-ws",
           "--backlog=1024", "--log-level=error", "--respawn-failed-workers", "--workers-kill-timeout=3"]  # fmt: skip
_LONG_LIFE = 30.0  # seconds; a death after that is a new story, not one more of the same
_PATIENCE = 10.0  # seconds that a part has for stopping by itself


def main(arguments: list[str]) -> int:
    """Do what the command line asks for. Returns the exit code; what the person has to see to is one line on stderr."""
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    try:
        data = data_folder()
        if arguments[0] == "up":
            return up(data, arguments[1:])
        return (test if arguments[0] == "test" else command)(data, arguments)
    except CannotStart as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def data_folder() -> Path:
    """The folder for all that is kept, as an absolute path. Puts it, and the secrets in it, into the environment."""
    data = Path(os.environ.get("WATCHKEEPER_DATA") or ROOT / "var").absolute()
    try:
        data.mkdir(parents=True, exist_ok=True)
        (data / "up.lock").touch()
        keepsakes.set_secrets(data, os.environ)
    except OSError as error:
        raise CannotStart(f"can't write to {data} ({error.strerror}); make it writable, or set WATCHKEEPER_DATA elsewhere") from None
    os.environ["WATCHKEEPER_DATA"] = str(data)
    return data


def command(data: Path, arguments: list[str]) -> int:
    """Run a management command in this very process, on the database at hand."""
    with database.at_hand(data):
        if arguments[0] not in {"migrate", "makemigrations"} and database.is_new():
            say("making the tables")
            if Child("migrate", [*MANAGE, "migrate", "--no-input", "--verbosity=0"]).run():
                raise CannotStart("making the tables failed; what it said is above")
        sys.argv[1:] = arguments
        runpy.run_path(MANAGE[1], run_name="__main__")
    return 0


def test(data: Path, arguments: list[str]) -> int:
    """Run pytest in this very process, on a database of its own: another `up` or `test` may run beside it."""
    import pytest  # noqa: PLC0415  absent from the environment that `up` makes

    if "--full" in arguments:
        os.environ["WATCHKEEPER_TEST_FULL"] = "1"
    os.chdir(ROOT)
    with database.for_tests(data):
        return int(pytest.main([argument for argument in arguments[1:] if argument != "--full"]))


# up


def up(data: Path, options: list[str]) -> int:
    """Serve until told to stop. Returns the exit code."""
    if unknown := set(options) - {"--no-demo"}:
        raise CannotStart(f"`up` doesn't know {' '.join(sorted(unknown))}; it knows --no-demo, and PORT in the environment")
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # else nohup asked us to outlive the terminal
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    with only_one(data):
        house = House(data, free_port(), with_demo=not options)
        try:
            house.run()
        except KeyboardInterrupt:
            say("stopping")
        finally:
            house.stop()
    return 0


@contextlib.contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Hold the data folder against a second `up`. Raises CannotStart."""
    with (data / "up.lock").open("r+") as lock:
        if not try_lock(lock):
            raise CannotStart(f"Watchkeeper is already up with {data} (process {lock.read()}); stop it first")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def free_port() -> int:
    """The port to serve on. A killed predecessor has a moment to leave it. Raises CannotStart."""
    text = os.environ.get("PORT") or "8000"
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise CannotStart(f"PORT has to be a number from 1 to 65535, not {text!r}")
    deadline = time.monotonic() + 2
    while True:
        try:
            socket.create_server((HOST, int(text))).close()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotStart(f"can't listen on port {text} ({error.strerror}); choose another: PORT=8001 ./watchkeeper up") from None
            if time.monotonic() > deadline:
                raise CannotStart(f"port {text} is taken by another program; stop that, or choose another: PORT=8001 ./watchkeeper up") from None
        else:
            return int(text)
        time.sleep(0.1)


@dataclass
class Child:
    """A process that dies with us."""

    name: str
    command: list[str]
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it, its words going where ours go (stderr)."""
        parent = os.getpid()
        self.process = subprocess.Popen(
            self.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True,
            env=os.environ | {"WATCHKEEPER_SUPERVISED": "1"}, preexec_fn=lambda: lifeline.hold(parent, signal.SIGKILL),
        )  # fmt: skip

    def run(self) -> int:
        """Start it and wait for its end. Returns its exit code."""
        self.start()
        assert self.process
        return self.process.wait()

    def ask_to_stop(self) -> None:
        if self.process:
            self.process.terminate()

    def stop(self) -> None:
        """See it gone."""
        if self.process:
            try:
                self.process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@dataclass
class Kept:
    """A part of the house that has to run, and how it fared lately."""

    part: Child | Cluster
    begun: float = field(default_factory=time.monotonic)
    deaths: int = 0

    @property
    def is_dead(self) -> bool:
        return self.part.process is None or self.part.process.poll() is not None

    def revive(self) -> None:
        """Start it again, the later the more often it died lately."""
        self.deaths = 1 if time.monotonic() - self.begun > _LONG_LIFE else self.deaths + 1
        say(f"{self.part.name} {_how_it_ended(self.part.process)}; starting it again")
        time.sleep(min(0.1 * 2**self.deaths, 5))
        self.begun = time.monotonic()
        self.part.start()


def _how_it_ended(process: "subprocess.Popen[bytes] | subprocess.Popen[str] | None") -> str:
    code = process.returncode if process else None
    if code is None:
        return "did not start"
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"stopped with exit code {code}"


class House:
    """Everything that `up` runs."""

    def __init__(self, data: Path, port: int, *, with_demo: bool) -> None:
        self.data = data
        self.port = port
        self.cluster = None if database.given() else Cluster(data)
        self.prepare = Child("the preparation", [*MANAGE, "prepare"])
        self.web = Child("the web server", [*GRANIAN, f"--host={HOST}", f"--port={port}", "config.wsgi:application"])
        self.worker = Child("the worker", [*MANAGE, "worker"])
        self.demo = Child("the demo", [*MANAGE, "demo"]) if with_demo else None
        self.kept: list[Kept] = []
        self.ready = False

    def run(self) -> None:
        """Start everything and keep it running. Ends only by an exception: KeyboardInterrupt, CannotStart."""
        if self.cluster:
            self.cluster.start()
            os.environ["DATABASE_URL"] = self.cluster.url
        if self.prepare.run():
            raise CannotStart("preparing failed; what it said is above")
        self.web.start()
        self.worker.start()
        self.kept = [Kept(part) for part in (self.cluster, self.web, self.worker) if part]
        while True:
            self._revive_the_dead()
            if self.ready:
                self._wait_for_a_death()
            elif self._answers():
                self._open()
            else:
                time.sleep(0.03)

    def stop(self) -> None:
        """Stop everything: first those who use the database, then the database. Deaf to further signals."""
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)
        children = [child for child in (self.prepare, self.web, self.worker, self.demo) if child]
        for child in children:
            child.ask_to_stop()
        for child in children:
            child.stop()
        if self.cluster:
            self.cluster.stop()

    def _revive_the_dead(self) -> None:
        for kept in self.kept:
            if kept.is_dead:
                if kept.deaths >= 5 and not self.ready:
                    raise CannotStart(f"{kept.part.name} keeps stopping; what it said is above")
                try:
                    kept.revive()
                except CannotStart as error:  # it may yet, when somebody has seen to it
                    say(str(error))

    def _wait_for_a_death(self) -> None:
        """Sleep until a child has ended. As process 1 of a container we also inherit, and bury, strangers."""
        ours = [child.process for child in (self.cluster, self.web, self.worker, self.demo) if child]
        try:
            pid = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT).si_pid
        except ChildProcessError:
            time.sleep(1)
            return
        if self.demo and self.demo.process and self.demo.process.pid == pid:
            if self.demo.process.wait():
                say(f"the demo {_how_it_ended(self.demo.process)}; `./watchkeeper demo` tries again")
        elif pid not in [process.pid for process in ours if process]:
            os.waitpid(pid, 0)

    def _answers(self) -> bool:
        """Whether the web server says that it is ready."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _open(self) -> None:
        """Tell where we are and how to get in; then let the demo load."""
        self.ready = True
        print(f"watchkeeper: ready on http://{HOST}:{self.port}")
        with contextlib.suppress(FileNotFoundError):
            login = json.loads((self.data / "staff-login.json").read_text())
            print(f"watchkeeper: staff login: {login['email']}, password {login['password']}", flush=True)
        if self.demo:
            say("a demo team loads in the background (next time: --no-demo to do without)")
            self.demo.start()
