"""The trust tests can fail: what they look for afterwards is found where it is wrong."""

import pytest

from tests.trust import told
from tests.trust.afterwards import Delivery, Recorded, complaints
from tests.trust.parcels import TAG, Packer
from tests.trust.told import Arrival, Told

INBOX = [Delivery("e1-1", "applied", 7), Delivery("e1-2", "applied", 8), Delivery("q1-3", "quarantined")]
FACTS = [Recorded(7, "e1-1"), Recorded(8, "e1-2")]
ALL = {"e1-1", "e1-2", "q1-3"}


def test_nothing_is_said_where_all_is_well() -> None:
    assert complaints(ALL, ALL, INBOX, FACTS) == []


def test_what_was_sent_and_never_acknowledged_may_be_stored_or_not() -> None:
    assert complaints(ALL | {"e1-4"}, {"e1-1"}, INBOX, FACTS) == []


def test_what_is_only_counted_and_what_is_our_own_is_not_looked_for_in_the_inbox() -> None:
    facts = [*FACTS, Recorded(9, "k0-1")]
    assert complaints(ALL | {"n1-4", "k0-1"}, ALL | {"n1-4", "k0-1"}, INBOX, facts) == []


@pytest.mark.parametrize(
    ("inbox", "facts", "said"),
    [
        (INBOX[1:], FACTS[1:], ["e1-1 was acknowledged and has 0 facts", "e1-1 was acknowledged and is lost"]),
        (INBOX, FACTS[1:], ["e1-1 is applied without its fact", "e1-1 was acknowledged and has 0 facts"]),
        ([*INBOX, Delivery("e9-9", "quarantined")], FACTS, ["e9-9 is stored and was never sent"]),
        ([*INBOX, INBOX[2]], FACTS, ["q1-3 is stored 2 times"]),
        (
            INBOX,
            [*FACTS, Recorded(9, "e1-1")],
            ["e1-1 is recorded 2 times", "e1-1 was acknowledged and has 2 facts"],
        ),
        (
            [Delivery("e1-1", "received"), *INBOX[1:]],
            FACTS[1:],
            ["e1-1 is still unapplied", "e1-1 was acknowledged and has 0 facts"],
        ),
        (
            [Delivery("e1-1", "received"), *INBOX[1:]],
            FACTS,
            ["e1-1 is a fact of which its delivery does not know", "e1-1 is still unapplied"],
        ),
        ([Delivery("e1-1", "applied", 8), *INBOX[1:]], FACTS, ["e1-1 is applied without its fact"]),
        (INBOX, [*FACTS, Recorded(9, "q1-3")], ["q1-3 is a fact of which", "q1-3 was acknowledged and has 1 facts"]),
    ],
    ids=["lost", "half", "invented", "stored twice", "recorded twice", "unapplied", "unknown", "another's", "unsound"],
)
def test_what_is_wrong_is_said(inbox: list[Delivery], facts: list[Recorded], said: list[str]) -> None:
    found = complaints(ALL, ALL, inbox, facts)
    assert [found_one.startswith(said_one) for found_one, said_one in zip(found, said, strict=True)] == [True] * len(
        said
    )


def test_every_parcel_carries_its_tags_and_no_two_the_same() -> None:
    packer = Packer(3)
    made = [packer.parcel() for _ in range(500)]
    for parcel in made:
        assert {tag for tag in TAG.findall(parcel.body.decode()) if not tag.startswith("n")} >= {
            tag for tag in parcel.tags if not tag.startswith("n")
        }
    fresh = {id(parcel): parcel.tags for parcel in made}.values()
    tags = [tag for each in fresh for tag in each]
    assert len(tags) == len(set(tags)) > 500
    assert {tag[0] for tag in tags} == set("ewcuqrn")


# --- what was told --------------------------------------------------------------------------------------------

ONE, TWO, DEAD = (
    Told("well", "m1", ("incident", 1), "delivered", "{1}"),
    Told("well", "m2", ("incident", 1), "delivered", "{2}"),
    Told("dead", "m1", ("incident", 1), "due", "{1}"),
)
CAME = [Arrival("well", "m1", "{1}"), Arrival("well", "m2", "{2}")]


def test_nothing_is_said_where_all_was_told_also_more_than_once_and_where_nobody_listens() -> None:
    assert told.complaints([ONE, TWO, DEAD], CAME, []) == []
    assert told.complaints([ONE, TWO, DEAD], [*CAME[:1], *CAME, *CAME], []) == []


@pytest.mark.parametrize(
    ("messages", "arrivals", "unsaid", "said"),
    [
        ([ONE, TWO], CAME[:1], [], "m2 to well is delivered and never came"),
        ([ONE, Told("well", "m2", ("incident", 1), "behind", "{2}")], CAME[:1], [], "m2 to well is behind"),
        ([ONE], CAME, [], "m2 came to well and is no message"),
        ([ONE, TWO], [*CAME, Arrival("well", "m1", "{3}")], [], "m1 came to well with another body"),
        ([ONE, TWO], CAME[::-1], [], "m2 came to well before one of ('incident', 1) that is older"),
        ([ONE, TWO], CAME, ["fact 7"], "fact 7 was never told"),
    ],
    ids=["lost", "stuck", "invented", "another", "out of order", "unsaid"],
)
def test_what_is_wrong_with_what_was_told_is_said(
    messages: list[Told], arrivals: list[Arrival], unsaid: list[str], said: str
) -> None:
    assert told.complaints(messages, arrivals, unsaid) == [said]


def test_what_is_of_other_incidents_may_come_in_any_order() -> None:
    other = Told("well", "m2", ("incident", 2), "delivered", "{2}")
    assert told.complaints([ONE, other], CAME[::-1], []) == []
