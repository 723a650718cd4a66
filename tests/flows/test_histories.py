"""
Histories of up to 12 events: ties, duplicates, late ones, and incidents that name now one resource and now another.

What is shown is a function of the set. So a history is told in any order and any batches: to ledgers in memory, to
the keepers, through the inbound door and the worker's apply, and by 8 connections at once; and each time what is
shown must be what the pure folds make of the sorted set (tests.histories.shown_of). More of it with
WATCHKEEPER_TEST_FULL=1.
"""

import json
import os
import random
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import permutations, product
from threading import Barrier, Thread, current_thread
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from config import clock
from config.times import rfc3339
from config.vault import keyed_digest, seal
from incidents import fold as incident_fold
from incidents.models import Incident
from integrations import applying, ingest
from integrations.models import Integration, Verdict
from monitors import fold as resource_fold
from monitors import keeper as resource_keeper
from monitors.models import Heartbeat, Monitor
from teams.models import Organization, Team
from tests.histories import (
    INCIDENT_TYPES,
    MORNING,
    OURS,
    VENDOR_TYPES,
    Fact,
    Link,
    Payload,
    Shown,
    event,
    fact,
    incident_shown,
    moment,
    resource_shown,
    shown_of,
)
from tests.incidents.test_fold_pairs import events_of, row_from, table
from tests.ledgers import Ledger
from timeline import chronology, kept
from timeline.events import EVENTS, INCIDENT, RESOURCES
from timeline.identity import event_identity
from timeline.models import TimelineEvent

FULL = bool(os.environ.get("WATCHKEEPER_TEST_FULL"))
SAMPLE = 300 if FULL else 30
CONNECTIONS = 8

AFTERNOON = MORNING + timedelta(hours=4)


# --- histories ------------------------------------------------------------------------------------------------

ABOUT: tuple[Payload, ...] = (
    {"resource_type": "monitor", "resource_id": 789, "resource_name": "Shop"},
    {"resource_type": "monitor", "resource_id": 789, "resource_name": "The shop"},
    {"resource_type": "heartbeat", "resource_id": 101, "resource_name": "Nightly backup"},
    {"resource_type": "server", "resource_id": 5, "resource_name": "web-1"},
    {"resource_type": None, "resource_id": None, "resource_name": None},
)
SAID: dict[str, tuple[Payload, ...]] = {
    "incident.started": ({}, {"incident_cause": "Timeout", "regions": ["asia"]}, {"incident_cause": None}),
    "incident.grouped": ({}, {"incident_group_id": 1000}, {"incident_group_id": None}),
    "incident.escalated": ({}, {"escalation_targets": []}),
    "incident.severity_changed": ({}, {"severity": "minor"}),
    "incident.assigned": ({}, {"assignee_email": None, "assignee_name": None}),
    "incident.updated": ({}, {"title": None, "error_message": "Timeout"}, {"affected_regions": []}),
    "monitor.created": ({}, {"monitor_name": "The shop", "monitor_url": "https://new.example"}),
    "heartbeat.created": ({}, {"heartbeat_name": "Backup"}),
}


@st.composite
def told(draw: st.DrawFn, types: Sequence[str]) -> Payload:
    """One event: a few types, moments, incidents and resources, so that histories are full of ties and quarrels."""
    name = draw(st.sampled_from(types))
    fields = dict(draw(st.sampled_from(SAID.get(name, ({},)))))
    if name.startswith("incident."):
        fields |= draw(st.sampled_from(ABOUT)) | {"incident_id": draw(st.sampled_from((201, 202)))}
        fields["incident_name"] = draw(st.sampled_from(("Shop is down", "Till is down", None)))
    fields["message"] = draw(st.sampled_from(("told", "told again")))
    return event(name, draw(st.integers(0, 4)), **fields)


def histories(types: Sequence[str], at_least: int = 1) -> st.SearchStrategy[list[Payload]]:
    """Up to 12 events, incidents' ones more often than others."""
    often = [*types, *(name for name in types if name.startswith("incident."))]
    return st.lists(told(often), min_size=at_least, max_size=12)


