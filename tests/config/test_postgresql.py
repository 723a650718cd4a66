"""
Tests of config.postgresql and config.statements: a dead connection is seen, moments are read in UTC, a prepared
statement is a statement.
"""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import DataError, InterfaceError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from config.statements import fetch


def lose_the_server() -> None:
    """End our connection's backend, as a restart of the database does."""
    with connection.cursor() as cursor, pytest.raises(OperationalError):
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.django_db(transaction=True)
def test_a_connection_whose_server_lives_is_usable_without_asking_it():
    connection.ensure_connection()
    with CaptureQueriesContext(connection) as asked:
        assert connection.is_usable()
    assert len(asked) == 0


@pytest.mark.django_db(transaction=True)
def test_a_connection_whose_server_went_away_is_not_usable_and_the_next_request_has_a_new_one():
    lose_the_server()
    assert not connection.is_usable()
    connection.close_if_unusable_or_obsolete()
    assert fetch("SELECT 1", []) == [(1,)]


@pytest.mark.django_db(transaction=True)
def test_a_server_that_went_away_between_two_requests_is_seen_before_the_second_asks_anything():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [backend] = cursor.fetchone()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
    other.close()
    connection.health_check_enabled, connection.health_check_done = True, False
    assert fetch("SELECT 1", []) == [(1,)]


@pytest.mark.django_db(transaction=True)
def test_a_connection_with_something_to_read_is_asked_and_kept():
    with connection.cursor() as cursor:
        cursor.execute("LISTEN here")
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("NOTIFY here")
    other.close()
    assert connection.is_usable()


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 5, 13, 10, 5, 0, 123456, UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
        datetime(2026, 5, 13, 10, 5, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
)
def test_a_moment_is_read_as_it_was_written_and_in_utc(db: None, moment: datetime):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz, ARRAY[%s::timestamptz, NULL]", [moment, moment])
        alone, among_others = cursor.fetchone()
    assert alone == moment and alone.tzinfo is UTC
    assert among_others == [moment, None] and among_others[0].tzinfo is UTC
    assert fetch("SELECT %s::timestamptz", [moment]) == [(moment,)]


@pytest.mark.parametrize("text", ["infinity", "-infinity", "0044-03-15 12:00:00 BC", "12026-01-01"])
def test_a_moment_that_python_does_not_know_is_an_error_of_the_data(db: None, text: str):
    with pytest.raises(DataError), transaction.atomic():
        fetch("SELECT %s::timestamptz", [text])


def test_a_prepared_statement_is_planned_once_for_a_connection(db: None):
    for number in range(3):
        assert fetch("SELECT %s::int + 40", [number]) == [(number + 40,)]
    prepared = fetch("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%+ 40'", [])
    assert prepared == [(1,)]


def test_the_driver_remembers_no_text_that_the_orm_sent(db: None):
    """In it are all values, which may be as large as a request: a hundred of them would be a gigabyte."""
    fetch("SELECT 1", [])
    for number in range(3):
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s", [str(number) * 1_000_000])
    remembered = [*connection.connection._prepared._counts, *connection.connection._prepared._names]
    assert max(len(text) for text, _ in remembered) < 1000


def test_a_prepared_statement_is_counted_and_its_errors_are_djangos(db: None):
    with CaptureQueriesContext(connection) as asked:
        fetch("SELECT 1", [])
    assert len(asked) == 1
    with pytest.raises(DataError), transaction.atomic():
        fetch("SELECT 1 / %s::int", [0])
    assert fetch("SELECT 1", []) == [(1,)]


def test_a_prepared_statement_is_refused_in_a_broken_transaction(db: None):
    with transaction.atomic():
        connection.needs_rollback = True
        with pytest.raises(transaction.TransactionManagementError):
            fetch("SELECT 1", [])
        connection.needs_rollback = False


@pytest.mark.django_db(transaction=True)
def test_a_statement_on_a_lost_connection_says_so():
    connection.ensure_connection()
    connection.connection.close()
    with pytest.raises((InterfaceError, OperationalError)):
        fetch("SELECT 1", [])
    connection.close()
