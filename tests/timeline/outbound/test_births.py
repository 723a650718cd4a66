import json
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from incidents import details, grouping, lifecycle, resources
from incidents.models import Incident, Severity
from integrations.models import IntegrationType
from monitors import lifecycle as watching
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event, make_integration, make_team, make_user, tell_it
from tests.made import EXAMPLES
from tests.timeline.outbound.conftest import an_endpoint, an_incident, later, messages
from timeline.models import TimelineEvent
from timeline.outbound import lifecycle as outbound
from timeline.outbound.engine import Engine
from timeline.outbound.installation import look
from timeline.outbound.lifecycle import delete_endpoint, replay
from timeline.outbound.models import Endpoint, Message
from timeline.outbound.retrying import Outcome

LONG_AGO, FOREVER = NOON - timedelta(days=30), NOON + timedelta(days=30)


@pytest.fixture
def endpoint(team):
    return an_endpoint(team)


def payloads(endpoint):
    return [
        json.loads(body)
        for body in Message.objects.filter(endpoint=endpoint).order_by("id").values_list("body", flat=True)
    ]


# --- with the fact --------------------------------------------------------------------------------------------


def test_a_message_is_born_with_its_fact(endpoint, user):
    incident = an_incident(endpoint.team, user)
    message = Message.objects.get()
    fact = TimelineEvent.objects.get()
    assert (message.team, message.endpoint, message.fact_id) == (endpoint.team, endpoint, fact.pk)
    assert (message.subject_kind, message.subject_id) == ("incident", incident.pk)
    assert (message.event, message.status, message.tries) == ("incident.started", "new", 0)
    assert (message.due_at, message.ended_at, message.created_at) == (None, None, NOON)


def test_what_is_rolled_back_is_told_to_nobody(endpoint, user):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        an_incident(endpoint.team, user)
        assert Message.objects.count() == 1
        raise ZeroDivisionError
    assert not Message.objects.exists()
    assert not TimelineEvent.objects.exists()


def test_the_endpoints_of_the_team_are_told_and_nobody_else_s(endpoint, user, other_team):
    stranger = an_endpoint(other_team)
    second = an_endpoint(endpoint.team)
    an_incident(endpoint.team, user)
    assert messages(endpoint) == messages(second) == [("incident.started", "new")]
    assert messages(stranger) == []
    assert len(set(Message.objects.values_list("webhook_id", flat=True))) == 1


@pytest.mark.parametrize("fields", [{"disabled_at": NOON}, {"deleted_at": NOON}, {"event_types": ["monitor.down"]}])
def test_an_endpoint_that_is_disabled_deleted_or_wants_other_events_is_told_nothing(team, user, fields):
    an_endpoint(team, **fields)
    an_incident(team, user)
    assert messages() == []


def test_further_events_go_to_those_who_asked(endpoint, user):
    further = an_endpoint(endpoint.team, further=True)
    incident = an_incident(endpoint.team, user)
    lifecycle.comment(incident, by=user, at=later(1), message="Looking")
    assert [event for event, _ in messages(endpoint)] == ["incident.started"]
    assert [event for event, _ in messages(further)] == ["incident.started", "incident.commented"]


def test_what_integrations_tell_is_passed_on_where_it_is_asked_for(endpoint, tell):
    relay = an_endpoint(endpoint.team, relay=True)
    tell(an_event("incident.started"), an_event("incident.acknowledged", later(1)))
    assert messages(endpoint) == []
    assert messages(relay) == [("incident.started", "new"), ("incident.acknowledged", "new")]
    assert [payload["incident_id"] for payload in payloads(relay)] == [Incident.objects.get().pk] * 2


def test_what_is_told_twice_is_passed_on_once(team, tell):
    relay = an_endpoint(team, relay=True)
    tell(an_event("monitor.down"))
    tell(an_event("monitor.down"))
    assert messages(relay) == [("monitor.down", "new")]


@pytest.mark.parametrize(
    ("way", "told"),
    [
        (["acknowledge", "close"], ["incident.acknowledged", "incident.resolved"]),
        (["resolve", "close"], ["incident.resolved"]),
        (["acknowledge", "resolve", "close"], ["incident.acknowledged", "incident.resolved"]),
    ],
)
def test_closing_a_live_incident_also_tells_of_its_end_to_those_who_do_not_take_closing(endpoint, user, way, told):
    further = an_endpoint(endpoint.team, further=True)
    incident = an_incident(endpoint.team, user)
    for number, verb in enumerate(way, start=1):
        getattr(lifecycle, verb)(incident, by=user, at=later(number))
    assert [event for event, _ in messages(endpoint)] == ["incident.started", *told]
    own = [
        {"acknowledge": "incident.acknowledged", "resolve": "incident.resolved", "close": "incident.closed"}[verb]
        for verb in way
    ]
    assert [event for event, _ in messages(further)] == ["incident.started", *own]