@st.composite
def correction(draw: st.DrawFn, events: Sequence[Payload]) -> Payload:
    """A correction of one of some events, now and then of what is none of its incident."""
    corrected = draw(st.sampled_from(events))
    says: Payload = {
        "corrects": event_identity(corrected).hex(),
        "incident_id": corrected.get("incident_id", 201),
        **draw(st.sampled_from(ABOUT)),
    }
    if draw(st.booleans()):
        says["occurred_at"] = rfc3339(moment(draw(st.integers(-2, 9))))
    if draw(st.booleans()):
        says["text"] = draw(st.sampled_from(("as it was", "as it was not")))
    if draw(st.booleans()):
        says["hidden"] = draw(st.booleans())
    return event("incident.corrected", draw(st.integers(2, 8)), **says)


@st.composite
def corrected_histories(draw: st.DrawFn, told_events: st.SearchStrategy[list[Payload]], most: int) -> list[Payload]:
    """A history with up to so many corrections of its events."""
    events = draw(told_events)
    return [*events, *draw(st.lists(correction(events), max_size=most))]


ANY_KIND = histories(VENDOR_TYPES + OURS)
CORRECTED = corrected_histories(ANY_KIND, 5)
OF_A_VENDOR = histories(VENDOR_TYPES)
LONG = corrected_histories(histories(VENDOR_TYPES + OURS, at_least=8), 3)


def examples(usually: int, in_full: int, phases: tuple[Phase, ...] = tuple(Phase)) -> settings:
    """So many histories, always the same ones."""
    return settings(
        max_examples=in_full if FULL else usually,
        deadline=None,
        derandomize=True,
        database=None,
        phases=phases,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def shuffled(events: Sequence[Payload], chance: random.Random) -> list[list[Payload]]:
    """The events in some order of arrival, some of them repeated, in batches of 1 to 4."""
    arriving = [*events, *chance.choices(events, k=chance.randint(0, len(events)))]
    chance.shuffle(arriving)
    batches = []
    while arriving:
        size = chance.randint(1, 4)
        batches.append(arriving[:size])
        arriving = arriving[size:]
    return batches


# --- in memory ------------------------------------------------------------------------------------------------


class Memory:
    """
    What the keepers do, with ledgers for rows: incidents take facts in, and resources read anew what came to mean
    something else to them.
    """

    def __init__(self) -> None:
        self.ledgers: dict[Link, Ledger[Any]] = {}

    def ledger(self, subject: Link) -> Ledger[Any]:
        """A subject's ledger."""
        if subject not in self.ledgers:
            fold = incident_fold if subject[0] == INCIDENT else resource_fold
            beginning = incident_fold.IncidentState() if subject[0] == INCIDENT else resource_fold.ResourceState()
            self.ledgers[subject] = Ledger(beginning, fold.step)  # type: ignore[arg-type]
        return self.ledgers[subject]

    def arrive(self, events: Iterable[Payload]) -> None:
        """Take a batch in."""
        by_incident: dict[Link, list[Fact]] = defaultdict(list)
        for each in map(fact, events):
            if each.named:
                self.ledger(each.named)
            if each.subject[0] == INCIDENT:
                by_incident[each.subject].append(each)
            else:
                self.ledger(each.subject).arrive([replace(each, resource=each.subject)])
        for subject, facts in by_incident.items():
            ledger = self.ledger(subject)
            before = dict(ledger.outcomes)
            ledger.arrive(facts)
            for each in ledger.facts:
                if ledger.outcomes[each.identity] != before.get(each.identity):
                    self.reread(each)

    def reread(self, one: Fact) -> None:
        """Let every resource whose chronology an incident's fact is in, or was in, read it with its new meaning."""
        outcome = self.ledger(one.subject).outcomes[one.identity]
        read = replace(one, resource=outcome.resource, hold=outcome.hold, presses=outcome.presses)
        for subject in [each for each in self.ledgers if each[0] in RESOURCES]:
            ledger = self.ledger(subject)
            facts = [each for each in ledger.facts if each.identity != one.identity]
            if subject == outcome.resource:
                facts = sorted([*facts, read], key=lambda each: each.position)
            if facts != ledger.facts:
                ledger.facts = facts
                ledger.keep(chronology.refold(ledger, one.position, ledger.step))

    def shown(self) -> Shown:
        """What all of it comes to."""
        return {
            subject: incident_shown(ledger.standing.state, [(f, ledger.outcomes[f.identity]) for f in ledger.facts])
            if subject[0] == INCIDENT
            else resource_shown(subject[0], ledger.standing.state)
            for subject, ledger in self.ledgers.items()
        }


@examples(150, 2_000)
@given(ANY_KIND, st.randoms(use_true_random=False), st.sampled_from((1, 2, 3, 100)))
def test_a_history_comes_to_the_same_in_every_order_and_batching(
    events: list[Payload], chance: random.Random, checkpoint_every: int
) -> None:
    memory = Memory()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chronology, "CHECKPOINT_EVERY", checkpoint_every)
        for batch in shuffled(events, chance):
            memory.arrive(batch)
    assert memory.shown() == shown_of(events)


