"""Migrating beside a running system."""

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from dashboard.management.commands import migrate

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reader(monkeypatch):
    """Somebody who reads heartbeats and does not come to an end."""
    monkeypatch.setattr(migrate, "WAITING_AT_MOST", "20ms")
    # The index that 0005 makes is dropped beside a running system, and waits as long as that takes.
    call_command("migrate", "monitors", "0004", verbosity=0)
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("LOCK TABLE monitors_heartbeat IN ACCESS SHARE MODE")
        yield other
        other.rollback()
        call_command("migrate", verbosity=0)


def columns():
    with connection.cursor() as cursor:
        return {each.name for each in connection.introspection.get_table_description(cursor, "monitors_heartbeat")}


def test_a_change_of_a_table_that_is_in_use_is_tried_again(reader, monkeypatch):
    waited = []

    def pause(seconds):
        waited.append(seconds)
        if len(waited) == 2:
            reader.rollback()

    monkeypatch.setattr(migrate.time, "sleep", pause)
    call_command("migrate", "monitors", "0001", verbosity=0)
    assert len(waited) == 2
    assert "grace" not in columns()


def test_what_can_not_be_changed_for_long_is_said_and_stays(reader, monkeypatch):
    monkeypatch.setattr(migrate.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(migrate, "TRIES", 3)
    with pytest.raises(CommandError, match="A table is in use"):
        call_command("migrate", "monitors", "0001", verbosity=0)
    assert "grace" in columns()


def test_what_is_made_beside_a_running_system_may_wait(monkeypatch):
    call_command("migrate", "incidents", "0005", verbosity=0)
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "WAITING_AT_MOST", "nonsense, which no statement bears")
        call_command("migrate", "incidents", "0004", verbosity=0)
        call_command("migrate", "incidents", "0005", verbosity=0)
    call_command("migrate", verbosity=0)
