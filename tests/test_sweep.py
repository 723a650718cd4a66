"""The sweep that looks for broken reads: it reads every page there is, and it sees what is wrong with one."""

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection
from django.urls import URLResolver, get_resolver, resolve

from config import clock, health
from incidents.corrections import correct
from incidents.declaring import Declaration, declare
from incidents.grouping import group_anew
from incidents.lifecycle import comment
from incidents.models import Severity, Type
from integrations import counts
from monitors.lifecycle import create
from monitors.models import Heartbeat, Monitor
from teams.entry_links import invite
from teams.models import Role
from tests.conftest import NOON, an_event
from tests.endpoints import make_attempt, make_endpoint, make_message
from tests.readers import Answer, enter, in_process
from tests.sweep import BYTES, FRAGMENT, JSON, PAGE, Ground, Read, faults, is_alarming, marks, sweep
from tests.trust.conftest import FULL
from timeline.events import VENDOR_EVENTS
from timeline.outbound.lifecycle import disable

# Routes that a sweep does not read, each with the reason.
UNREAD = {
    "incidents.csv": "a file, read whole in tests.dashboard.test_downloads",
    "deliveries.csv": "likewise",
    **dict.fromkeys(
        (
            "logout",
            "team",
            "team/integrations/<int:pk>/address",
            "team/integrations/<int:pk>/reopen",
            "incidents/act",
            "incidents/<uuid:uuid>/act",
            "groups/<int:pk>/resolve",
            *(f"{kind}/<int:pk>/{verb}" for kind in ("monitors", "heartbeats") for verb in ("pause", "unpause")),
            "api/webhooks/incident-log",
            "api/webhooks/incident-log/<str:token>",
            "api/webhooks/incident-log/",
            "api/webhooks/incident-log/<str:token>/",
            "api/incidents/bulk",
            *(f"api/incidents/<str:uuid>/{verb}" for verb in ("reopen", "escalate", "group", "ungroup")),
            "api/incidents/<str:uuid>/timeline/corrections",
            "api/incidents/<str:uuid>/timeline/<str:event_id>/corrections",
            *(f"api/{kind}/<str:id>/{verb}" for kind in ("monitors", "heartbeats") for verb in ("pause", "unpause")),
            *(f"team/endpoints/<int:pk>/{verb}" for verb in ("enable", "disable", "test")),
            "team/messages/<int:pk>/redeliver",
            *(f"api/endpoints/<str:id>/{verb}" for verb in ("enable", "disable", "rotate-secret", "test", "replay")),
            "api/messages/<str:id>/redeliver",
            "admin/logout/",
        ),
        "a POST alone",
    ),
    "api/incidents/<str:uuid>/status": "a PUT alone",
    "heard": "answers a page that waits: with nothing, or that it be read again",
    "unsent": "shows what was typed when a session had ended, else leads away",
    "link/<str:token>": "its token is kept nowhere",
    "admin": "leads to admin/",
    "admin/login/": "leads to /login",
    "admin/password_change/": "shows no record",
    "admin/password_change/done/": "shows no record",
    "admin/teams/user/<id>/password/": "shows no more than the name",
    "admin/jsi18n/": "Django's own words",
}
# Pages of records that nobody changes: there is nothing to add, to delete, or to read in their history.
OF_RECORDS = ("add/", "<path:object_id>/history/", "<path:object_id>/delete/", "<path:object_id>/")
# The patterns of admin for an app, and for what is not there.
CATCHING = ("admin/(?P<app_label>", "admin/(?P<url>")


def routes(resolver, before=""):
    """The routes of all pages."""
    for each in resolver.url_patterns:
        here = before + str(each.pattern).lstrip("^")
        if isinstance(each, URLResolver):
            yield from routes(each, here)
        else:
            yield here


