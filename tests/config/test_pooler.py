"""
Tests of config.postgresql's pooler and standing, and of what `check` says of them: what stands between us and
PostgreSQL is seen, and what our sessions need holds for each of them, however it is reached.
"""

import os
from contextlib import closing

import psycopg
import pytest
from django.core.management import call_command
from django.db import InterfaceError, connection, transaction
from psycopg.conninfo import make_conninfo

from config import checks
from config.postgresql import pooler
from config.postgresql.pooler import Way, find_way
from config.postgresql.standing import settle
from config.statements import fetch
from dashboard.management.commands import prepare
from tests.pooled import pooled
from tests.running import eventually


@pytest.fixture
def url(transactional_db: None) -> str:
    """Where the tests' database is."""
    return make_conninfo(os.environ["DATABASE_URL"], dbname=connection.settings_dict["NAME"])


def connected(url: str) -> "psycopg.Connection":
    return psycopg.connect(url, autocommit=True)


def test_nothing_stands_before_the_tests_database(url):
    with closing(connected(url)) as straight:
        assert find_way(straight) is Way.STRAIGHT
    assert checks.poolers(["default"]) == []


def test_a_connection_that_leads_straight_to_the_server_prepares_statements(transactional_db):
    connection.close()
    fetch("SELECT 1", [])
    assert connection.prepares


def test_a_connection_through_a_pooler_that_does_not_know_them_prepares_none_and_says_so_once(
    transactional_db, monkeypatch, caplog
):
    monkeypatch.setattr("config.postgresql.base.find_way", lambda connection: Way.POOLED_UNPREPARED)
    said = []
    monkeypatch.setattr("config.postgresql.base.log.warning", said.append)
    for _ in range(2):
        connection.close()
        assert fetch("SELECT 1", []) == [(1,)]
        assert not connection.prepares
    assert fetch("SELECT count(*) FROM pg_prepared_statements", []) == [(0,)]
    assert said == [pooler.WITHOUT_PREPARED]
    connection.close()


def test_check_tells_of_such_a_pooler_and_is_content_all_the_same(url, monkeypatch, capsys):
    monkeypatch.setattr(checks, "find_way", lambda connection: Way.POOLED_UNPREPARED)
    call_command("check", fail_level="WARNING")
    assert pooler.WITHOUT_PREPARED in capsys.readouterr().err


def test_a_cursor_of_the_servers_is_for_transactions_only(transactional_db):
    with pytest.raises(transaction.TransactionManagementError):
        connection.chunked_cursor()
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]


def test_a_query_that_is_read_bit_by_bit_leaves_no_cursor_behind(transactional_db, django_user_model):
    django_user_model.objects.create_user("ada@example.com")
    reading = django_user_model.objects.iterator(chunk_size=1)
    next(reading)
    assert fetch("SELECT count(*) FROM pg_cursors WHERE is_holdable", []) == [(0,)]


@pytest.fixture
def unsettled(url):
    """A setting that nobody made here, and that nobody has made afterwards."""
    name = "vacuum_cost_page_hit"
    yield name
    with closing(connected(url)) as straight:
        straight.execute(f'ALTER ROLE CURRENT_USER IN DATABASE "{straight.info.dbname}" RESET {name}')


def test_what_our_sessions_need_is_set_for_each_of_them_without_asking_at_its_start(url, unsettled):
    with closing(connected(url)) as before:
        assert before.execute(f"SHOW {unsettled}").fetchone() == ("1",)
    assert settle({unsettled: "7"}) == [unsettled]
    with closing(connected(url)) as after:
        assert after.execute(f"SHOW {unsettled}").fetchone() == ("7",)


def test_what_somebody_chose_stays(url, unsettled):
    settle({unsettled: "7"})
    connection.close()
    assert settle({unsettled: "8"}) == []
    with closing(connected(url)) as after:
        assert after.execute(f"SHOW {unsettled}").fetchone() == ("7",)
    assert settle({"listen_addresses": "*"}) == []


def test_a_server_that_refuses_such_a_setting_is_used_without_it(url, monkeypatch):
    said = []
    monkeypatch.setattr("config.postgresql.standing.log.warning", lambda what, **_: said.append(what))
    assert settle({"track_commit_timestamp": "on"}) == []
    assert said == ["the planner's settings could not be set for our role"]
    assert fetch("SELECT 1", []) == [(1,)]


def test_they_are_seen_to_whenever_it_starts_and_whenever_it_migrates(transactional_db, monkeypatch):
    asked = []
    monkeypatch.setattr("config.postgresql.standing.settle", lambda: asked.append("settle"))
    call_command("migrate", verbosity=0)
    assert asked == ["settle"]
    monkeypatch.setattr(prepare, "unmigrated", lambda: False)
    monkeypatch.setattr(prepare.settings, "DEBUG", True)
    monkeypatch.setattr(prepare, "call_command", lambda *_, **__: None)
    call_command("prepare")
    assert asked == ["settle", "settle"]


# --- a real PgBouncer, of the age that Debian has ---------------------------------------------------------------------


def test_debians_pgbouncer_is_seen_and_known_to_know_no_prepared_statements(url, tmp_path):
    with pooled(os.environ["DATABASE_URL"], tmp_path) as through:
        for _ in range(5):  # whichever session is met
            with closing(connected(through)) as one:
                assert find_way(one) is Way.POOLED_UNPREPARED


def test_a_pooler_that_goes_away_is_an_error_of_the_connection(url, tmp_path):
    with pooled(os.environ["DATABASE_URL"], tmp_path) as through:
        one = connected(through)
    with pytest.raises((psycopg.OperationalError, psycopg.InterfaceError, InterfaceError)):
        eventually(lambda: find_way(one) is None, 1)