@pytest.mark.parametrize(("way", "ends"), [(["acknowledged"], 1), (["acknowledged", "resolved"], 0), ([], 0)])
def test_so_it_is_where_another_watchkeeper_closed_it(team, way, ends):
    relay, kin = an_endpoint(team, relay=True), make_integration(team, type=IntegrationType.WATCHKEEPER)
    for number, action in enumerate(["started", *way, "closed"]):
        tell_it(kin, an_event(f"incident.{action}", later(number), origin="wk_far", identity=f"{number:064x}"))
    born = [f"incident.{action}" for action in ["started", *way]] + ["incident.resolved"] * ends
    assert [event for event, _ in messages(relay)] == born
    Message.objects.update(status="delivered")
    assert replay(relay, since=LONG_AGO, until=FOREVER, at=NOON) == len(born)
    assert len(messages(relay)) == len(born)


def test_what_two_integrations_tell_alike_is_passed_on_of_each_one_s_incident(team, integration):
    relay = an_endpoint(team, relay=True)
    for each in (integration, make_integration(team, "The old one")):
        tell_it(each, an_event("incident.started"))
    assert {payload["incident_id"] for payload in payloads(relay)} == set(Incident.objects.values_list("pk", flat=True))
    assert len(messages(relay)) == 2


def test_messages_of_one_subject_are_born_in_the_order_of_its_facts(endpoint, user):
    incident = an_incident(endpoint.team, user)
    for number in range(5):
        lifecycle.resolve(incident, by=user, at=later(2 * number + 1))
        lifecycle.reopen(incident, by=user, at=later(2 * number + 2))
    facts = list(Message.objects.order_by("id").values_list("fact_id", flat=True))
    assert facts == sorted(facts)
    assert len(facts) == 11


# --- our acts as the log documents them -----------------------------------------------------------------------


@pytest.fixture
def everything(endpoint, user):
    """Every act of ours that the log has an event for; its payloads, by event."""
    team = endpoint.team
    for model, words in (
        (Monitor, {"name": "Shop", "url": "https://shop.example", "type": "status"}),
        (Heartbeat, {"name": "Backup", "period": 60, "grace": 60}),
    ):
        made = watching.create(model, team, by=user, at=later(0), **words)
        watching.pause(made, by=user, at=later(1))
        watching.unpause(made, by=user, at=later(2))
        incident = an_incident(team, user, later(3), resource=made, affected_regions=["eu-central-1"])
        lifecycle.acknowledge(incident, by=user, at=later(4))
        lifecycle.escalate(incident, by=user, at=later(5), targets=[user, team])
        grouping.group_anew(incident, by=user, at=later(6))
        details.change_severity(incident, by=user, at=later(7), severity=Severity.MINOR)
        lifecycle.resolve(incident, by=user, at=later(8))
        lifecycle.reopen(incident, by=user, at=later(9))
        lifecycle.destroy(incident, by=user, at=later(10))
        resources.destroy(made, by=user, at=later(11))
    return {payload["event"]: payload for payload in payloads(endpoint)}


NATIVE = sorted(
    EXAMPLES.keys() - {"monitor.down", "monitor.verifying_recovery", "heartbeat.down", "heartbeat.up"}  # nothing checks
)
# What our acts leave null: no vendor's policy, and no integration acted.
NULL = {"escalation_policy_id", "integration_name", "integration_type"}


def test_our_acts_go_out_as_the_log_documents_them(everything):
    assert sorted(everything) == NATIVE
    for name, payload in everything.items():
        documented = EXAMPLES[name]
        assert set(payload) == {"dt", "event", "message", "organization_id", "team_id", *documented}, name
        for field, value in documented.items():
            if field in NULL:
                assert payload[field] is None, (name, field)
            else:
                assert type(payload[field]) is type(value), (name, field)


