"""Corrections in the database: found by what they name, whatever comes first, and asked for where there are any."""

from datetime import timedelta
from itertools import takewhile

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents import corrections, lifecycle
from incidents.models import Incident
from tests.conftest import NOON, an_event, make_integration, tell_it
from tests.incidents.test_keeper import differences
from timeline import corrected
from timeline.models import TimelineEvent

LATER = NOON + timedelta(hours=2)


def of(name, minutes, **fields):
    return an_event(f"incident.{name}", NOON + timedelta(minutes=minutes), **fields)


@pytest.fixture
def incident(tell):
    tell(of("started", 0), of("resolved", 20))
    return Incident.objects.get()


def hide(incident, event, user):
    fact = TimelineEvent.objects.get(subject_id=incident.pk, event=f"incident.{event}")
    return corrections.correct(incident, fact.pk, by=user, at=LATER, reason="No.", hidden=True)


def asked(action):
    with CaptureQueriesContext(connection) as queries:
        action()
    return [each["sql"] for each in queries]


def test_an_incident_without_corrections_is_not_asked_for_them(incident, integration, user):
    asked_then = asked(lambda: tell_it(integration, of("escalated", 30)))
    assert not any("'corrects'" in sql for sql in asked_then)
    hide(incident, "resolved", user)
    asked_now = asked(lambda: tell_it(integration, of("escalated", 180)))
    assert len(asked_now) == len(asked_then) + 1
    assert len([sql for sql in asked_now if "'corrects'" in sql]) == 1


def test_corrections_of_another_incident_of_the_batch_are_asked_for_once(incident, integration, user):
    hide(incident, "resolved", user)
    events = [of("escalated", 180 + n, incident_id=n) for n in (201, 202, 203)]
    assert len([sql for sql in asked(lambda: tell_it(integration, *events)) if "'corrects'" in sql]) == 1


def test_corrections_are_found_by_an_index(incident, user):
    hide(incident, "resolved", user)
    with connection.cursor() as cursor:
        for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN {corrected.NAMING}", ['[{"id": 1, "hex": "00"}]'])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    found_by = plan.split("Index Scan using fact_correction")[1].split("Index Cond: ")[1].splitlines()[0]
    assert "subject_id" in found_by and "'corrects'" in found_by


def test_the_same_event_of_another_incident_is_not_corrected(incident, other_team, user):
    """Two integrations may tell the same, byte for byte; only the one that was meant is corrected."""
    tell_it(make_integration(other_team), of("started", 0), of("resolved", 20))
    hide(incident, "resolved", user)
    assert sorted(Incident.objects.values_list("status", flat=True)) == ["open", "resolved"]


def test_every_resource_that_an_incident_ever_named_is_known(incident, integration):
    tell_it(integration, of("escalated", 30, resource_type="heartbeat", resource_id=9))
    kinds = {kind for kind, _ in corrected.resources_named([incident.pk])}
    assert kinds == {"monitor", "heartbeat"}
    assert corrected.resources_named([]) == set()


def test_our_own_act_on_a_corrected_incident_costs_one_question_more(incident, user):
    def comment():
        lifecycle.comment(incident, by=user, at=LATER + timedelta(hours=1), message="Hm.")

    before = len(asked(comment))
    hide(incident, "resolved", user)
    assert len(asked(comment)) == before + 1


def test_whatever_an_incident_may_come_to_be_about_is_locked_first(incident, integration, user):
    """Hiding the event that named the monitor makes it the heartbeat's incident, which nobody may fold meanwhile."""
    tell_it(integration, of("escalated", 30, resource_type="heartbeat", resource_id=9))
    tell_it(integration, of("started", -5, resource_type="heartbeat", resource_id=9))
    first = TimelineEvent.objects.filter(event="incident.started").earliest("occurred_at")
    with CaptureQueriesContext(connection) as queries:
        corrections.correct(incident, first.pk, by=user, at=LATER, reason="No.", hidden=True)
    told = [query["sql"] for query in queries]
    before = list(takewhile(lambda sql: not sql.startswith(("INSERT", "UPDATE")), told))
    locking = [sql for sql in before if sql.endswith("FOR NO KEY UPDATE")]
    assert len(before) < len(told)
    assert all(any(f'"monitors_{kind}"' in sql for sql in locking) for kind in ("monitor", "heartbeat"))
    assert (Incident.objects.get().resource_type, differences()) == ("monitor", [])
