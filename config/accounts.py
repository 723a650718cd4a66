"""
Under which user the embedded PostgreSQL runs, and where that user can keep files.

PostgreSQL refuses to run as root. Started by root it therefore runs in a user namespace in which root has another
name or, where those are refused, under an unprivileged user. Neither has root's right to reach every folder, so
PostgreSQL's home may have to lie outside of the data folder. What lies in it is config.embedded's business.
"""

import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config import lifeline
from config.console import CannotStart, say

LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.5432")
_CLONE_NEWUSER = 0x10000000  # <linux/sched.h>


@dataclass(frozen=True)
class Account:
    """
    Whom PostgreSQL's processes run as.

    `uid` owns its files as seen from here. `alias` is the uid by which it knows itself in a user namespace,
    `switch` what Popen is to change; both are empty for an ordinary user.
    """

    uid: int
    alias: int | None = None
    switch: Mapping[str, Any] = field(default_factory=dict)

    def spawn(self, *command: str | Path, **options: Any) -> "subprocess.Popen[str]":
        """Start a process that dies with us, deaf to the terminal's Ctrl-C and to our PG… variables."""
        parent = os.getpid()

        def before_exec() -> None:
            if self.alias is not None:
                enter_namespace(self.alias)
            lifeline.hold(parent, signal.SIGQUIT)

        return subprocess.Popen(  # noqa: S603  the commands are ours
            command,
            preexec_fn=before_exec,  # noqa: PLW1509  we have no threads when we do this
            start_new_session=True,
            cwd="/",
            stdin=subprocess.DEVNULL,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
            **self.switch,
            **options,
        )

    def succeeds(self, *command: str | Path) -> bool:
        """Whether a command ends well under this account."""
        try:
            return self.spawn(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait() == 0
        except (OSError, subprocess.SubprocessError):
            return False

    def can_use(self, folder: Path) -> bool:
        """Make a folder, if need be, and all in it this account's own; say whether the account can reach it."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take(folder)
        except OSError:
            return False
        return self.succeeds("test", "-w", folder)

    def _take(self, folder: Path) -> None:
        owner = folder.lstat().st_uid
        if owner not in _our_uids():
            raise CannotStart(
                f"{folder} belongs to user {owner}; run Watchkeeper as that user, "
                "or set WATCHKEEPER_DATA to another folder"
            )
        if owner != self.uid:
            for path in (*folder.rglob("*"), folder):
                os.chown(path, self.uid, -1, follow_symlinks=False)


def enter_namespace(alias: int) -> None:
    """Go by the uid and gid `alias`, in a user namespace of our own; outside we stay the same. Raises OSError."""
    uid, gid = os.geteuid(), os.getegid()
    if lifeline.libc.unshare(_CLONE_NEWUSER):
        raise OSError("unshare(CLONE_NEWUSER)")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{alias} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{alias} {gid} 1")


def find_account() -> Account:
    """Ourselves, if PostgreSQL would have us: not root, and among the system's users. Raises CannotStart."""
    uid = os.geteuid()
    if uid and _is_known(uid):
        return Account(uid)
    nobody = _nobody()
    switch = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    for account in (Account(uid, alias=nobody.pw_uid), Account(nobody.pw_uid, switch=switch)):
        if account.succeeds("true"):
            return account
    raise CannotStart(
        f"PostgreSQL can't run as user {uid}, and this system allows neither a user namespace nor a change of "
        "user; run Watchkeeper as an ordinary user, or set DATABASE_URL to a PostgreSQL server of yours"
    )


def _is_known(uid: int) -> bool:
    try:
        return bool(pwd.getpwuid(uid))
    except KeyError:
        return False


def _nobody() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        return pwd.getpwall()[-1]


def _our_uids() -> set[int]:
    """Whose files are ours to use: our own; for root also those of the user it makes PostgreSQL run as."""
    return {0, _nobody().pw_uid} if os.geteuid() == 0 else {os.geteuid()}


# Where


def find_home(data: Path, account: Account) -> Path:
    """
    The folder for PostgreSQL's files: where they are, if the account can still reach them, else the first it can.

    Raises CannotStart if there is none.
    """
    own, elsewhere = data / "postgres", f"watchkeeper-{_fingerprint(data)}"
    homes = [own]
    if account != Account(os.geteuid()):
        homes += [Path("/var/lib", elsewhere), Path(tempfile.gettempdir(), elsewhere)]
    settled = next((home for home in homes if (home / "data").exists()), own)
    home = next((home for home in (settled, *homes) if account.can_use(home)), None)
    if home is None:
        raise CannotStart(f"can't write to {data}; make it writable, or set WATCHKEEPER_DATA to another folder")
    if home != own:
        say(f"PostgreSQL's files are in {home}, as it can't reach {data} without root's rights")
        with contextlib.suppress(OSError):
            own.rmdir()
    if home != settled and (settled / "data").exists():
        shutil.move(settled / "data", home / "data")
        account.can_use(home)
    return home


def find_socket_folder(home: Path, account: Account) -> Path:
    """A private folder whose path leaves room for the socket's name and has nothing in it that separates paths."""
    name = f"watchkeeper-{account.uid}-{_fingerprint(home)}"
    for folder in (home / "socket", Path(tempfile.gettempdir(), name), Path("/tmp", name)):  # noqa: S108
        fits = len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER and not set('",') & set(str(folder))
        if fits and account.can_use(folder):
            folder.chmod(0o700)
            return folder
    raise CannotStart("PostgreSQL's socket needs a folder with a short path; set TMPDIR to one that is writable")


def _fingerprint(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