def test_our_acts_name_our_ids(everything, team, user):
    payload = everything["incident.acknowledged"]
    incident, heartbeat = Incident.objects.latest("id"), Heartbeat.objects.get()
    assert payload["organization_id"] == team.organization.public_id
    assert payload["team_id"] == team.public_id
    assert payload["incident_id"] == incident.number
    assert (payload["resource_type"], payload["resource_id"], payload["resource_name"]) == (
        "heartbeat",
        heartbeat.pk,
        "Backup",
    )
    assert (payload["user_email"], payload["user_name"]) == ("alice@example.com", "Alice Johnson")
    assert everything["incident.escalated"]["escalation_targets"] == [
        {"type": "user", "id": user.pk, "name": "Alice Johnson"},
        {"type": "team", "id": team.pk, "name": "Operations"},
    ]


# --- after the fact -------------------------------------------------------------------------------------------


def test_a_time_range_is_told_again_under_the_same_ids_and_for_the_first_time_what_was_not_told(team, user):
    before = an_incident(team, user)
    endpoint = an_endpoint(team)
    lifecycle.resolve(before, by=user, at=later(1))
    told = Message.objects.get()
    Message.objects.update(status="delivered", ended_at=NOON, tries=3, why="x")
    assert replay(endpoint, since=LONG_AGO, until=FOREVER, at=NOON) == 2
    assert sorted(messages(endpoint)) == [("incident.resolved", "new"), ("incident.started", "new")]
    again = Message.objects.get(event="incident.resolved")
    assert (again.pk, again.webhook_id, again.body) == (told.pk, told.webhook_id, told.body)
    assert (again.tries, again.ended_at, again.why) == (0, None, "")
    assert set(Message.objects.values_list("due_at", flat=True)) == {NOON}  # asked for then, and waiting since


def test_what_waits_still_is_not_told_twice_by_a_replay(team, user):
    endpoint = an_endpoint(team)
    an_incident(team, user)
    Message.objects.update(status="due", due_at=later(60), tries=2)
    assert replay(endpoint, since=LONG_AGO, until=FOREVER, at=NOON) == 0
    assert Message.objects.values_list("status", "due_at", "tries").get() == ("due", later(60), 2)


def test_the_end_of_a_time_range_is_left_out(team, user):
    endpoint = an_endpoint(team, event_types=["incident.resolved"])
    incident = an_incident(team, user)
    lifecycle.resolve(incident, by=user, at=later(1))
    Message.objects.all().delete()
    assert replay(endpoint, since=NOON, until=later(1), at=NOON) == 0
    assert replay(endpoint, since=later(1), until=later(2), at=NOON) == 1


def test_a_closing_that_ended_a_live_incident_is_told_as_its_end_by_a_replay_too(team, user):
    endpoint = an_endpoint(team)
    for way in (("acknowledge", "close"), ("resolve", "close")):
        incident = an_incident(team, user)
        for number, verb in enumerate(way, start=1):
            getattr(lifecycle, verb)(incident, by=user, at=later(number))
    born = set(Message.objects.values_list("webhook_id", "event"))
    Message.objects.all().delete()
    assert replay(endpoint, since=LONG_AGO, until=FOREVER, at=NOON) == len(born) == 5
    assert set(Message.objects.values_list("webhook_id", "event")) == born


# --- side by side ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_who_deletes_an_endpoint_waits_for_what_is_just_being_told_to_it_and_gives_it_up():
    team = make_team()
    user = make_user("alice@example.com", team)
    endpoint = an_endpoint(team)

    def delete():
        try:
            delete_endpoint(Endpoint.objects.get(pk=endpoint.pk), at=NOON)
        finally:
            connection.close()

    with transaction.atomic():
        an_incident(team, user)
        deleting = threading.Thread(target=delete)
        deleting.start()
        deleting.join(0.5)
        assert deleting.is_alive()
    deleting.join(30)
    assert messages() == [("incident.started", "dead")]


@pytest.mark.django_db(transaction=True)
def test_who_acts_while_an_endpoint_is_deleted_waits_and_tells_it_nothing():
    team = make_team()
    user = make_user("alice@example.com", team)
    endpoint = an_endpoint(team)

    def act():
        try:
            an_incident(team, user)
        finally:
            connection.close()

    with transaction.atomic():
        delete_endpoint(endpoint, at=NOON)
        acting = threading.Thread(target=act)
        acting.start()
        acting.join(0.5)
        assert acting.is_alive()
    acting.join(30)
    assert Incident.objects.count() == 1
    assert messages() == []


