"""
The database at hand: the one that DATABASE_URL names, or else the embedded one.

Whichever it is, DATABASE_URL names it afterwards, for Django and for every child process. How a URL becomes
Django's settings is config.settings' knowledge.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from config.console import CannotStart
from config.embedded import Cluster, InUse, for_the_duration

OLDEST_POSTGRESQL = 15
# What a database has to be asked before it may be relied on; `unfit` reads the answers, in this order.
TELLING = ("server_encoding", "fsync", "full_page_writes", "synchronous_commit")
_WITHOUT = {
    "fsync": "loses acknowledged events",
    "full_page_writes": "can tear pages in a crash",
    "synchronous_commit": "loses acknowledged events",
}
_SHAPE = "postgresql://user:password@host:5432/database"


def is_given() -> bool:
    """Whether DATABASE_URL names a database. Raises CannotStart if it names one that can't be used."""
    url = os.environ.get("DATABASE_URL")
    if url:
        check(url)
    return bool(url)


@contextlib.contextmanager
def at_hand(data: Path) -> Iterator[bool]:
    """
    The database for a command: if it is the embedded one, it runs as long as the with block does.

    Yields whether it is new, without tables. Only the embedded one can be: of a given one we ask nothing.
    """
    if is_given():
        yield False
        return
    with for_the_duration(data) as os.environ["DATABASE_URL"]:
        check_embedded(os.environ["DATABASE_URL"])
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            row = connection.execute("SELECT to_regclass('django_migrations') IS NULL").fetchone()
        yield row == (True,)


@contextlib.contextmanager
def for_tests(data: Path) -> Iterator[None]:
    """The database for the tests: if embedded, the first test cluster of the data folder that nobody uses."""
    if is_given():
        yield
        return
    cluster = _start_free_cluster(data / "test")
    os.environ |= {"DATABASE_URL": cluster.url, "WATCHKEEPER_DATA": str(cluster.data)}
    try:
        yield
    finally:
        cluster.stop()


def _start_free_cluster(folder: Path) -> Cluster:
    for number in itertools.count(1):
        (folder / str(number)).mkdir(parents=True, exist_ok=True)
        cluster = Cluster(folder / str(number))
        with contextlib.suppress(InUse):
            cluster.start(patience=0)
            return cluster
    raise AssertionError("numbers do not end")


def check(url: str) -> None:
    """Raises CannotStart unless a URL leads to a database that Watchkeeper can use."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise CannotStart(f"DATABASE_URL is not a PostgreSQL URL; it has to look like {_SHAPE}")
    try:
        patience = conninfo_to_dict(url).get("connect_timeout", 5)
        with psycopg.connect(make_conninfo(url, connect_timeout=patience)) as connection:
            version, encoding = connection.info.server_version // 10_000, connection.info.encoding
            found = unfit(settings_of(connection))
    except psycopg.ProgrammingError:  # its words may quote the password
        raise CannotStart(
            f"DATABASE_URL can't be read; it has to look like {_SHAPE}, with special characters as %XX"
        ) from None
    except psycopg.Error as error:
        raise CannotStart(
            f"DATABASE_URL does not work: {_reason(error)}. Correct it ({_SHAPE}; the database must exist), "
            "or unset it to use the embedded PostgreSQL"
        ) from None
    if version < OLDEST_POSTGRESQL or encoding != "utf-8":
        raise CannotStart(
            f"DATABASE_URL leads to a PostgreSQL {version} database with encoding {encoding}; "
            f"it has to be PostgreSQL {OLDEST_POSTGRESQL} or newer, and UTF8"
        )
    _refuse(found, "DATABASE_URL can't be relied on")


def check_embedded(url: str) -> None:
    """Raises CannotStart if somebody made the embedded database one that loses what it acknowledged."""
    with psycopg.connect(url) as connection:
        found = unfit(settings_of(connection))
    _refuse(found, "the embedded PostgreSQL can't be relied on")


def settings_of(connection: "psycopg.Connection[tuple[object, ...]]") -> tuple[object, ...]:
    """What a session's settings of TELLING are."""
    answers = connection.execute(asking()).fetchone()
    assert answers
    return answers


def asking(*further: str) -> str:
    """The query for a session's settings of TELLING, and further ones after them."""
    return "SELECT " + ", ".join(f"current_setting('{name}')" for name in (*TELLING, *further))


def unfit(answers: Sequence[object]) -> list[str]:
    """Why a database with these settings will not do, in sentences; each names its setting."""
    # From a database of the encoding SQL_ASCII text comes as bytes.
    encoding, *durability = (answer.decode() if isinstance(answer, bytes) else answer for answer in answers)
    found = [] if encoding == "UTF8" else [f"the database's encoding is {encoding}, not UTF8"]
    for name, value in zip(_WITHOUT, durability, strict=True):
        if value == "off":  # every other value of synchronous_commit waits for a disk
            found.append(f"PostgreSQL runs with {name}=off, which {_WITHOUT[name]}")
    return found


def _refuse(found: list[str], what: str) -> None:
    if found:
        raise CannotStart(
            f"{what}: {'; '.join(found)}. Set it right where it was set (postgresql.conf, ALTER SYSTEM, or for this "
            "role or database), then start again"
        )


def _reason(error: psycopg.Error) -> str:
    """What libpq says went wrong, on one line: its last word if it tried several addresses, without hints."""
    lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith("\t")]
    return lines[-1].removeprefix("- ").removeprefix("connection failed: ").strip()
