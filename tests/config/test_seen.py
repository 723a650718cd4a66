from datetime import timedelta

import pytest

from config.seen import Deed, Overtaken, digest, knowing, unless_overtaken
from tests.conftest import NOON

BOB = Deed("Bob Smith", "changed the severity", NOON - timedelta(minutes=5), "bob@example.com")


@pytest.mark.parametrize("seen", ["", "as it is"])
def test_what_is_as_it_was_seen_is_gone_by(seen):
    unless_overtaken(seen, "as it is", pytest.fail, NOON)


@pytest.mark.parametrize(
    ("first", "by", "said"),
    [
        (
            BOB,
            "alice@example.com",
            "Bob Smith changed the severity at 11:55; it is minor now. Nothing was changed by you.",
        ),
        (BOB, "bob@example.com", "You changed the severity at 11:55; it is minor now. Nothing more was changed."),
        (None, "alice@example.com", "It was changed meanwhile; it is minor now. Nothing was changed by you."),
        (
            Deed("A source", "resolved it", NOON - timedelta(days=1)),
            "",
            "A source resolved it yesterday 12:00; it is minor",
        ),
        (Deed("Bo", "resolved it", NOON - timedelta(days=9)), "", "Bo resolved it on 4 May, 12:00; it is minor now."),
    ],
)
def test_who_comes_second_is_told_who_was_first_and_when(first, by, said):
    with pytest.raises(Overtaken) as refused:
        unless_overtaken("as it was", "as it is", lambda: first, NOON, by=by, now="; it is minor now")
    assert refused.value.message.startswith(said)
    assert refused.value.status == 409


def test_values_of_any_length_and_kind_are_told_apart_in_short():
    values = [(), (None,), ("",), ("a", "b"), ("ab",), (["a"],), (1,), ("1",), ("x" * 100_000,), ({"a": 1},)]
    assert len({digest(*each) for each in values}) == len(values)
    assert {len(digest(*each)) for each in values} == {16}
    assert digest("a", 1) == digest("a", 1)


def test_what_was_posted_is_sent_again_as_it_stands_at_present():
    assert dict(knowing({"seen": "old", "reason": "x"}, "new").lists()) == {"seen": ["new"], "reason": ["x"]}
