"""What is noted about records that have no history of their own."""

import pytest
from django.contrib.admin.models import LogEntry

from config import clock
from config.seen import Deed
from config.trail import last_noted, noted
from tests.conftest import NOON, make_user


@pytest.fixture
def bob(db):
    return make_user("bob@example.com", name="Bob Smith")


def test_the_newest_note_about_some_records_with_some_words_says_who_did_it_and_when(team, other_team, user, bob):
    for minute, (by, subject, words) in enumerate(
        ((user, team, "Shut."), (bob, team, "Shut."), (user, team, "Reopened."), (user, other_team, "Shut."))
    ):
        with clock.at(NOON.replace(minute=minute)):
            noted(by, subject, words)
    assert last_noted([team], "shut it", "Shut.") == Deed("Bob Smith", "shut it", NOON.replace(minute=1), bob.email)
    assert last_noted([team, other_team], "did it", "Shut.", "Re").at == NOON.replace(minute=3)
    assert last_noted([team], "did it", "Re", "Shut.").at == NOON.replace(minute=2)
    assert last_noted([bob], "did it", "Shut.") is None


def test_operators_read_what_is_noted(team, bob):
    noted(bob, team, "Shut.")
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_repr, entry.change_message, entry.is_change()) == (bob, str(team), "Shut.", True)
