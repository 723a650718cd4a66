"""Tests of config.troubles: the same trouble is told once a minute, however often it comes."""

import pytest

from config.troubles import Troubles


@pytest.fixture
def now(monkeypatch):
    moment = [1000.0]
    monkeypatch.setattr("config.troubles.time.monotonic", lambda: moment[0])
    return moment


@pytest.fixture
def said():
    return []


@pytest.fixture
def tell(said):
    troubles = Troubles()

    def tell(where="apply", error=None, **fields):
        troubles.tell(lambda words, **told: said.append((words, told)), "trouble", where, error or OSError(), **fields)

    tell.troubles = troubles
    return tell


def test_the_same_is_told_at_once_and_then_once_a_minute_with_how_often_it_came(tell, said, now):
    for _ in range(7200):
        tell(error=OSError(now[0]), more="x")
        now[0] += 0.5
    assert said[:2] == [
        ("trouble", {"step": "apply", "more": "x"}),
        ("trouble", {"step": "apply", "more": "x", "times_since": 119}),
    ]
    assert len(said) == 60


def test_another_place_and_another_kind_are_other_troubles(tell, said, now):
    for _ in range(3):
        tell()
        tell("send")
        tell(error=ValueError())
    assert len(said) == 3


def test_what_goes_wrong_after_all_went_well_is_told_at_once(tell, said, now):
    tell()
    tell("send")
    tell.troubles.are_over("apply")
    tell()
    tell("send")
    assert [told["step"] for _, told in said] == ["apply", "send", "apply"]
