"""
Loading the demo while others work: all of it or nothing, once, and in nobody's way. With the story's last hours only.
"""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connections

from config import clock
from dashboard.demo import loading, story
from dashboard.demo.loading import load
from dashboard.demo.scripts import Script
from incidents.models import Incident
from integrations import applying, ingest
from integrations.models import InboundDelivery, Integration, Verdict
from teams.models import Organization, Team, User
from tests.conftest import an_event, make_integration, make_team
from timeline.outbound.models import Endpoint, Message


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def _only_the_last_hours(monkeypatch):
    """The whole story would take its time."""
    monkeypatch.setattr(loading, "story", last_hours)


def last_hours(now):
    """Only what is broken right now, which is enough to be in others' way."""
    script = Script(now, random.Random(1))
    story.right_now(script)
    return script.in_order()


def test_it_has_an_endpoint_to_look_at_and_sends_nothing(db):
    load(clock.now(), lambda *_: None)
    endpoint = Endpoint.objects.get()
    assert (endpoint.is_enabled, endpoint.disabled_why) == (False, "")
    assert not Message.objects.exists()


def test_a_load_that_ends_halfway_leaves_nothing_behind(db):
    def killed(begun, total):
        if begun == 5:
            raise Killed

    with pytest.raises(Killed):
        load(clock.now(), killed)
    for model in (Organization, Team, User, Integration, InboundDelivery, Incident):
        assert not model.objects.exists()
    assert load(clock.now(), lambda *_: None).is_new


@pytest.mark.django_db(transaction=True)
def test_two_loads_at_once_make_one_team():
    now = clock.now()

    def run(_):
        try:
            return load(now, lambda *_: None).is_new
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(run, range(2))) == [False, True]
    assert Team.objects.count() == 1
    assert Incident.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_the_worker_may_work_meanwhile_and_neither_takes_the_others_deliveries():
    elsewhere = make_integration(make_team())
    loaded = Event()

    def work():
        try:
            applied = 0
            while not loaded.is_set():
                applied += applying.apply_due(clock.now())
            return applied
        finally:
            connections.close_all()

    def meanwhile(begun, total):
        """Somebody else's event comes in while the load is under way."""
        with ThreadPoolExecutor(1) as other:
            other.submit(send_elsewhere, begun).result()

    def send_elsewhere(number):
        try:
            event = an_event("incident.started", clock.now(), incident_id=number)
            ingest.receive_from(elsewhere, json.dumps(event).encode(), {}, clock.now())
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        worker = pool.submit(work)
        try:
            team = load(clock.now(), meanwhile).team
        finally:
            while not worker.done() and InboundDelivery.objects.filter(status=Verdict.RECEIVED).exists():
                pass
            loaded.set()
        assert worker.result() == 5
    assert elsewhere.deliveries.filter(status=Verdict.APPLIED).count() == 5
    for delivery in elsewhere.deliveries.all():
        assert delivery.applied_at >= delivery.received_at
    assert not [each for each in team.timeline_events.all() if each.late_seconds]
    assert not team.deliveries.exclude(status=Verdict.APPLIED).exists()