def ask(sql, *parameters):
    """Rows; in a sample only so many of them, from the first to the last."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
    return rows if FULL else rows[:: len(rows) // 8 + 1]


@pytest.fixture
def told(tell, integration, ingest_key):
    """A bit of everything, with what is not applied among it."""
    Group.objects.create(name="Night shift")
    counts.count_all({(integration.pk, counts.SIGNATURE): 1}, NOON)
    acted = {"user_email": "bob@example.com", "user_name": "Bob <b>"}
    minutes = range(len(VENDOR_EVENTS))
    tell(*[an_event(name, NOON.replace(minute=at)) for name, at in zip(VENDOR_EVENTS, minutes, strict=True)])
    tell(
        *[an_event("incident.started", NOON, incident_id=number, incident_name=f"<i>{number}") for number in (1, 2)],
        an_event("incident.acknowledged", NOON.replace(minute=1), incident_id=1, **acted),
        an_event("incident.acknowledged", incident_id=-1),
        an_event("monitor.checked"),
    )
    tell(an_event("incident.started", NOON + timedelta(days=1), incident_id=3), at=NOON)


@pytest.fixture
def ours(team, user, told):
    """What staff make and say here: resources, an incident in a group, and corrections of its history."""
    invite(team, "new@example.com", Role.VIEWER, by=user, at=NOON)
    endpoint = make_endpoint(team, description="<b>Hook</b>")
    make_attempt(make_message(endpoint, status="dead", ended_at=NOON, why="<b>"), error="<b>", excerpt="<script>")
    disable(make_endpoint(team), at=NOON, why="It answered 410: it is gone.")
    said = {"by": user, "at": NOON.replace(hour=14)}
    monitor = create(Monitor, team, name="Shop <b>", url="https://shop.example", type="status", **said)
    create(Heartbeat, team, name="Backup", period=3600, grace=60, **said)
    declaration = Declaration(Severity.MAJOR, Type.OTHER, "<i>Shut", started_at=NOON, affected=(monitor,))
    incident = declare(team, declaration, **said)
    group_anew(incident, "<b>", **said)
    note = comment(incident, message="Shut since noon", **said)
    correct(incident, note.pk, message="<u>Shut", reason="a typo", **said)
    correct(incident, note.pk, hidden=True, reason="of another shop", **said)


@pytest.fixture
def ground(team, ours):
    readers = enter(team)
    for loop in settings.WORKER_LOOPS:
        health.report_loop(loop, clock.now())
    return Ground(in_process(readers), ask, team.pk)


def test_a_sweep_reads_every_page_there_is_and_finds_them_sound(ground):
    read = []

    def noted(path, whom, **headers):
        read.append(path)
        return ground.get(path, whom, **headers)

    assert sweep(Ground(noted, ask, ground.team)) == []
    met = {resolve(path.partition("?")[0]).route.replace("^", "") for path in read}
    unread = {route for route in routes(get_resolver()) if route.replace("^", "") not in met}
    meant = {route for route in unread if not route.endswith(OF_RECORDS) and not route.startswith(CATCHING)}
    assert meant == UNREAD.keys()


def test_after_an_oddity_only_what_is_new_is_read(ground, tell):
    before = marks(ground)
    read = []

    def noted(path, whom, **headers):
        read.append(path)
        return ground.get(path, whom, **headers)

    tell(an_event("incident.started", NOON.replace(hour=13), incident_id=99), at=NOON.replace(hour=14))
    assert sweep(Ground(noted, ask, ground.team), before) == []
    [(uuid,)] = ask("SELECT uuid FROM incidents_incident WHERE source_id = 99")
    assert f"/incidents/{uuid}" in read
    assert len(read) < 30


SOUND = {"content-type": "application/json", "x-content-type-options": "nosniff", "content-security-policy": "x"}
SOUND_PAGE = "<html><script src='x'></script><p title=\"<b onclick='x'>\">&lt;script&gt;</p></html>"


@pytest.mark.parametrize(
    ("shape", "body"), [(PAGE, SOUND_PAGE), (FRAGMENT, "<li>"), (JSON, '{"success": true, "data": {"a_at": null}}')]
)
def test_what_is_sound_has_no_faults(shape, body):
    assert list(faults(Read("/", "", shape), Answer(200, SOUND, body.encode()))) == []


@pytest.mark.parametrize(
    ("shape", "body", "words"),
    [
        (PAGE, "<html><p>", "cut"),
        (PAGE, "<html><script>alert(1)</script></html>", "active"),
        (PAGE, '<html><a href="javascript:alert(1)">x</a></html>', "active"),
        (PAGE, "<html><a href='JavaScript:alert(1)'>x</a></html>", "active"),
        (FRAGMENT, '<img alt="x" onerror="alert(1)">', "active"),
        (FRAGMENT, "<svg onload=alert(1)>", "active"),
        (FRAGMENT, b"\xff", "UTF-8"),
        (JSON, '{"success": true', "not JSON"),
        (JSON, '{"success": true, "data": NaN}', "not JSON"),
        (JSON, '{"success": false}', "no success"),
        (JSON, '{"success": true, "data": [{"started_at": "2026-05-13T12:00:00+00:00"}]}', "started_at"),
        (BYTES, "x", "not kept apart"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(shape, body, words):
    raw = body if isinstance(body, bytes) else body.encode()
    [said] = faults(Read("/", "", shape), Answer(200, SOUND, raw))
    assert words in said


def test_a_status_that_is_not_200_is_a_fault_and_so_is_a_missing_header():
    assert list(faults(Read("/", ""), Answer(500, SOUND, b"")))
    assert list(faults(Read("/", "", JSON), Answer(200, {"content-type": "application/json"}, b"{}"))) == ["no nosniff"]


def test_a_traceback_in_the_log_is_told(ground):
    lines = [
        '{"event": "request", "level": "info"}',
        '{"level": "error", "event": "x"}',
        "Traceback (most recent…",
        "?",
    ]
    assert [is_alarming(line) for line in lines] == [False, True, True, True]
    with clock.at(NOON):
        said = sweep(Ground(ground.get, ask, ground.team, lambda: lines), marks(ground))
    assert [line.partition(" ")[0] for line in said] == ["log:"] * 3
    assert json.loads(said[0].removeprefix("log: "))["level"] == "error"