@examples(150, 2_000)
@given(ANY_KIND, st.integers(0, 12))
def test_what_was_shown_before_the_last_facts_came_does_not_matter(events: list[Payload], cut: int) -> None:
    memory = Memory()
    memory.arrive(events[cut:])
    assert memory.shown() == shown_of(events[cut:])
    memory.arrive(events[:cut])
    assert memory.shown() == shown_of(events)


# --- the database ---------------------------------------------------------------------------------------------


class Door:
    """An integration of a new team, its events sent in over HTTP and applied as the worker does."""

    def __init__(self, team: Team | None = None) -> None:
        token = secrets.token_hex(16)
        self.team = team or new_team()
        self.integration = Integration.objects.create(
            team=self.team, name=token, token_digest=keyed_digest(token), token_ciphertext=seal(token)
        )
        self.path = f"/api/webhooks/incident-log/{token}"

    def send(self, batch: list[Payload]) -> None:
        """One request: an event, or an array of them."""
        body = json.dumps(batch[0] if len(batch) == 1 else batch)
        with clock.at(AFTERNOON):
            answer = vendor().post(self.path, body, content_type="application/json")
        assert answer.status_code in (200, 202), answer.content

    def shown(self) -> Shown:
        """What is shown of the integration's records."""
        return shown_in_database(self.integration)

    def statuses(self) -> set[str]:
        """The verdicts on all its deliveries."""
        return set(self.integration.deliveries.values_list("status", flat=True))


@cache
def vendor() -> Client:
    """One client for all requests: making one looks at every static file."""
    return Client()


def new_team() -> Team:
    """A team in an organization of its own."""
    return Team.objects.create(organization=Organization.objects.create(name="Shops"), name="Web")


def apply_all() -> None:
    """The worker's apply, until nothing is due."""
    with clock.at(AFTERNOON):
        while applying.apply_due(clock.now()):
            pass


def shown_in_database(integration: Integration) -> Shown:
    """What the rows of an integration's records show, with the source's ids for ours."""
    mine = {"integration_id": integration.pk}
    resources = [*Monitor.objects.filter(**mine), *Heartbeat.objects.filter(**mine)]
    source_ids = {(each.kind, each.pk): each.source_id for each in resources}
    shown: Shown = {}
    for each in resources:
        columns = resource_shown(each.kind, resource_fold.ResourceState())
        shown[each.kind, each.source_id] = {name: getattr(each, name) for name in columns}
    for incident in Incident.objects.filter(**mine):
        shown["incident", incident.source_id] = incident_row_shown(incident, source_ids)
    return shown


def incident_row_shown(incident: Incident, source_ids: dict[Link, int]) -> dict[str, Any]:
    """What an incident's row and its facts' rows show."""
    columns = [name for name in incident_shown(incident_fold.IncidentState(), []) if hasattr(incident, name)]
    row = {name: getattr(incident, name) for name in columns}
    about = (incident.resource_type, incident.resource_id)
    facts = TimelineEvent.objects.filter(subject_kind=INCIDENT, subject_id=incident.pk)
    newest_first = list(facts.order_by("-occurred_at", "-rank", "-identity"))
    return row | {
        "resource_id": source_ids.get(about, incident.resource_id),  # type: ignore[arg-type]
        "updates": [
            (bytes(each.identity), entry["action"], entry["old"], entry["new"], entry["message"])
            for each in newest_first
            for entry in reversed(each.entries)
        ],
        "no_effect": [(bytes(each.identity), each.why) for each in reversed(newest_first) if each.effect == "none"],
        "corrected": [
            (bytes(each.identity), each.occurred_at, each.correction)
            for each in reversed(newest_first)
            if each.correction
        ],
    }


