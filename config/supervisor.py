"""
What `./watchkeeper up` runs: web server, worker and embedded PostgreSQL, as children of this process.

It starts them, starts again whichever dies, and stops them together. How PostgreSQL is run is config.embedded's
knowledge; what web server and worker do is theirs.
"""

import contextlib
import errno
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from config import database, environment, keyring, lifeline
from config.console import CannotStart, say
from config.embedded import Cluster, try_lock

ROOT = Path(__file__).resolve().parent.parent
MANAGE = [sys.executable, str(ROOT / "manage.py")]
HOST = "127.0.0.1"
_LONG_LIFE = 30.0  # seconds; a death after that is a new story, not one more of the same
_DEATHS_BEFORE_OPENING = 5
# Between two starts, in seconds. No longer: what is killed again and again is to be back in time each time.
_LONGEST_PAUSE = 1.0
# What ends by itself as soon as it is started says why each time; it is not to fill the log with that.
_LONGEST_PAUSE_BY_ITSELF = 30.0
_PATIENCE = 10.0  # seconds that a child has for stopping by itself
# How many seconds it may take to be ready before we say why it is not, and how often we ask before and after that.
_PATIENCE_FOR_READINESS = 20.0
_SOON, _SELDOM = 0.03, 1.0


def up(data: Path, options: list[str]) -> int:
    """Serve until told to stop. Returns the exit code."""
    if unknown := set(options) - {"--no-demo", keyring.NEW_KEYS}:
        raise CannotStart(f"up doesn't know {' '.join(sorted(unknown))}; it knows --no-demo and {keyring.NEW_KEYS}")
    with only_one(data):
        house = House(
            data, free_port(), with_demo="--no-demo" not in options, with_new_keys=keyring.NEW_KEYS in options
        )
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(ending) is not signal.SIG_IGN:  # nohup asks us to outlive the terminal
                signal.signal(ending, house.ask_to_stop)
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
    """The port to serve on; a killed predecessor has a moment to leave it. Raises CannotStart."""
    port: int = environment.value_of("PORT")
    deadline = time.monotonic() + 2
    while reason := _why_not(port):
        if reason != errno.EADDRINUSE or time.monotonic() > deadline:
            why = "another program has it" if reason == errno.EADDRINUSE else os.strerror(reason)
            raise CannotStart(f"can't listen on port {port}: {why}; choose another: PORT=8001 ./watchkeeper up")
        time.sleep(0.1)
    return port


