"""
Fault points: the named places between two effects, at which a test makes a process die, fail, wait or lose its
database.

In production a point is a call that does nothing. Only where the environment variable WATCHKEEPER_FAULTS names a folder
does a point look there for a file of its own name; the variable is for the tests alone, and read once. The file's first
line is done, by one process, once; further lines are for the next passings, and no file is left after the last. What
was taken is kept in the folder's `taken/`, so that a test can see it. Which points there are, the code says itself:
`names()`.
"""

import itertools
import os
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from django.db import OperationalError, connection

FOLDER = os.environ.get("WATCHKEEPER_FAULTS")

_names: set[str] = set()
_numbers = itertools.count()


class Fault(Exception):
    """What `fail` raises: an error that nobody expects."""


def point(name: str) -> Callable[[], None]:
    """A new fault point, to be called at its place. Raises ValueError for a name that was given before."""
    if name in _names or "/" in name:
        raise ValueError(f"a fault point needs a name of its own, without a slash: {name}")
    _names.add(name)
    return partial(_pass, Path(FOLDER), name) if FOLDER else _nothing


def names() -> list[str]:
    """All points of the modules that were imported."""
    return sorted(_names)


def _nothing() -> None:
    """A point in production."""


def _pass(folder: Path, name: str) -> None:
    """Take up what a point's file says, if there is one and no other process is faster."""
    taken = folder / "taken" / f"{name}.{os.getpid()}.{next(_numbers)}"
    try:
        (folder / name).rename(taken)
    except FileNotFoundError:
        return
    first, _, rest = taken.read_text().partition("\n")
    if rest.strip():
        draft = folder / f".{name}.{os.getpid()}"
        draft.write_text(rest)
        draft.rename(folder / name)
    _do(name, *first.split())


def _do(name: str, what: str, *details: str) -> None:
    """`kill`, `raise`, `fail`, `cut`, `pause SECONDS`, or `pass`."""
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "raise":
        raise OperationalError(f"fault at {name!r}")
    elif what == "fail":
        raise Fault(name)
    elif what == "cut":
        _cut_connection()
    elif what == "pause":
        time.sleep(float(details[0]))
    elif what != "pass":
        raise ValueError(f"{name!r} can't {what!r}")


def _cut_connection() -> None:
    """Break the line to the database, as a network does."""
    if connection.connection is not None:
        with socket.socket(fileno=os.dup(connection.connection.pgconn.socket)) as line:
            line.shutdown(socket.SHUT_RDWR)
