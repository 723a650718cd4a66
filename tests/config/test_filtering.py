"""Filters of lists: what they read, where they are found, what holds where nothing is said. Lists: flows/test_lists."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django import forms
from django.db.models import TextChoices
from django.http import QueryDict

from config import fields
from config.errors import ValidationFailed
from config.filtering import Destroyed, Filter, Flag, ListFilters, Number, Place, Search, Setting, Since, Words
from config.models import WorkerLoop

NOTHING = {"limit": 20, "destroyed": "false", "order": "up"}


class Colour(TextChoices):
    RED = "red", "Red"
    BLUE = "blue", "Blue"


class Filters(ListFilters):
    colour = Words(
        Colour,
        "Colour",
        [("", "Any colour"), ("warm", "Warm"), *Colour.choices],
        lookup_expr="in",
        admin="colour__exact",
    )
    number = Number("A number.", page="nr", control=forms.CharField(), admin="number__exact")
    since = Filter(fields.StrictMoment(required=False), "ran_at", "gte")
    is_live = Flag("is_live", api=None, admin="is_live__exact")
    ended = Since("ended_at", ("Goes on", "Ended"))
    destroyed = Destroyed(admin="")
    q = Search("Words.", method="searched", placeholder="Search")
    order = Setting(fields.StrictChoice(choices=["up", "down"], default="up"))

    def searched(self, found, name, words):
        found.asked = (self, words)
        return found


class Records:
    """Stands for a QuerySet: says what it is asked."""

    model = WorkerLoop

    def __init__(self, asked=()):
        self.asked = asked

    def filter(self, **asked):
        return Records((*self.asked, asked))


def filters(query="", place=Place.API):
    return Filters(QueryDict(query), Records(), place=place)


def chosen(query="", place=Place.API):
    found = filters(query, place)
    found.require()
    return found.chosen


def wrong(query, place=Place.API):
    with pytest.raises(ValidationFailed) as refused:
        filters(query, place).require()
    return refused.value.fields


def test_what_holds_where_nothing_is_said_is_the_same_for_a_query_string_that_says_nothing_known():
    assert chosen() == chosen("unknown=1&unknown=2") == NOTHING
    assert chosen("unknown=1", Place.ADMIN) == chosen("", Place.ADMIN) == NOTHING | {"destroyed": "any"}


def test_values_are_read_as_strictly_as_in_a_body():
    moment = fields.StrictMoment().to_internal_value("2026-05-13T10:00:00Z")
    query = "colour=red,blue&number=7&since=2026-05-13T10:00:00Z&q=%20a%20&limit=3&destroyed=any&order=down"
    read = {"limit": 3, "colour": ["red", "blue"], "number": 7, "since": moment, "q": "a"}
    assert chosen(query) == read | {"destroyed": "any", "order": "down"}
    assert wrong("number=1.5&since=2026-05-13&colour=warm&limit=0&destroyed=yes&order=") == {
        "number": ["Expected a whole number."],
        "since": [fields.EXPECTED],
        "colour": ["Expected one of: red, blue."],
        "limit": ["Ensure this value is greater than or equal to 1."],
        "destroyed": ["Expected one of: false, true, any."],
        "order": ["Must not be empty."],
    }
    assert wrong("number=1&number=1&q=a&q=b") == {
        "number": ["Given more than once."],
        "q": ["Given more than once."],
    }


def test_each_place_has_its_own_names():
    assert [list(Filters.names_in(place)) for place in Place] == [
        ["limit", "cursor", "colour", "number", "since", "destroyed", "q", "order"],
        ["colour", "nr", "q"],
        ["colour__exact", "number__exact", "is_live__exact", "ended", "destroyed"],
    ]
    assert chosen("nr=7&number=8", Place.PAGE) == NOTHING | {"number": 7}
    assert chosen("number__exact=7&nr=8&limit=3", Place.ADMIN)["number"] == 7


def test_a_page_offers_words_that_others_do_not_know_and_takes_nothing_else():
    assert chosen("colour=warm", Place.PAGE)["colour"] == "warm"
    assert chosen("colour=blue&nr=&q=+", Place.PAGE) == NOTHING | {"colour": ["blue"]}
    assert list(wrong("colour=red,blue&nr=1e3", Place.PAGE)) == ["colour", "nr"]
    assert list(wrong("colour__exact=warm", Place.ADMIN)) == ["colour__exact"]


def test_admin_takes_other_spellings_of_yes_and_no():
    for text in ("yes", "1", "true"):
        assert chosen(f"is_live__exact={text}", Place.ADMIN)["is_live"] is True
        assert chosen(f"ended={text}", Place.ADMIN)["ended"] is True
        assert chosen(f"destroyed={text}", Place.ADMIN)["destroyed"] == "true"
    assert list(wrong("is_live__exact=maybe&ended=&destroyed=2", Place.ADMIN)) == [
        "is_live__exact",
        "ended",
        "destroyed",
    ]


def test_what_is_chosen_is_asked_of_the_records():
    asked = filters("is_live__exact=no&ended=yes&destroyed=no&colour__exact=red", Place.ADMIN).qs.asked
    assert sorted(asked, key=str) == [
        {"colour__in": ["red"]},
        {"destroyed_at__isnull": True},
        {"ended_at__isnull": False},
        {"is_live__exact": False},
    ]


def test_filter_sets_of_one_kind_know_nothing_of_each_other():
    def own(number):
        found = filters(f"q={number}")
        return found.qs.asked == (found, str(number))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(own, range(200)))
