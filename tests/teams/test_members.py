"""The one look-up of members: by UUID, number or address; of those who can log in, in the team, and nobody else."""

from uuid import uuid4

import pytest

from teams.members import find_member
from tests.conftest import make_user


@pytest.fixture
def found(team):
    """Whom a team's look-up finds by each of a user's ids."""
    return lambda of: [
        find_member(team, uuid=of.uuid), find_member(team, number=of.pk), find_member(team, email=of.email.upper())
    ]  # fmt: skip


def test_a_member_is_found_by_each_of_their_ids(found, user):
    assert found(user) == [user] * 3


def test_a_stranger_and_who_was_deactivated_are_as_good_as_nobody(found, team, other_team):
    gone = make_user("gone@example.com", team, is_active=False)
    assert found(make_user("mallory@example.com", other_team)) == found(gone) == [None] * 3


def test_what_is_no_id_names_nobody(team, user):
    assert find_member(team) is None
    assert find_member(team, uuid=uuid4()) is None
    assert find_member(team, number=2**80) is None