@contextmanager
def checkpoints_every(facts: int) -> Iterator[None]:
    """Checkpoints after every so many facts."""
    with pytest.MonkeyPatch.context() as patch:
        for room in (chronology, kept):
            patch.setattr(room, "CHECKPOINT_EVERY", facts)
        yield


def assert_rebuild_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """`rebuild --check` is clean, and nothing waits to be applied."""
    capsys.readouterr()
    call_command("rebuild", "--check")
    assert capsys.readouterr().out == "0 differences; 0 deliveries not applied yet.\n"


@pytest.mark.django_db(transaction=True)
def test_a_sample_of_pairs_comes_to_what_the_table_says_in_the_database(capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(1_083)
    for row in chance.sample(table(), 1_083 if FULL else SAMPLE):
        door = Door()
        events = list(events_of(row).values())
        chance.shuffle(events)
        for each in events:
            door.send([each])
            if chance.random() < 0.5:
                apply_all()
        apply_all()
        assert row_from(door.shown(), row) == row
    assert_rebuild_finds_nothing(capsys)


@cache
def every_triple() -> list[tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]]:
    """Types, moments and order of arrival of the 26,754 triples."""
    moments = [order for order in product(range(3), repeat=3) if set(order) == set(range(len(set(order))))]
    return list(product(product(INCIDENT_TYPES, repeat=3), moments, permutations(range(3))))


