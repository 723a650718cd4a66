"""The scene says whose everything is, or it would show nothing."""

import pytest

from tests.access.scene import texts_without_the_word

pytestmark = pytest.mark.django_db


def test_every_text_of_a_team_says_whose_it_is(scene):
    assert texts_without_the_word(scene.a) == []
    assert texts_without_the_word(scene.b) == []


def test_the_teams_have_no_id_in_common(scene):
    assert scene.a.ids & scene.b.ids == set()
    assert len(scene.a.ids) > 60
