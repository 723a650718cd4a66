"""
The mirror: one Watchkeeper's log, delivered late, doubled and shuffled, makes a second one show the same.

With the further events and fields that holds for everything staff see but ids and what depends on arrival; with the
log's 19 events alone, for what those can carry. Which histories, hypothesis chooses. More of it with
WATCHKEEPER_TEST_FULL=1.
"""

import json
import os
import random
from collections.abc import Sequence
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.models import IntegrationType, Verdict
from tests.mirrors import (
    ACTS,
    PLAIN,
    Act,
    Seen,
    Staff,
    bodies,
    deliver,
    endpoint,
    mirror,
    seen,
)
from timeline.models import TimelineEvent
from timeline.outbound.installation import this_installation
from timeline.outbound.models import Message

pytestmark = pytest.mark.django_db

FULL = bool(os.environ.get("WATCHKEEPER_TEST_FULL"))
examples = settings(
    max_examples=250 if FULL else 30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

LATER = st.sampled_from((0, 0, 1, 1_000, 60_000, 3_600_000))


def acts(names: Sequence[str]) -> st.SearchStrategy[list[Act]]:
    """Up to 14 acts, of which the first ones make something to act upon."""
    one = st.builds(Act, st.sampled_from(names), st.integers(0, 1), st.integers(0, 2), st.integers(0, 7), LATER)
    first = st.tuples(
        st.builds(Act, st.sampled_from(("monitor", "heartbeat")), choice=st.integers(0, 7)),
        st.builds(Act, st.just("declare"), choice=st.integers(0, 7), later=LATER),
    )
    return st.builds(lambda begun, more: [*begun, *more], first, st.lists(one, max_size=12))


def played(told: Sequence[Act], chance: random.Random, type: IntegrationType, **wishes: bool) -> tuple[Seen, Seen]:
    """What is seen at the first and at the second, after the first's people did all that."""
    staff, other = Staff(), mirror(type)
    sent_to = endpoint(staff.team, **wishes)
    for act in told:
        staff.do(act)
    deliver(bodies(sent_to), other, chance)
    return seen(staff.team), seen(other.team)


def test_with_the_further_events_the_second_shows_everything_that_the_first_does():
    @examples
    @given(acts(list(ACTS)), st.randoms(use_true_random=False))
    def holds(told: list[Act], chance: random.Random) -> None:
        with transaction.atomic():
            here, there = played(told, chance, IntegrationType.WATCHKEEPER, further=True)
            assert there == here
            transaction.set_rollback(True)

    holds()


def test_with_the_log_alone_the_second_shows_what_that_can_carry():
    @examples
    @given(acts(list(PLAIN)), st.randoms(use_true_random=False))
    def holds(told: list[Act], chance: random.Random) -> None:
        with transaction.atomic():
            here, there = played(told, chance, IntegrationType.BETTER_STACK)
            assert carried(there) == carried(here)
            transaction.set_rollback(True)

    holds()


# The acts of which the 19 events say who did them.
SAYS_WHO = {"acknowledged", "resolved", "reopened"}
# The log has no word for closing: it ends an incident that was live, and else is not told.
WORDS = {"closed": "resolved"}


def carried(found: Seen) -> Seen:
    """What the log's 19 events can carry of what is seen, in their words."""
    return {link: of_incident(each) if link[0] == "incident" else of_resource(each) for link, each in found.items()}


def of_incident(each: dict[str, Any]) -> dict[str, Any]:
    """An incident: neither how bad it is nor whose; closed is resolved."""
    told = [worded(update) for update in each["updates"]]
    names = (
        "title",
        "error_message",
        "affected_regions",
        "started_at",
        "acknowledged_at",
        "resolved_at",
        "destroyed_at",
    )
    return {name: each[name] for name in (*names, "resource_type", "resource_name", "is_live", "group")} | {
        "status": WORDS.get(each["status"], each["status"]),
        "updates": [update for update in told if update["old_value"] != update["new_value"] or not update["old_value"]],
    }


def worded(update: dict[str, Any]) -> dict[str, Any]:
    """An update in the log's words; from resolved to closed is no step there."""
    found = update | {name: WORDS.get(update[name], update[name]) for name in ("action", "old_value", "new_value")}
    if update["action"] == "closed":
        found["message"] = "Incident resolved"
    if update["new_value"] == "deleted":  # nor for where
        found |= {"new_value": "deleted at source", "message": "Incident deleted at source"}
    if update["message"].startswith("Grouped into"):  # the log has no name for a group
        found["message"] = f"Grouped into incident group {update['new_value']}"
    if found["action"] not in SAYS_WHO:
        found |= {"user_email": None, "user_name": None}
    return found


def of_resource(each: dict[str, Any]) -> dict[str, Any]:
    """
    A monitor or heartbeat: of one that nothing has checked the log's readers conclude that it is up; how often a
    heartbeat has to report is not told.
    """
    status = "up" if each["status"] == "pending" else each["status"]
    return {name: value for name, value in each.items() if name in ("name", "url", "type", "destroyed_at")} | {
        "status": status,
        "live_incidents": each["live_incidents"],
    }


# --- one after the other --------------------------------------------------------------------------------------


STORY = [
    Act("monitor"),
    Act("heartbeat", later=5),
    Act("declare", choice=1, later=1_000),
    Act("acknowledge", who=1, later=1_000),
    Act("severity", choice=2, later=1_000),
    Act("comment", later=1_000),
    Act("assign", choice=1, later=1_000),
    Act("correct", which=0, choice=1, later=1_000),
    Act("close", later=1_000),
    Act("pause", later=1_000),
]


@pytest.fixture
def staff(request: pytest.FixtureRequest) -> Staff:
    marker = request.node.get_closest_marker("django_db")
    request.getfixturevalue("transactional_db" if marker.kwargs.get("transaction") else "db")
    return Staff()


def done(staff: Staff) -> Staff:
    for act in STORY:
        staff.do(act)
    return staff


@pytest.mark.django_db(transaction=True)
def test_rebuilding_a_mirror_finds_no_difference(staff, capsys):
    sent_to, other = endpoint(staff.team, further=True), mirror(IntegrationType.WATCHKEEPER)
    deliver(bodies(sent_to), other, random.Random(1))
    done(staff)
    deliver(bodies(sent_to), other, random.Random(2))
    call_command("rebuild", "--check")
    assert capsys.readouterr().out.startswith("0 differences")


def test_a_mirror_passes_on_what_it_heard_to_a_third_that_shows_the_same(staff):
    to_second = endpoint(staff.team, further=True)
    second, third = mirror(IntegrationType.WATCHKEEPER), mirror(IntegrationType.WATCHKEEPER)
    to_third = endpoint(second.team, further=True, relay=True)
    done(staff)
    deliver(bodies(to_second), second, random.Random(3))
    deliver(bodies(to_third), third, random.Random(4), public_id="wk_third")
    by_name = {(link[0], each.get("title") or each["name"]): each for link, each in seen(third.team).items()}
    expected = {(link[0], each.get("title") or each["name"]): each for link, each in seen(second.team).items()}
    assert by_name == expected
    payloads = [json.loads(body) for body in bodies(to_third)]
    assert {tuple(each["via"]) for each in payloads} == {(this_installation().public_id,) * 2}
    assert {each["organization_id"] for each in payloads} == {second.team.organization.public_id}


def test_what_an_installation_sent_itself_is_answered_and_not_applied_when_it_comes_back(staff, client):
    back = mirror(IntegrationType.WATCHKEEPER)
    to_second = endpoint(staff.team, further=True)
    done(staff)
    facts = TimelineEvent.objects.count()
    for body in bodies(to_second):
        answer = client.post(f"/api/webhooks/incident-log/{back.token}", body, content_type="application/json")
        assert (answer.status_code, answer.json()["data"]["status"]) == (200, "duplicate")
    assert TimelineEvent.objects.count() == facts
    assert set(back.deliveries.values_list("status", flat=True)) == {Verdict.DUPLICATE}
    assert {each.error["code"] for each in back.deliveries.all()} == {"RETURNED"}


@pytest.mark.parametrize("wishes", [{}, {"further": True}], ids=["the log alone", "the further events"])
def test_two_that_point_at_each_other_do_not_loop(staff, wishes):
    """Both pass everything on to each other; after a few rounds there is nothing new to send."""
    there = mirror(IntegrationType.WATCHKEEPER)
    here = staff.team.integrations.model.objects.get(pk=mirror(IntegrationType.WATCHKEEPER).pk)
    here.__class__.objects.filter(pk=here.pk).update(team=staff.team)
    here.refresh_from_db()
    to_there, to_here = endpoint(staff.team, relay=True, **wishes), endpoint(there.team, relay=True, **wishes)
    done(staff)
    ours, theirs = this_installation().public_id, "wk_theirs"
    counts = []
    for _ in range(4):
        deliver(as_sent_by(ours, ours, bodies(to_there)), there, random.Random(5), public_id=theirs)
        deliver(as_sent_by(theirs, ours, bodies(to_here)), here, random.Random(6), public_id=ours)
        counts.append(Message.objects.count())
    assert counts[0] == counts[-1]
    assert not any(each.error for each in there.deliveries.all())
    assert {each.status for each in here.deliveries.all()} == {Verdict.DUPLICATE}


def as_sent_by(sender: str, ours: str, told: list[bytes]) -> list[bytes]:
    """In this database there is one installation; what the other one sends is in its own name at the end."""
    if sender == ours:
        return told
    payloads = [json.loads(body) for body in told]
    for each in payloads:
        if each.get("via"):
            each["via"] = [*each["via"][:-1], sender]
        else:
            each["origin"] = sender
    return [json.dumps(each).encode() for each in payloads]
