"""`check`: the operators are named once."""

import io

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from teams.checks import TOLD, name_operators
from teams.models import User
from tests.conftest import make_user


@pytest.fixture
def check(settings, tmp_path):
    settings.DATA_DIR = tmp_path

    def says():
        said = io.StringIO()
        call_command("check", stdout=said, stderr=said)
        return said.getvalue()

    return says


def test_operators_are_named_once_and_again_when_there_are_others(check, operator, team):
    make_user("manager@example.com", team)
    first = check()
    assert "for all teams: operator@example.com." in first and "manager@" not in first
    assert "operator@" not in check()
    make_user("second@example.com", is_staff=True, is_superuser=True)
    assert "operator@example.com, second@example.com." in check()
    User.objects.filter(email="second@example.com").update(is_active=False)
    assert "second@" not in check()


@pytest.mark.parametrize("left", [b"", b'["operator@exa', b"\xff", b"7", None])
def test_what_was_left_of_the_last_time_stops_neither_check_nor_start(check, operator, tmp_path, left):
    """As after a disk was full; None: a folder in its place, which can be neither read nor written."""
    file = tmp_path / TOLD
    file.write_bytes(left) if left is not None else file.mkdir()
    assert "operator@example.com." in check()


def test_without_tables_nothing_is_said_of_them(check, db):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE teams_user RENAME TO elsewhere")
        assert "Operators" not in check()
        transaction.set_rollback(True)


def test_what_asks_no_database_names_nobody_and_does_not_count_as_said(check, operator):
    assert name_operators(None, databases=None) == []
    assert "operator@example.com" in check()
