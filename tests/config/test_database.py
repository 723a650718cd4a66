import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from config import database
from config.console import CannotStart
from config.embedded import Cluster, try_lock


def complaint(url: str) -> str:
    with pytest.raises(CannotStart) as caught:
        database.check(url)
    text = str(caught.value)
    assert "\n" not in text
    return text


def elsewhere(name: str) -> str:
    """The URL of another database on the tests' server."""
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


def test_a_database_that_works_is_taken() -> None:
    database.check(os.environ["DATABASE_URL"])
    assert database.is_given()


@pytest.mark.parametrize("url", ["mysql://u:p@h/d", "sqlite:///x.db", "host=localhost", "h:5432/d"])
def test_what_is_not_a_postgresql_url_is_told_apart(url: str) -> None:
    assert "is not a PostgreSQL URL; it has to look like postgresql://" in complaint(url)


@pytest.mark.parametrize("url", ["postgresql://u:secret@[bad/d", "postgresql://u:secret@h/d?nonsense=1"])
def test_a_url_that_cannot_be_read_is_not_repeated_as_it_may_hold_a_password(url: str) -> None:
    text = complaint(url)
    assert "can't be read" in text
    assert "secret" not in text


def test_a_server_that_does_not_answer_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    text = complaint(f"postgresql://u:secret@127.0.0.1:{port}/d")
    assert f"port {port} failed: Connection refused. Correct it" in text
    assert "unset it to use the embedded PostgreSQL" in text
    assert "secret" not in text


def test_a_missing_database_is_named() -> None:
    assert 'database "nowhere" does not exist' in complaint(elsewhere("nowhere"))


def test_a_wrong_user_is_named() -> None:
    url = os.environ["DATABASE_URL"]
    stranger = url.replace("://postgres@", "://stranger@")
    if stranger == url:
        pytest.skip("needs the embedded PostgreSQL")
    assert 'role "stranger" does not exist' in complaint(stranger)


def test_a_database_of_another_encoding_is_refused() -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS latin")
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'")
        try:
            assert "with encoding iso8859-1; it has to be PostgreSQL 15 or newer, and UTF8" in complaint(
                elsewhere("latin")
            )
        finally:
            connection.execute("DROP DATABASE latin")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster whose settings may be changed."""
    cluster = Cluster(tmp_path_factory.mktemp("own"))
    cluster.start()
    yield cluster
    cluster.stop()


def tell(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[arg-type]


def value_at(url: str, setting: str) -> object:
    with psycopg.connect(url) as connection:
        [[value]] = connection.execute("SELECT current_setting(%s)", [setting]).fetchall()
    return value


UNSAFE = {
    "fsync": "loses acknowledged events",
    "full_page_writes": "can tear pages in a crash",
    "synchronous_commit": "loses acknowledged events",
}


@pytest.mark.parametrize("setting", UNSAFE)
def test_a_server_that_does_not_keep_what_it_acknowledged_is_refused_by_name(own: Cluster, setting: str) -> None:
    tell(own.url, f"ALTER SYSTEM SET {setting} = off", "SELECT pg_reload_conf()")
    while value_at(own.url, setting) != "off":
        time.sleep(0.01)
    try:
        line = complaint(own.url)
    finally:
        tell(own.url, f"ALTER SYSTEM RESET {setting}", "SELECT pg_reload_conf()")
    assert line.startswith(
        f"DATABASE_URL can't be relied on: PostgreSQL runs with {setting}=off, which {UNSAFE[setting]}. Set it right"
    )
    while value_at(own.url, setting) == "off":
        time.sleep(0.01)
    database.check(own.url)


def test_a_setting_of_the_database_alone_is_seen_too(own: Cluster) -> None:
    tell(own.url, "ALTER DATABASE watchkeeper SET synchronous_commit = off")
    try:
        assert "synchronous_commit=off" in complaint(own.url)
        with pytest.raises(CannotStart, match=r"the embedded PostgreSQL can't be relied on: .*synchronous_commit=off"):
            database.check_embedded(own.url)
    finally:
        tell(own.url, "ALTER DATABASE watchkeeper RESET synchronous_commit")
    database.check_embedded(own.url)


@pytest.mark.parametrize("value", ["local", "remote_write", "remote_apply", "on"])
def test_every_way_to_wait_for_a_disk_will_do(own: Cluster, value: str) -> None:
    tell(own.url, f"ALTER DATABASE watchkeeper SET synchronous_commit = {value}")
    try:
        database.check(own.url)
    finally:
        tell(own.url, "ALTER DATABASE watchkeeper RESET synchronous_commit")


def test_an_embedded_database_of_another_encoding_is_refused(own: Cluster) -> None:
    maintenance, other = (own.url.replace("/watchkeeper?", f"/{name}?") for name in ("postgres", "ascii"))
    ascii_only = "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"
    tell(maintenance, ascii_only)
    with pytest.raises(CannotStart, match="the database's encoding is SQL_ASCII, not UTF8"):
        database.check_embedded(other)


def test_each_setting_that_will_not_do_is_said_in_a_sentence() -> None:
    assert database.unfit(["UTF8", "on", "on", "remote_apply"]) == []
    assert database.unfit([b"SQL_ASCII", b"on", b"on", b"off"]) == [
        "the database's encoding is SQL_ASCII, not UTF8",
        "PostgreSQL runs with synchronous_commit=off, which loses acknowledged events",
    ]
    assert database.unfit(["LATIN1", "off", "off", "off"]) == [
        "the database's encoding is LATIN1, not UTF8",
        "PostgreSQL runs with fsync=off, which loses acknowledged events",
        "PostgreSQL runs with full_page_writes=off, which can tear pages in a crash",
        "PostgreSQL runs with synchronous_commit=off, which loses acknowledged events",
    ]


def test_a_command_learns_whether_the_embedded_database_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.at_hand(tmp_path) as is_new:
        assert not is_new
    monkeypatch.setenv("DATABASE_URL", "")
    with database.at_hand(tmp_path) as is_new:
        assert is_new
    assert (tmp_path / "postgres").is_dir()


def test_tests_that_run_side_by_side_have_a_cluster_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("WATCHKEEPER_DATA", str(tmp_path))
    (tmp_path / "test" / "1").mkdir(parents=True)
    with (tmp_path / "test" / "1" / "postgres.lock").open("w") as others:
        assert try_lock(others)
        with database.for_tests(tmp_path):
            assert os.environ["WATCHKEEPER_DATA"] == str(tmp_path / "test" / "2")
            database.check(os.environ["DATABASE_URL"])
