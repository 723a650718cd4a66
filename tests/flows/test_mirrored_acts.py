"""
Two Watchkeepers that mirror each other stay one: staff on both sides act on their own and on mirrored incidents, in any
order of arrival, doubled, and both show the same, nothing twice. Which histories, hypothesis chooses.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents.models import Incident
from integrations import applying, ingest, judging, taking
from integrations.models import Integration, IntegrationType, Verdict
from monitors.models import Monitor
from tests.conftest import make_integration
from tests.mirrors import ACTS, EVENING, MORNING, ONLY, RESOURCE, Act, Staff, endpoint, seen_incident
from timeline.models import TimelineEvent
from timeline.outbound import births
from timeline.outbound.models import Message

pytestmark = pytest.mark.django_db

FULL = bool(os.environ.get("WATCHKEEPER_TEST_FULL"))
examples = settings(
    max_examples=250 if FULL else 25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

# What is done to a mirrored incident and travels.
TRAVELLING = ("acknowledge", "resolve", "close", "reopen", "comment", "assign", "severity", "edit", "add")


@dataclass
class Side:
    """One of the two: its installation, its staff, its door, and where it sends everything."""

    public_id: str
    staff: Staff = field(default_factory=Staff)

    def __post_init__(self) -> None:
        self.team = self.staff.team
        self.sends_to = endpoint(self.team, further=True, relay=True)
        self.door: Integration = make_integration(
            self.team, "The other one", type=IntegrationType.WATCHKEEPER, may_act=True
        )
        self.delivered = 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """What is done meanwhile is done by this installation."""
        this = lambda: SimpleNamespace(public_id=self.public_id)  # noqa: E731
        with pytest.MonkeyPatch.context() as patch:
            for room in (judging, births, taking):
                patch.setattr(room, "this_installation", this)
            yield

    def mirrored(self) -> list[Incident]:
        return list(self.team.incidents.filter(integration_id=self.door.pk).order_by("source_id"))

    def do(self, act: Act) -> None:
        with self.at_work():
            self.staff.do(act)

    def do_to_mirrored(self, act: Act) -> None:
        """The same to an incident of the other one."""
        own, self.staff.incidents = self.staff.incidents, self.mirrored()
        try:
            self.do(act)
        finally:
            self.staff.incidents = own

    def told(self) -> list[bytes]:
        """All that it sent."""
        sent = Message.objects.filter(endpoint=self.sends_to).order_by("id")
        return [body.encode() for body in sent.values_list("body", flat=True)]

    def hears(self, bodies: list[bytes], chance: random.Random) -> None:
        """Those arrive in any order, some of them twice, some of them together."""
        arriving = [*bodies, *chance.choices(bodies, k=len(bodies) // 3)] if bodies else []
        chance.shuffle(arriving)
        with self.at_work():
            while arriving:
                size = chance.randint(1, 4)
                some, arriving = arriving[:size], arriving[size:]
                ingest.receive_from(
                    self.door, some[0] if len(some) == 1 else b"[" + b",".join(some) + b"]", {}, EVENING
                )
            while applying.apply_due(EVENING):
                pass

    def shown(self, other: "Side") -> dict[tuple[str, str, int], dict[str, Any]]:
        """All that its people see, by whose it is and its id there."""
        found = {}
        for incident in self.team.incidents.all():
            whose, number = (self, incident.pk) if incident.is_native else (other, incident.source_id)
            found["incident", whose.public_id, number] = seen_incident(incident)
        for monitor in Monitor.objects.filter(team=self.team):
            whose, number = (self, monitor.pk) if monitor.is_native else (other, monitor.source_id)
            columns = (*RESOURCE, *ONLY[Monitor])
            found["monitor", whose.public_id, number] = {name: getattr(monitor, name) for name in columns}
        return found


def exchange(one: Side, two: Side, chance: random.Random) -> None:
    """All that was said arrives at the other one, until nothing new is said."""
    count = -1
    while count != (count := Message.objects.filter(endpoint__in=[one.sends_to, two.sends_to]).count()):
        two.hears(one.told(), chance)
        one.hears(two.told(), chance)


def aside(*sides: Side) -> set[tuple[str, str, int]]:
    """Incidents, and what they are about, of which an act was kept aside by the one-live rule."""
    found = set()
    for side in sides:
        kept = side.door.deliveries.filter(status=Verdict.QUARANTINED)
        assert {each.error["code"] for each in kept} <= {"CONFLICT"}
        for incident in Incident.objects.filter(pk__in=kept.values("incident_id")):
            found.add(("incident", side.public_id, incident.pk))
            found.add((incident.resource_type, side.public_id, incident.resource_id))
    return found


@st.composite
def acts(draw: st.DrawFn) -> list[tuple[int, str, Act]]:
    """(who of the two, to what, which act), and now and then (who, "hears", …): what was said arrives."""
    one = st.builds(
        Act, st.sampled_from(TRAVELLING), st.integers(0, 1), st.integers(0, 2), st.integers(0, 7),
        st.sampled_from((0, 1, 1_000, 60_000)),
    )  # fmt: skip
    names = [name for name in ACTS if name != "heartbeat"]
    own = st.builds(lambda act, name: replace(act, name=name), one, st.sampled_from(names))
    begun = [(side, "own", Act(name, choice=1)) for side in (0, 1) for name in ("monitor", "declare")]
    more = st.one_of(
        st.tuples(st.integers(0, 1), st.just("own"), own),
        st.tuples(st.integers(0, 1), st.just("mirrored"), one),
        st.tuples(st.integers(0, 1), st.just("mirrored"), one),
        st.tuples(st.integers(0, 1), st.just("hears"), one),
    )
    hears = [(0, "hears", Act("comment")), (1, "hears", Act("comment"))]
    return [*begun, *hears, *draw(st.lists(more, max_size=14))]


def played(told: list[tuple[int, str, Act]], chance: random.Random) -> tuple[Side, Side]:
    """Both sides after all of that, once everything has arrived."""
    sides = Side("wk_one"), Side("wk_two")
    at = MORNING
    for who, what, act in told:
        side, other = sides[who], sides[1 - who]
        at += timedelta(milliseconds=act.later)
        side.staff.at = max(side.staff.at, at)
        if what == "own":
            side.do(replace(act, later=0))
        elif what == "mirrored":
            side.do_to_mirrored(replace(act, later=0))
        else:
            some = other.told()
            side.hears(chance.sample(some, k=len(some) * 2 // 3 + 1) if len(some) > 2 else some, chance)
    exchange(*sides, chance)
    return sides


def test_whatever_staff_do_on_both_sides_both_show_the_same_and_nothing_twice():
    counted = {"examples": 0, "acts kept aside": 0, "acts that travelled": 0}

    @examples
    @given(acts(), st.randoms(use_true_random=False))
    def holds(told: list[tuple[int, str, Act]], chance: random.Random) -> None:
        with transaction.atomic():
            one, two = played(told, chance)
            left_out = aside(one, two)
            here, there = one.shown(two), two.shown(one)
            assert here.keys() == there.keys()
            assert {key: here[key] for key in here.keys() - left_out} == {
                key: there[key] for key in there.keys() - left_out
            }
            facts = TimelineEvent.objects.filter(team__in=[one.team, two.team]).values_list("team", "identity")
            assert len(facts) == len(set(facts))
            counted["examples"] += 1
            counted["acts kept aside"] += len(left_out) > 0
            counted["acts that travelled"] += travelled(one) + travelled(two)
            transaction.set_rollback(True)

    holds()
    assert counted["acts that travelled"] > counted["examples"] // 2, counted


def travelled(side: Side) -> int:
    """How many acts of the other's staff were taken."""
    return side.team.timeline_events.filter(
        integration_id=side.door.pk,
        subject_kind="incident",
        subject_id__in=side.team.incidents.filter(integration_id=None),
    ).count()
