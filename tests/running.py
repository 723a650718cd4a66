"""
A whole Watchkeeper as it runs in earnest: the real child processes of `./watchkeeper up --no-demo`, on a data folder
and a port of its own.

For what a test in one process cannot show (tests/trust) and for measuring (bench). What is sent to it, and who is
killed, is the affair of those. Standard library and psycopg only.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parent.parent
LAUNCHER = [sys.executable, str(ROOT / "watchkeeper")]
# What the launcher comes to, for another checkout that is to be run with the packages of this one.
LAUNCHED = [
    sys.executable,
    "-c",
    "import sys; from config import commandline; sys.exit(commandline.main(sys.argv[1:]))",
]
HOST = "127.0.0.1"
# Starts the launcher as a process that the kernel kills as soon as we are gone, however we went.
HOLD = """
import os, sys
from config import lifeline
lifeline.hold(int(sys.argv[1]), 9)
os.execv(sys.argv[2], sys.argv[2:])
"""
_PATIENCE_FOR_START = 120.0  # seconds; others may use the machine, too
_PATIENCE_FOR_STOP = 30.0
_OURS = ("WATCHKEEPER_", "PG", "PORT", "DATABASE_URL", "TEST_DB_NAME", "DJANGO_")


class NotRunning(Exception):
    """It did not start, or did not stop; the text says what it said."""


@dataclass(frozen=True)
class Pids:
    """The process ids of its parts; None for one that is not there just now."""

    supervisor: int
    postmaster: int | None
    web: int | None
    web_workers: list[int]
    worker_main: int | None
    worker: int | None


class Running:
    """
    A Watchkeeper on a data folder; `environ` adds to its environment, `root` is another checkout than this one, `demo`
    has it load its demo. To be started from the main thread: the kernel ends it with the thread that started it.
    """

    def __init__(
        self,
        data: Path,
        environ: Mapping[str, str] | None = None,
        port: int | None = None,
        *,
        root: Path = ROOT,
        demo: bool = False,
    ) -> None:
        self.data = Path(data).absolute()
        self.port = port or free_port()
        self.base = f"http://{HOST}:{self.port}"
        self.log = self.data / "up.log"
        self.environ = dict(environ or {})
        self.process: subprocess.Popen[bytes] | None = None
        self.root = root
        self.up = [*(LAUNCHER if root == ROOT else LAUNCHED), "up", *([] if demo else ["--no-demo"])]
        self.prefix: list[str] = []  # words before its command, for who starts it in surroundings of its own
        self._url = ""

    def __enter__(self) -> "Running":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> "Running":
        """Start it and wait until it is ready. Raises NotRunning with the end of its log."""
        self.launch()
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def launch(self) -> None:
        """Start it, waiting for nothing."""
        self.data.mkdir(parents=True, exist_ok=True)
        _borrow_static(self.data)
        (self.data / "up.out").unlink(missing_ok=True)
        command = [*self.prefix, sys.executable, "-c", HOLD, str(os.getpid()), *self.up]
        with self.log.open("ab") as log, (self.data / "up.out").open("wb") as out:
            self.process = subprocess.Popen(
                command, cwd=self.root, env=self.environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=log
            )

    def stop(self) -> None:
        """Stop it: politely, then by force. Returns when nothing of it is left."""
        if self.process is None:
            return
        family = descendants(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(_PATIENCE_FOR_STOP)
        except subprocess.TimeoutExpired:
            family |= descendants(self.process.pid)
        self._end(family)

    def kill(self) -> None:
        """Kill the supervisor, with whom all goes. Returns when nothing of it is left."""
        if self.process is not None:
            self._end(descendants(self.process.pid))

    def _end(self, family: set[int]) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()
        self.process = None
        # By their own lifelines; only if that failed by us.
        if not eventually(lambda: not any(map(is_alive, family)), 10):
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def said(self) -> str:
        """Its log up to now."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def database_url(self) -> str:
        """Where its database is, or was when it last ran: the file that says so is empty while it starts."""
        self._url = self.environ.get("DATABASE_URL") or (self.data / "postgres.lock").read_text() or self._url
        return self._url

    def connect(self, **options: Any) -> "psycopg.Connection[Any]":
        """A connection to its database, every statement a transaction of its own."""
        return psycopg.connect(self.database_url, **({"autocommit": True} | options))

    def manage(self, *arguments: str) -> str:
        """What `./watchkeeper <arguments>` prints. Raises subprocess.CalledProcessError with its stderr."""
        environment = self.environment() | {"DATABASE_URL": self.database_url}
        command = [*LAUNCHER, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            error = subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
            error.add_note(done.stdout[-2000:] + done.stderr[-2000:])
            raise error
        return done.stdout

    def create_team(self, name: str) -> dict[str, Any]:
        """What `create_team --json` says of a new team."""
        made: dict[str, Any] = json.loads(
            self.manage("create_team", "--organization", f"{name} Inc.", "--team", name, "--json")
        )
        return made

    @property
    def pids(self) -> Pids:
        """Its processes as they are now."""
        assert self.process
        parents = family_tree()
        children = {pid: command_line(pid) for pid, parent in parents.items() if parent == self.process.pid}

        def part(words: str) -> int | None:
            return next((pid for pid, command in children.items() if words in command), None)

        web = part("config.web")
        workers = sorted(pid for pid, parent in parents.items() if parent == web and "config.web" in command_line(pid))
        worker_main = part("manage.py worker")
        worker = next((pid for pid, parent in parents.items() if parent == worker_main), None)
        return Pids(self.process.pid, part("bin/postgres"), web, workers, worker_main, worker)

    def is_ready(self) -> bool:
        """Whether /readyz says so."""
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.base}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def _wait_until_ready(self) -> None:
        assert self.process
        out, process = self.data / "up.out", self.process
        eventually(lambda: b"ready on" in out.read_bytes() or process.poll() is not None, _PATIENCE_FOR_START)
        if b"ready on" not in out.read_bytes():
            raise NotRunning(f"./watchkeeper up did not come up; it said:\n{self.said()[-4000:]}")
        eventually(lambda: self.pids.worker is not None, 10)
        _lend_static(self.data)

    def environment(self) -> dict[str, str]:
        """What its processes are started with."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return inherited | {"WATCHKEEPER_DATA": str(self.data), "PORT": str(self.port)} | self.environ


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses."""
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


