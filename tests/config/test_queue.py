import time
from datetime import timedelta

import pytest
from django.db import connection, transaction

from config import queue
from config.queue import Leases, Retries
from tests.conftest import make_team
from tests.timeline.outbound.conftest import an_endpoint
from timeline.outbound.models import Endpoint

pytestmark = pytest.mark.django_db

LASTING = timedelta(seconds=10)


def expire(*ids):
    """Let leases end, as time does."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE timeline_endpoint SET lease_until = clock_timestamp() WHERE id = ANY(%s)", [list(ids)])


@pytest.fixture
def ids():
    team = make_team()
    return [an_endpoint(team).pk for _ in range(3)]


def leases():
    return Leases(Endpoint, LASTING, timedelta(seconds=2))


# --- retries --------------------------------------------------------------------------------------------------


def test_after_each_failure_comes_its_pause_and_after_the_last_none():
    retries = Retries((timedelta(seconds=1), timedelta(minutes=1)))
    assert retries.most == 3
    assert [retries.pause(failures) for failures in (1, 2, 3, 4)] == [
        timedelta(seconds=1),
        timedelta(minutes=1),
        None,
        None,
    ]


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 80), (0.5, 100), (1.0, 120)])
def test_a_pause_is_longer_or_shorter_by_the_jitter_at_most(chance, seconds):
    retries = Retries((timedelta(seconds=100),), jitter=0.2)
    assert retries.pause(1, lambda: chance) == timedelta(seconds=seconds)


def test_pauses_of_the_same_failure_differ():
    retries = Retries((timedelta(hours=1),), jitter=0.2)
    pauses = {retries.pause(1) for _ in range(50)}
    assert len(pauses) > 40
    assert all(timedelta(minutes=48) <= pause <= timedelta(minutes=72) for pause in pauses)


# --- leases ---------------------------------------------------------------------------------------------------


def test_what_one_holds_no_other_can_lease(ids):
    first = leases().taken(ids[:2])
    second = leases().taken(ids)
    assert first.tokens.keys() == set(ids[:2])
    assert second.tokens.keys() == set(ids[2:])


def test_a_lease_that_ended_is_taken_over_under_a_greater_token_and_the_late_one_holds_it_no_more(ids):
    late = leases().taken(ids)
    expire(ids[0])
    new = leases().taken(ids)
    assert new.tokens == {ids[0]: late.tokens[ids[0]] + 1}
    assert late.kept(ids).tokens.keys() == set(ids[1:])
    assert new.kept(ids).tokens == new.tokens


def test_a_lease_that_ended_and_that_nobody_took_is_still_ours(ids):
    ours = leases().taken(ids)
    expire(*ids)
    assert ours.kept(ids).tokens == ours.tokens


def test_what_is_given_back_can_be_leased_at_once_and_its_old_token_is_worth_nothing(ids):
    ours = leases().taken(ids)
    less = ours.without(ids[:1])
    assert less.tokens.keys() == set(ids[1:])
    other = leases().taken(ids)
    assert other.tokens.keys() == {ids[0]}
    assert other.tokens[ids[0]] > ours.tokens[ids[0]]
    assert ours.kept(ids).tokens == less.tokens


def test_no_two_ever_have_the_same_token_of_a_row_also_where_a_transaction_was_rolled_back(ids):
    ours = leases()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ours.taken(ids)
        raise ZeroDivisionError
    assert ours.tokens == {}
    assert leases().taken(ids).tokens.keys() == set(ids)
    assert ours.kept(ids).tokens == {}


def test_leases_are_renewed_together_when_it_is_time(ids, monkeypatch):
    ours = leases().taken(ids)
    until = dict(Endpoint.objects.values_list("id", "lease_until"))
    assert ours.kept([]).good_until == ours.good_until
    assert dict(Endpoint.objects.values_list("id", "lease_until")) == until
    monkeypatch.setattr(queue.time, "monotonic", lambda at=ours.renew_at: at)
    renewed = ours.kept([])
    assert renewed.good_until == ours.renew_at + 8
    assert all(moment > until[pk] for pk, moment in Endpoint.objects.values_list("id", "lease_until"))


def test_a_renewal_finds_what_was_taken_over_also_where_nothing_concerns_it(ids, monkeypatch):
    ours = leases().taken(ids)
    expire(ids[1])
    leases().taken(ids)
    assert ours.kept([]).tokens == ours.tokens
    monkeypatch.setattr(queue.time, "monotonic", lambda at=ours.renew_at: at)
    assert ours.kept([]).tokens.keys() == {ids[0], ids[2]}


def test_leases_are_good_until_some_time_before_they_end(ids, monkeypatch):
    begun = time.monotonic()
    ours = leases().taken(ids)
    assert begun + 8 <= ours.good_until <= time.monotonic() + 8
    assert ours.are_good
    monkeypatch.setattr(queue.time, "monotonic", lambda at=ours.good_until: at)
    assert not ours.are_good
    assert not leases().are_good


def test_a_lease_that_is_taken_later_does_not_make_the_others_last_longer(ids):
    first = leases().taken(ids[:1])
    second = first.taken(ids[1:])
    assert second.tokens.keys() == set(ids)
    assert (second.good_until, second.renew_at) == (first.good_until, first.renew_at)


def test_nothing_is_asked_of_the_database_for_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        nothing = leases().taken([]).kept([]).without([])
    assert nothing.tokens == {}


@pytest.mark.parametrize("ahead", ["2 hours", "3 days", "11 seconds"])
def test_a_lease_that_ends_later_than_any_lasts_is_over_for_its_clock_was_set_back(ids, ahead):
    """Else what a killed worker held would be nobody's for days."""
    late = leases().taken(ids)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE timeline_endpoint SET lease_until = clock_timestamp() + %s::interval", [ahead])
    new = leases().taken(ids)
    assert new.tokens.keys() == set(ids)
    assert late.kept(ids).tokens == {}
