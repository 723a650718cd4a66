"""The verbs of endpoints and messages, where the doors' tests don't go."""

from datetime import timedelta
from ipaddress import ip_network

import pytest

from config.errors import Conflict, ValidationFailed
from monitors import lifecycle as resources
from monitors.models import Monitor
from tests.conftest import NOON
from tests.endpoints import HOOK, make_endpoint, make_message, secrets_at
from timeline.outbound import lifecycle
from timeline.outbound.engine import Engine
from timeline.outbound.models import Endpoint, Message


@pytest.fixture
def endpoint(team):
    return make_endpoint(team)


def statuses():
    return list(Message.objects.order_by("id").values_list("status", flat=True))


# --- endpoints --------------------------------------------------------------------------------------------------------


def test_a_network_that_the_operator_opened_can_be_sent_to(team, settings):
    with pytest.raises(ValidationFailed, match="url"):
        make_endpoint(team, url="http://10.1.2.3/")
    settings.WEBHOOK_NETWORKS = [ip_network("10.0.0.0/8")]
    assert make_endpoint(team, url="http://10.1.2.3/").url == "http://10.1.2.3/"


def test_a_change_says_whether_it_changed_anything_and_a_wrong_one_changes_nothing(endpoint):
    assert lifecycle.edit_endpoint(endpoint, url=HOOK, further=True) is True
    assert lifecycle.edit_endpoint(endpoint, url=HOOK, further=True) is False
    with pytest.raises(ValidationFailed):
        lifecycle.edit_endpoint(endpoint, url="nonsense", description="x")
    assert list(Endpoint.objects.values_list("url", "description", "further")) == [(HOOK, "", True)]


def test_no_verb_does_anything_to_a_deleted_one(endpoint):
    message = make_message(endpoint)
    assert lifecycle.delete_endpoint(endpoint, at=NOON) is True
    assert lifecycle.delete_endpoint(endpoint, at=NOON) is False
    for verb in (
        lambda: lifecycle.edit_endpoint(endpoint, description="x"),
        lambda: lifecycle.enable(endpoint, at=NOON),
        lambda: lifecycle.disable(endpoint, at=NOON),
        lambda: lifecycle.rotate_secret(endpoint, at=NOON),
        lambda: lifecycle.send_test(endpoint, at=NOON),
        lambda: lifecycle.redeliver(message, at=NOON),
    ):
        with pytest.raises(Conflict, match="was deleted"):
            verb()
    assert statuses() == ["dead"]


def test_deleted_ones_do_not_count_against_what_a_team_can_have(team, monkeypatch):
    monkeypatch.setattr(lifecycle, "MOST_ENDPOINTS", 1)
    lifecycle.delete_endpoint(make_endpoint(team), at=NOON)
    make_endpoint(team)
    with pytest.raises(Conflict, match="at most"):
        make_endpoint(team)


def test_the_secret_before_the_last_one_is_good_no_more(endpoint):
    first = lifecycle.rotate_secret(endpoint, at=NOON)
    second = lifecycle.rotate_secret(endpoint, at=NOON + timedelta(hours=1))
    assert secrets_at(endpoint, NOON + timedelta(hours=2)) == [second, first]


# --- messages ---------------------------------------------------------------------------------------------------------


def in_a_row(endpoint, team, by):
    """Three messages about one monitor, of which the first is due again and the others wait behind it."""
    shop = resources.create(Monitor, team, by=by, at=NOON, name="Shop", url="https://shop.example", type="status")
    resources.pause(shop, by=by, at=NOON)
    resources.unpause(shop, by=by, at=NOON)
    first, *behind = Message.objects.order_by("id")
    Message.objects.filter(pk=first.pk).update(status="due", due_at=NOON + timedelta(hours=5))
    Message.objects.filter(pk__in=[each.pk for each in behind]).update(status="behind")
    return first


def test_when_one_is_given_up_the_next_about_the_same_is_sent(endpoint, team, user):
    first = in_a_row(endpoint, team, user)
    assert Engine().turn(NOON, [], {}) == []
    assert lifecycle.give_up_one(first, at=NOON) is True
    assert (first.status, first.why, first.ended_at) == ("dead", "Given up by hand.", NOON)
    [sent] = Engine().turn(NOON, [], {})
    assert sent.message_id == first.pk + 1
    assert statuses() == ["dead", "sending", "behind"]


def test_the_others_wait_on_when_one_in_between_is_given_up(endpoint, team, user):
    first = in_a_row(endpoint, team, user)
    lifecycle.give_up_one(Message.objects.get(pk=first.pk + 1), at=NOON)
    assert Engine().turn(NOON, [], {}) == []
    assert statuses() == ["due", "dead", "behind"]


def test_what_is_over_or_being_sent_is_not_given_up(endpoint):
    for status in ("delivered", "dead"):
        assert lifecycle.give_up_one(make_message(endpoint, status=status), at=NOON) is False
    with pytest.raises(Conflict, match="just being sent"):
        lifecycle.give_up_one(make_message(endpoint, status="sending"), at=NOON)
    assert statuses() == ["delivered", "dead", "sending"]


def test_a_message_goes_again_before_those_that_wait_behind_it(endpoint, team, user):
    first = in_a_row(endpoint, team, user)
    lifecycle.give_up_one(first, at=NOON)
    lifecycle.redeliver(first, at=NOON)
    [sent] = Engine().turn(NOON, [], {})
    assert sent.message_id == first.pk


def test_what_happens_in_another_team_is_not_replayed(endpoint, other_team, user):
    resources.create(Monitor, other_team, by=user, at=NOON, name="Shop", url="https://shop.example", type="status")
    assert lifecycle.replay(endpoint, since=NOON, until=NOON + timedelta(minutes=1), at=NOON) == 0
    assert statuses() == []


def test_what_is_replayed_goes_one_after_the_other(endpoint, team, user):
    in_a_row(endpoint, team, user)
    Message.objects.update(status="delivered", due_at=None, ended_at=NOON)
    assert lifecycle.replay(endpoint, since=NOON, until=NOON + timedelta(minutes=1), at=NOON) == 3
    Engine().turn(NOON, [], {})
    assert statuses() == ["sending", "behind", "behind"]