def eventually(question: Callable[[], object], patience: float) -> bool:
    """Whether the answer is yes within so many seconds."""
    deadline = time.monotonic() + patience
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


# --- processes ------------------------------------------------------------------------------------------------


def family_tree() -> dict[int, int]:
    """Every process that is not a zombie, and its parent."""
    return dict(_parents())


def _parents() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                yield int(folder.name), int(parent)


def descendants(pid: int) -> set[int]:
    """The children of a process, theirs, and so on."""
    parents = family_tree()
    found: set[int] = set()
    new = {pid}
    while new := {child for child, parent in parents.items() if parent in new} - found:
        found |= new
    return found


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def command_line(pid: int) -> str:
    """The words it was started with."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


# --- static files ---------------------------------------------------------------------------------------------
# Collecting and packing them takes longer than all the rest of a first start, and gives the same files every time.


def _pantry() -> Path:
    return Path(os.environ.get("WATCHKEEPER_DATA") or ROOT / "var") / "static-collected"


def _borrow_static(data: Path) -> None:
    """Give a new data folder the static files that an earlier one collected; if they are old, `up` renews them."""
    pantry = _pantry()
    if (data / "static").exists() or not (pantry / "static.sha256").exists():
        return
    with contextlib.suppress(OSError, shutil.Error):
        shutil.copytree(pantry / "static", data / "static")
        shutil.copy(pantry / "static.sha256", data)


def _lend_static(data: Path) -> None:
    """Keep what a data folder collected for the next."""
    pantry, stamp = _pantry(), data / "static.sha256"
    draft = pantry.with_name(f"{pantry.name}.{os.getpid()}")
    with contextlib.suppress(OSError, shutil.Error):
        if (pantry / stamp.name).exists() and (pantry / stamp.name).read_bytes() == stamp.read_bytes():
            return
        shutil.copytree(data / "static", draft / "static")
        shutil.copy(stamp, draft)
        shutil.rmtree(pantry, ignore_errors=True)
        draft.rename(pantry)