@pytest.mark.django_db(transaction=True)
def test_a_sample_of_triples_comes_to_the_same_in_the_database(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(every_triple()) == 26_754
    for names, moments, arrival in random.Random(26_754).sample(every_triple(), SAMPLE):
        told_events = zip(names, moments, strict=True)
        events = [event(name, at, message=f"number {place}") for place, (name, at) in enumerate(told_events)]
        door = Door()
        for place in arrival:
            door.send([events[place]])
            apply_all()
        assert door.shown() == shown_of(events)
    assert_rebuild_finds_nothing(capsys)


@pytest.fixture
def door_knows_our_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The door understands our own kinds too, so that they can be told to it like a vendor's."""
    for room in (ingest, applying):
        monkeypatch.setattr(room, "known_events", lambda type: EVENTS)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("door_knows_our_kinds")
@pytest.mark.parametrize("checkpoint_every", [100, 2])
def test_a_history_comes_to_the_same_through_the_door_and_the_database(
    capsys: pytest.CaptureFixture[str], checkpoint_every: int
) -> None:
    @examples(SAMPLE if checkpoint_every == 100 else 15, 300)
    @given(CORRECTED, st.randoms(use_true_random=False))
    def told_to_a_door(events: list[Payload], chance: random.Random) -> None:
        door = Door()
        for batch in shuffled(events, chance):
            door.send(batch)
            if chance.random() < 0.5:
                apply_all()
        apply_all()
        assert door.statuses() == {Verdict.APPLIED}
        assert door.shown() == shown_of(events)

    with checkpoints_every(checkpoint_every):
        told_to_a_door()
        assert_rebuild_finds_nothing(capsys)


@pytest.mark.django_db(transaction=True)
def test_the_same_event_heard_by_two_integrations_is_a_fact_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    team = new_team()
    doors = [Door(team), Door(team), Door()]
    events = [event("monitor.created", 0), event("incident.started", 1), event("incident.acknowledged", 2)]
    for door in doors:
        door.send(events)
    apply_all()
    for door in doors:
        assert door.statuses() == {Verdict.APPLIED}
        assert door.integration.deliveries.filter(fact=None).count() == 0
        assert door.shown() == shown_of(events)
    assert_rebuild_finds_nothing(capsys)


@pytest.mark.django_db(transaction=True)
def test_rebuilding_changes_nothing_that_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    told_so_far: list[tuple[Door, list[Payload]]] = []

    @examples(10, 50)
    @given(OF_A_VENDOR)
    def told_to_a_door(events: list[Payload]) -> None:
        door = Door()
        door.send(events)
        apply_all()
        told_so_far.append((door, events))

    told_to_a_door()
    call_command("rebuild")
    for door, events in told_so_far:
        assert door.shown() == shown_of(events)
    assert_rebuild_finds_nothing(capsys)


# --- many at once ---------------------------------------------------------------------------------------------


class Caller(Thread):
    """One of the connections that tell the same history at the same time, each in its own order and with repeats."""

    def __init__(self, door: Door, events: Sequence[Payload], start: Barrier, chance: random.Random) -> None:
        super().__init__()
        self.door = door
        self.batches = shuffled(events, chance)
        self.start_together = start
        self.trouble: Exception | None = None

    def run(self) -> None:
        try:
            self.start_together.wait(timeout=60)
            for batch in self.batches:
                self.door.send(batch)
                apply_some()
        except Exception as trouble:
            self.trouble = trouble
        finally:
            connection.close()


def apply_some() -> None:
    """One turn of the worker's apply. Like the worker it leaves database trouble, a deadlock say, to a later turn."""
    with clock.at(AFTERNOON), suppress(OperationalError):
        applying.apply_due(clock.now())


def told_by_many(events: Sequence[Payload], chance: random.Random) -> Door:
    """A door to which a history was told by 8 connections at once, all of them also applying."""
    door, start = Door(), Barrier(CONNECTIONS)
    callers = [Caller(door, events, start, random.Random(chance.random())) for _ in range(CONNECTIONS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert [caller.trouble for caller in callers] == [None] * CONNECTIONS
    apply_all()
    return door


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("door_knows_our_kinds")
def test_the_same_history_from_eight_connections_at_once_comes_to_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @examples(8, 40, phases=(Phase.generate,))  # what happens at once is no use to shrinking
    @given(LONG, st.randoms(use_true_random=False))
    def told_at_once(events: list[Payload], chance: random.Random) -> None:
        door = told_by_many(events, chance)
        assert door.statuses() == {Verdict.APPLIED}
        assert door.shown() == shown_of(events)
        assert_rebuild_finds_nothing(capsys)

    told_at_once()


def told_in_turn(*turns: tuple[Door, Payload]) -> None:
    """Each event sent and applied before the next."""
    for door, one in turns:
        door.send([one])
        apply_all()


class Applier(Thread):
    """A worker's turn on a connection of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: Exception | None = None

    def run(self) -> None:
        try:
            with clock.at(AFTERNOON):
                applying.apply_due(clock.now())
        except Exception as trouble:
            self.trouble = trouble
        finally:
            connection.close()


def sent_by_another(door: Door, one: Payload) -> None:
    """An event sent over another connection, and so committed whatever this one is about."""

    def send() -> None:
        door.send([one])
        connection.close()

    sender = Thread(target=send)
    sender.start()
    sender.join()


def wait_for_a_lock() -> None:
    """Return when some connection to this database waits for another one's lock."""
    for _ in range(500):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


@pytest.mark.django_db(transaction=True)
def test_an_incident_found_to_be_about_another_resource_meanwhile_holds_that_one_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    door, backup = Door(), ABOUT[2]
    told_in_turn((door, event("heartbeat.created", 0)), (door, event("incident.started", 5)))
    second, third = Applier(), Applier()
    read_standings = resource_keeper.standings

    def slowly(kind: str, ids: Iterable[int]) -> dict[int, Any]:
        """The second worker, having read how the heartbeat stands, dawdles until the third one is done."""
        found = read_standings(kind, ids)
        if kind == "heartbeat" and found and current_thread() is second:
            sent_by_another(door, event("heartbeat.down", 7))
            third.start()
            third.join(timeout=0.5)
        return found

    monkeypatch.setattr(resource_keeper, "standings", slowly)
    with transaction.atomic():
        # The first worker learns that the incident began with the heartbeat, while the second waits to apply another
        # fact of the incident, which was about the monitor when the second looked.
        door.send([event("incident.started", 1, message="earlier", **backup)])
        with clock.at(AFTERNOON):
            applying.apply_due(clock.now())
        sent_by_another(door, event("incident.reopened", 6))
        second.start()
        wait_for_a_lock()
    second.join()
    third.join()
    assert (second.trouble, third.trouble) == (None, None)
    apply_all()
    assert_rebuild_finds_nothing(capsys)
    assert door.statuses() == {Verdict.APPLIED}