@pytest.mark.django_db(transaction=True)
def test_who_deletes_an_endpoint_for_which_much_waits_keeps_nothing_from_happening_meanwhile(monkeypatch):
    team = make_team()
    user = make_user("alice@example.com", team)
    endpoint = an_endpoint(team)
    an_incident(team, user)
    really, happened = outbound.give_up, []

    def happen():
        try:
            an_incident(team, user, later(1), title="Meanwhile")
            happened.append("meanwhile")
        finally:
            connection.close()

    def slowly(found, **how):
        given_up = really(found, **how)
        if not happened:
            meanwhile = threading.Thread(target=happen)
            meanwhile.start()
            meanwhile.join(10)
            assert happened
        return given_up

    monkeypatch.setattr(outbound, "give_up", slowly)
    delete_endpoint(endpoint, at=NOON)
    assert messages() == [("incident.started", "dead")] * 2


@pytest.mark.django_db(transaction=True)
def test_a_replay_however_long_it_takes_holds_no_sending_up():
    team = make_team()
    endpoint = an_endpoint(team)
    an_incident(team, make_user("alice@example.com", team))
    look(NOON)
    engine = Engine()
    [parcel] = engine.turn(NOON, [], {})
    told = []

    def send():
        try:
            engine.turn(NOON, [(parcel, Outcome(NOON, NOON, 200))], {})
            told.extend(messages())
        finally:
            connection.close()

    with transaction.atomic():
        assert replay(endpoint, since=LONG_AGO, until=FOREVER, at=NOON) == 0
        sending = threading.Thread(target=send)
        sending.start()
        sending.join(10)
        assert told == [("incident.started", "delivered")]
    sending.join(30)
    assert replay(endpoint, since=LONG_AGO, until=FOREVER, at=NOON) == 1


# --- the last words of what is deleted ------------------------------------------------------------------------


def a_watched(model, team, user):
    details = {"url": "https://shop.example", "type": "status"} if model is Monitor else {"period": 60, "grace": 60}
    return watching.create(model, team, by=user, at=NOON, name="Shop", **details)


@pytest.mark.parametrize("model", [Monitor, Heartbeat])
def test_what_is_deleted_is_told_after_all_that_waits_of_its_incidents(endpoint, user, model):
    watched = a_watched(model, endpoint.team, user)
    an_incident(endpoint.team, user)
    an_incident(endpoint.team, user, at=later(1), resource=watched)
    resources.destroy(watched, by=user, at=later(2))
    of_incident = Message.objects.filter(event__startswith="incident.").order_by("id")
    assert [each.event for each in of_incident] == ["incident.started", "incident.started", "incident.resolved"]
    last = Message.objects.order_by("-id")[0]
    assert (last.event, last.after) == (f"{watched.kind}.destroyed", [of_incident[2].pk])
    assert not Message.objects.exclude(pk=last.pk).exclude(after=None).exists()


def test_what_is_over_of_them_is_not_waited_for(endpoint, user):
    watched = a_watched(Monitor, endpoint.team, user)
    an_incident(endpoint.team, user, at=later(1), resource=watched)
    Message.objects.update(status="delivered")
    watching.pause(watched, by=user, at=later(1))
    other = an_endpoint(endpoint.team, event_types=["monitor.destroyed"])
    resources.destroy(watched, by=user, at=later(2))
    resolved = Message.objects.get(event="incident.resolved")
    assert Message.objects.get(event="monitor.destroyed", endpoint=endpoint).after == [resolved.pk]
    assert Message.objects.get(endpoint=other).after is None


def test_replayed_they_come_in_the_same_order(endpoint, user):
    watched = a_watched(Monitor, endpoint.team, user)
    an_incident(endpoint.team, user, at=later(1), resource=watched)
    resources.destroy(watched, by=user, at=later(2))
    newer = an_endpoint(endpoint.team)
    replay(newer, since=LONG_AGO, until=FOREVER, at=later(3))
    last, resolved = Message.objects.filter(endpoint=newer).order_by("-id")[:2]
    assert (resolved.event, last.event, last.after) == ("incident.resolved", "monitor.destroyed", [resolved.pk])


def test_an_integration_s_batch_that_is_passed_on_is_told_in_that_order_too(team, integration):
    receiving = an_endpoint(team, relay=True)
    tell_it(
        integration,
        an_event("incident.started"),
        an_event("incident.resolved", later(60)),
        an_event("monitor.destroyed", later(60)),
    )
    resolved = Message.objects.get(endpoint=receiving, event="incident.resolved")
    assert Message.objects.get(endpoint=receiving, event="monitor.destroyed").after == [resolved.pk]
