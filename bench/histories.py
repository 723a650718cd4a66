"""
Short and long histories, and what folding one more fact into them costs.

Runs inside of Django, on a database of its own, and prints what it found as JSON. Each fact is taken back after it was
folded and written, so that a history stays as long as it is. Not here: what the figures mean (bench.fold).
"""

import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from bench import measure
from config.console import say
from incidents import keeper
from incidents.models import Incident
from integrations import applying, ingest
from integrations.lifecycle import open_integration
from integrations.models import InboundDelivery, Integration, IntegrationType
from teams.lifecycle import make_organization, make_team
from timeline import kept
from timeline.chronology import Fact
from timeline.ranks import RANKS
from timeline.record import NewFact, record

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
NOW = BEGINNING + timedelta(days=30)
SHORT, LONG = 10, 100_000
AT_ONCE = 1_000
# How far before the end of the long history a late fact belongs.
TAILS = (10, 1_000, 10_000)
# Facts folded for one figure: many that sort last, few of those that fold a tail again.
FACTS, LATE_FACTS = 30, 5
KINDS = ("escalated", "acknowledged", "resolved", "reopened")

numbers = itertools.count(LONG + 1)


def measured(rounds: int) -> None:
    """Make both histories if they are not there yet, measure, and print."""
    integration = made()
    short, long = Incident.objects.order_by("facts")[:2]
    latest = timedelta(milliseconds=2 * LONG)
    for incident in (short, long):
        cost(integration, incident, latest)
    figures = measure.alternate(
        rounds,
        *(lambda one=one: cost(integration, one, latest) for one in (short, long)),
    )
    tails = [late(integration, long, tail) for tail in TAILS]
    histories = [{"facts": one.facts, "milliseconds": found} for one, found in zip((short, long), figures, strict=True)]
    print(json.dumps({"histories": histories, "tails": tails, "batch": batch(integration)}))


def made() -> Integration:
    """An integration that told both histories; what of them is not there yet is told now."""
    integration = Integration.objects.first() or opened()
    for incident, length in ((1, SHORT), (2, LONG)):
        there = integration.team.incidents.filter(source_id=incident).values_list("facts", flat=True).first() or 0
        for part, some in enumerate(in_parts(event(incident, number) for number in range(there, length)), start=1):
            tell(integration, some)
            if part % 10 == 0:
                say(f"a history of {length:,} facts: {there + part * AT_ONCE:,} told")
    return integration


def opened() -> Integration:
    """The integration of a team of its own."""
    team = make_team(make_organization("Histories", at=BEGINNING), "Histories", at=BEGINNING)
    return open_integration(team, "Vendor", IntegrationType.OTHER, BEGINNING)[0]


def in_parts(events: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Events, some at a time."""
    while some := list(itertools.islice(events, AT_ONCE)):
        yield some


def event(incident: int, number: int, *, monitor: int | None = None) -> dict[str, Any]:
    """What the vendor tells of an incident for the so many-th time."""
    at = BEGINNING + timedelta(milliseconds=number)
    return {
        "dt": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "event": f"incident.{KINDS[number % 4] if number else 'started'}",
        "message": f"Event {number}",
        "organization_id": "org_123",
        "team_id": "team_456",
        "incident_id": incident,
        "incident_name": f"Incident {incident}",
        "resource_type": "monitor",
        "resource_id": incident if monitor is None else monitor,
        "resource_name": f"Monitor {incident}",
    }


def tell(integration: Integration, events: Sequence[dict[str, Any]]) -> None:
    """Let the vendor send events, and the worker apply them at once."""
    ingest.receive_from(integration, json.dumps(events).encode(), {}, NOW)
    while applying.apply_due(NOW, most=AT_ONCE):
        pass


def cost(integration: Integration, incident: Incident, after: timedelta, facts: int = FACTS) -> float:
    """The milliseconds that one fact takes, so long after the beginning: the median of some."""
    taken = []
    for _ in range(facts):
        with transaction.atomic():
            one = fact(incident, BEGINNING + after)
            begun = time.perf_counter()
            keeper.lock([incident.pk])
            record([NewFact(one, integration.team_id, integration.pk)], keeper.take_in_facts)
            taken.append(1000 * (time.perf_counter() - begun))
            transaction.set_rollback(True)
    return measure.median(taken)


def fact(incident: Incident, at: datetime) -> Fact:
    """A fact about an incident that is not recorded yet."""
    number = next(numbers)
    payload = event(incident.source_id or 0, number)
    assert incident.resource_id is not None
    resource = ("monitor", incident.resource_id)
    return Fact(
        "incident.escalated",
        at,
        RANKS["escalated"],
        number.to_bytes(32),
        payload,
        ("incident", incident.pk),
        resource,
        recorded_at=NOW,
    )


def late(integration: Integration, incident: Incident, tail: int) -> dict[str, float]:
    """What a fact costs that belongs so far before the end of an incident's history."""
    say(f"facts that come late, {tail:,} before the end")
    with folds() as done:
        milliseconds = cost(integration, incident, timedelta(milliseconds=LONG - tail - 0.5), LATE_FACTS)
    return {"tail": tail, "milliseconds": milliseconds, "steps": done["steps"] / LATE_FACTS}


@contextlib.contextmanager
def folds() -> Iterator[Counter[str]]:
    """Counts the folds, and the steps they take."""
    done: Counter[str] = Counter()
    real = kept.take_in

    def counted(*args: Any) -> Any:
        folded = real(*args)
        done.update(folds=1, steps=folded.steps)
        return folded

    kept.take_in = counted  # type: ignore[assignment]
    try:
        yield done
    finally:
        kept.take_in = real


def batch(integration: Integration) -> dict[str, int]:
    """How many histories a batch of events about few incidents of one monitor folds."""
    with transaction.atomic(), folds() as done:
        events = [event(100 + number % 5, number, monitor=100) for number in range(500)]
        ingest.receive_from(integration, json.dumps(events).encode(), {}, NOW)
        applying.apply(list(InboundDelivery.objects.filter(status="received")), NOW)
        transaction.set_rollback(True)
    return {"events": 500, "records": 6, "folds": done["folds"]}