def _why_not(port: int) -> int:
    """The error number of trying to listen on a port; 0 if it works."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        return error.errno or errno.EADDRINUSE
    return 0


@dataclass
class Child:
    """A process that dies with us. Its words, those to stdout too, go to our stderr."""

    name: str
    command: list[str]
    process: "subprocess.Popen[bytes] | None" = None

    def start(self, stdin: int = subprocess.DEVNULL) -> None:
        """Start it."""
        parent = os.getpid()
        self.process = subprocess.Popen(
            self.command,
            preexec_fn=lambda: lifeline.hold(parent, signal.SIGKILL),  # noqa: PLW1509  we have no threads
            start_new_session=True,
            cwd=ROOT,
            stdin=stdin,
            stdout=sys.stderr,
            env=os.environ | {"WATCHKEEPER_SUPERVISED": "1", "PYTHONUNBUFFERED": "1"},
        )

    def run(self) -> int:
        """Start it and wait for its end. Returns its exit code."""
        self.start()
        assert self.process
        return self.process.wait()

    def release(self) -> None:
        """End its standard input, which is what it waits for."""
        if self.process and self.process.stdin:
            self.process.stdin.close()

    def ask_to_stop(self) -> None:
        """Tell it to stop, if it runs."""
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
    """A part of the house that has to run, and how it fared lately. Moments are those of time.monotonic()."""

    part: Child | Cluster
    begun: float = field(default_factory=time.monotonic)
    deaths: int = 0
    due: float | None = None

    def look_after(self) -> None:
        """Start it again if it died, after a pause that grows with its recent deaths. Raises CannotStart."""
        now = time.monotonic()
        if self.part.process and self.part.process.poll() is None:
            return
        if self.due is None:
            self.deaths = 1 if now - self.begun > _LONG_LIFE else self.deaths + 1
            self.due = now + min(0.1 * 2 ** min(self.deaths, 10), self._longest_pause())
            say(f"{self.part.name} {_how_it_ended(self.part)}; starting it again")
        elif now >= self.due:
            self.begun, self.due = now, None
            self.part.start()

    def _longest_pause(self) -> float:
        by_itself = isinstance(self.part, Child) and self.part.process and self.part.process.returncode >= 0
        return _LONGEST_PAUSE_BY_ITSELF if by_itself else _LONGEST_PAUSE


def _how_it_ended(part: Child | Cluster) -> str:
    code = part.process.returncode if part.process else None
    if code is None:
        return "does not run"
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"stopped with exit code {code}"


class House:
    """Everything that `up` runs."""

    def __init__(self, data: Path, port: int, *, with_demo: bool, with_new_keys: bool = False) -> None:
        self.data = data
        self.port = port
        self.cluster = None if database.is_given() else Cluster(data)
        new_keys = [keyring.NEW_KEYS] if with_new_keys else []
        self.prepare = Child("the preparation", [*MANAGE, "prepare", *new_keys])
        self.web = Child("the web server", [sys.executable, "-m", "config.web", str(port)])
        self.worker = Child("the worker", [*MANAGE, "worker"])
        self.demo = Child("the demo", [*MANAGE, "demo"])
        self.with_demo = with_demo
        self.with_new_keys = with_new_keys
        self.kept: list[Kept] = []
        self.is_open = False
        self.stopping = False
        self.login_is_new = False
        self.complaint = ""

    def ask_to_stop(self, *_: object) -> None:
        """
        Leave `run` when it next rests; if asked again, at once.

        Not at once the first time, as an exception out of nowhere may get lost, or catch us in the middle of a fork.
        """
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True

    def run(self) -> None:
        """Start everything and keep it running. Raises KeyboardInterrupt, CannotStart."""
        if self.cluster:
            self.cluster.start()
            os.environ["DATABASE_URL"] = self.cluster.url
            database.check_embedded(self.cluster.url)
        keyring.unlock(os.environ["DATABASE_URL"], self.data, os.environ, command="up", anew=self.with_new_keys)
        self.web.start(stdin=subprocess.PIPE)  # loads the application, and waits
        self._prepare()
        self.web.release()
        self.kept = [Kept(part) for part in (self.cluster, self.web) if part]
        self._wait_until_ready()
        self._open()
        while True:
            self._rest(0.1)
            self._look_after_all()

    def _rest(self, seconds: float) -> None:
        if self.stopping:
            raise KeyboardInterrupt
        time.sleep(seconds)

    def _prepare(self) -> None:
        self.login_is_new = not self._login.exists()
        self.prepare.start()
        while self.prepare.process and self.prepare.process.poll() is None:
            self._rest(0.03)
        if self.prepare.process and self.prepare.process.returncode:
            raise CannotStart("preparing failed; what it said is above")

    @property
    def _login(self) -> Path:
        return self.data / "staff-login.json"

    def _wait_until_ready(self) -> None:
        """Return as soon as the web server says that it is ready, and say what it complains of until then."""
        begun = time.monotonic()
        while complaint := self._complaint():
            is_late = time.monotonic() - begun > _PATIENCE_FOR_READINESS
            if is_late and complaint != self.complaint:
                self.complaint = complaint
                say(f"not ready yet: {complaint}")
            until = time.monotonic() + (_SELDOM if is_late else _SOON)
            while time.monotonic() < until:
                self._rest(_SOON)
                self._look_after_all()

    def stop(self) -> None:
        """Stop everything: first those who use the database, then the database. Deaf to further signals."""
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)
        children = (self.prepare, self.web, self.worker, self.demo)
        for child in children:
            child.ask_to_stop()
        for child in children:
            child.stop()
        if self.cluster:
            self.cluster.stop()

    def _look_after_all(self) -> None:
        for kept in self.kept:
            try:
                kept.look_after()
            except CannotStart as error:
                say(str(error))  # it is tried again: somebody may see to it meanwhile
            except Exception as error:  # whatever one part's trouble is, the others go on
                say(f"{kept.part.name} could not be started ({type(error).__name__}): {error}")
            if kept.deaths == _DEATHS_BEFORE_OPENING and not self.is_open:
                raise CannotStart(f"{kept.part.name} keeps stopping; what it said is above")
        if self.demo.process and self.demo.process.returncode is None and self.demo.process.poll():
            say(f"the demo {_how_it_ended(self.demo)}; ./watchkeeper demo tries again")
        self._bury_strangers()

    def _bury_strangers(self) -> None:
        """As process 1 of a container we inherit orphans."""
        with contextlib.suppress(ChildProcessError):
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            parts = (self.cluster, self.web, self.worker, self.demo)
            if ended and ended.si_pid not in [part.process.pid for part in parts if part and part.process]:
                os.waitpid(ended.si_pid, 0)

    def _complaint(self) -> str:
        """Why the web server is not ready, in its own words; empty when it is."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return "" if answer.status == http.client.OK else str(json.load(answer)["error"]["message"])
        except (OSError, http.client.HTTPException):
            return "the web server does not answer"
        except (ValueError, KeyError, TypeError):
            return f"what answers on port {self.port} is not Watchkeeper's web server"
        finally:
            connection.close()

    def _open(self) -> None:
        """Tell where we are and how to get in; then start what has no hurry."""
        self.is_open = True
        greeting = [f"watchkeeper: ready on http://{HOST}:{self.port}"]
        with contextlib.suppress(FileNotFoundError):
            login = json.loads(self._login.read_text())
            once = f"password {login['password']}"
            how = once if self.login_is_new else "./watchkeeper staff_login tells its first password"
            greeting.append(f"watchkeeper: staff login: {login['email']}, {how}")
        with contextlib.suppress(BrokenPipeError):  # whoever read us may have gone; we serve all the same
            print(*greeting, sep="\n", flush=True)
        self.worker.start()
        self.kept.append(Kept(self.worker))
        if self.with_demo:
            say("a demo team loads in the background, if it is not there yet (--no-demo does without)")
            self.demo.start()
