"""What another Watchkeeper's staff do to an incident of ours that is mirrored there, and what of it is taken."""

import json
from datetime import timedelta

import pytest

from incidents import lifecycle, updates
from incidents.declaring import Declaration, declare
from incidents.models import Incident, Severity, Type
from integrations import applying, ingest, replay
from integrations.lifecycle import edit_integration, open_integration
from integrations.models import IntegrationType, Verdict
from integrations.taking import NOT_LET, NOT_THERE, STAYS, TRAVELS
from monitors import lifecycle as resources
from monitors.models import Monitor
from teams.models import Role
from tests.conftest import NOON, make_integration, make_user, rfc
from tests.dashboard.conftest import logged_in, words
from tests.endpoints import make_endpoint
from timeline.identity import event_identity
from timeline.outbound.installation import this_installation
from timeline.outbound.models import Message

MINUTE = timedelta(minutes=1)
THEIRS = {"organization_id": "org_theirs", "team_id": "team_theirs"}


@pytest.fixture
def door(team):
    """Where the other Watchkeeper, which mirrors us, tells what happens there."""
    return make_integration(team, "The other one", type=IntegrationType.WATCHKEEPER, may_act=True)


@pytest.fixture
def shop(team, user):
    return resources.create(Monitor, team, by=user, at=NOON, name="Shop", url="https://shop.example", type="status")


@pytest.fixture
def incident(team, user, shop):
    return declared(team, user, shop)


def declared(team, user, shop, at=NOON):
    declaration = Declaration(Severity.MAJOR, Type.TIMEOUT, "It is away", "Shop is down", resource=shop)
    return declare(team, declaration, by=user, at=at)


def origin_of(incident):
    return {
        "installation": this_installation().public_id,
        "organization_id": incident.team.organization.public_id,
        "team_id": incident.team.public_id,
        "incident_id": incident.pk,
    }


def an_act(incident, action="acknowledged", at=NOON + MINUTE, **fields):
    """What its staff did there, as the other Watchkeeper tells it, under its own ids."""
    event = {
        "dt": rfc(at), "event": f"incident.{action}", "message": f"Somebody {action} it", **THEIRS, "incident_id": 4711,
        "incident_name": "Shop is down", "resource_type": "monitor", "resource_id": 815, "resource_name": "Shop",
        "user_email": "zoe@example.org", "user_name": "Zoe", "integration_name": None, "integration_type": None,
        "origin": "wk_other", "incident_origin": origin_of(incident),
    } | fields  # fmt: skip
    return {"identity": event_identity(event).hex()} | event


def hear(door, *events, at=NOON + 5 * MINUTE):
    """Let the other one tell that, and the worker apply it; the deliveries."""
    answers = [ingest.receive_from(door, json.dumps(event).encode(), {}, at) for event in events]
    while applying.apply_due(at):
        pass
    return [door.deliveries.get(pk=answer.id) for answer in answers]


DETAILS = {
    "severity_changed": {"severity": "critical"},
    "assigned": {"assignee_id": 7, "assignee_email": "zoe@example.org", "assignee_name": "Zoe"},
    "updated": {"title": "The shop is gone"},
    "commented": {"comment": "Looking."},
    "closed": {},
}


@pytest.mark.parametrize("event", TRAVELS)
def test_what_travels_is_taken_as_the_integration_s_fact_about_our_incident(door, incident, user, event):
    action = event.removeprefix("incident.")
    if action in ("reopened", "closed"):
        lifecycle.acknowledge(incident, by=user, at=NOON + MINUTE / 2)
    [delivery] = hear(door, an_act(incident, action, **DETAILS.get(action, {})))
    assert (delivery.status, delivery.incident_id, delivery.fact.integration_id) == ("applied", incident.pk, door.pk)
    assert (delivery.fact.user_id, delivery.fact.user_name, delivery.fact.effect) == (None, "Zoe", "applied")
    assert list(Incident.objects.all()) == [incident]
    assert Monitor.objects.count() == 1
    incident.refresh_from_db()
    assert incident.title == ("The shop is gone" if action == "updated" else "Shop is down")
    assert incident.assignee_id is None
    told = [*updates.updates(incident, 10).rows, *updates.notes(incident, 10).rows]
    assert "Zoe" in [each["user_name"] for each in told]


@pytest.mark.parametrize("action", ["grouped", "ungrouped", "escalated", "destroyed", "corrected"])
def test_what_stays_where_it_was_made_is_answered_and_makes_nothing_here(door, incident, action):
    [delivery] = hear(door, an_act(incident, action, incident_group_id=9))
    assert (delivery.status, delivery.error) == (Verdict.DUPLICATE, STAYS)
    assert list(Incident.objects.values_list("facts", flat=True)) == [1]


def test_what_came_through_a_third_installation_is_not_taken(door, incident):
    [delivery] = hear(door, an_act(incident, via=["wk_other", "wk_third"]))
    assert (delivery.status, delivery.error) == (Verdict.DUPLICATE, STAYS)
    assert Incident.objects.get().facts == 1


def test_an_incident_that_the_team_does_not_have_is_one_text_for_all(door, incident, other_team, user, tell):
    foreign = declared(other_team, make_user("x@example.com", other_team), None)
    mirrored = Incident.objects.create(
        team=door.team, integration_id=door.pk, source_organization_id="o", source_team_id="t", source_id=1,
        source_key=b"k" * 32,
    )  # fmt: skip
    about = [
        origin_of(foreign),
        origin_of(mirrored),
        origin_of(incident) | {"incident_id": 10**15},
        origin_of(incident) | {"team_id": other_team.public_id},
        origin_of(incident) | {"organization_id": "org_123"},
    ]
    deliveries = hear(door, *(an_act(incident, incident_origin=each) for each in about))
    assert {each.status for each in deliveries} == {Verdict.QUARANTINED}
    assert [each.error for each in deliveries] == [NOT_THERE] * 5
    assert {each.incident_id for each in deliveries} == {None}
    assert Incident.objects.filter(facts__gt=1).count() == 0


@pytest.mark.parametrize("told", [None, "x", {}, {"installation": "wk", "incident_id": "7"}, {"incident_id": 2**63}])
def test_what_says_nothing_sound_of_whose_incident_it_is_is_about_one_of_its_own(door, incident, told):
    [delivery] = hear(door, an_act(incident, incident_origin=told))
    assert delivery.status == Verdict.APPLIED
    assert Incident.objects.get(integration_id=door.pk).source_id == 4711


def test_an_act_on_an_incident_of_another_installation_is_mirrored_as_ever(door, incident):
    [delivery] = hear(door, an_act(incident, incident_origin=origin_of(incident) | {"installation": "wk_elsewhere"}))
    assert delivery.incident_id == Incident.objects.get(integration_id=door.pk).pk
    assert Incident.objects.get(integration_id=door.pk).origin is None


def test_only_a_watchkeeper_acts_on_our_incidents(team, incident):
    vendor = make_integration(team, "Vendor", may_act=True)
    make_endpoint(team)
    before = Message.objects.count()
    [delivery] = hear(vendor, an_act(incident))
    assert delivery.incident_id != incident.pk
    assert "incident_origin" not in delivery.fact.payload
    assert Message.objects.count() == before


def test_who_may_not_act_has_it_kept_until_a_manager_decides(door, incident, user):
    edit_integration(door, name="The other one", type=door.type, count_only=[], may_act=False)
    [delivery] = hear(door, an_act(incident))
    assert (delivery.status, delivery.error) == (Verdict.QUARANTINED, NOT_LET)
    edit_integration(door, name="The other one", type=door.type, count_only=[], may_act=True)
    change = replay.replay(delivery, by=user, at=NOON + 9 * MINUTE)
    assert (change.verdict, change.subject, change.before, change.after) == (
        "applied", "Shop is down", "open", "acknowledged",
    )  # fmt: skip


def test_a_new_integration_of_a_watchkeeper_may_act_and_one_that_was_there_may_not(team):
    for type in IntegrationType:
        made, _ = open_integration(team, type.label, type, NOON)
        assert made.may_act is (type == IntegrationType.WATCHKEEPER)
    assert make_integration(team, "Of before", type=IntegrationType.WATCHKEEPER).may_act is False


# --- the one-live rule ----------------------------------------------------------------------------------------


@pytest.fixture
def resolved(team, user, shop, incident):
    """An incident of the shop that is over, and another one that is live."""
    lifecycle.resolve(incident, by=user, at=NOON + MINUTE)
    return incident, declared(team, user, shop, NOON + 2 * MINUTE)


def test_an_act_that_would_make_a_second_incident_live_is_kept_aside_and_hinders_nobody(door, resolved, user):
    first, second = resolved
    reopening = an_act(first, "reopened", NOON + 3 * MINUTE)
    others = [an_act(second, "commented", NOON + 3 * MINUTE, comment=str(n)) for n in range(5)]
    [aside, *applied] = hear(door, reopening, *others)
    assert (aside.status, aside.incident_id, aside.error["code"]) == (Verdict.QUARANTINED, first.pk, "CONFLICT")
    assert f'Incident {second.number}, "Shop is down", of this monitor is live' in aside.error["message"]
    assert aside.error["details"] == {"incident_id": str(second.uuid), "number": second.number}
    assert {each.status for each in applied} == {Verdict.APPLIED}
    page = words(logged_in(user).get(f"/incidents/{first.uuid}"))
    assert "was kept aside." in page
    assert f"Incident {second.number}" in page
    lifecycle.resolve(second, by=user, at=NOON + 6 * MINUTE)
    assert replay.replay(aside, by=user, at=NOON + 7 * MINUTE).after == "open"
    assert "was kept aside." not in words(logged_in(user).get(f"/incidents/{first.uuid}"))


# --- and on -----------------------------------------------------------------------------------------------------------


def test_what_was_taken_goes_on_to_our_endpoints_as_an_act_of_ours_does(door, incident, shop):
    plain, whole = make_endpoint(door.team), make_endpoint(door.team, further=True)
    act = an_act(incident)
    hear(door, act)
    [documented] = [json.loads(each.body) for each in Message.objects.filter(endpoint=plain)]
    [further] = [json.loads(each.body) for each in Message.objects.filter(endpoint=whole)]
    team = door.team
    ids = {
        "organization_id": team.organization.public_id, "team_id": team.public_id, "incident_id": incident.pk,
        "resource_id": shop.pk,
    }  # fmt: skip
    assert {name: documented[name] for name in ids} == ids == {name: further[name] for name in ids}
    assert documented["user_email"] == "zoe@example.org"
    assert not {"origin", "via", "identity", "incident_origin"} & documented.keys()
    assert "incident_origin" not in further
    assert (further["origin"], further["via"]) == ("wk_other", ["wk_other", this_installation().public_id])
    assert further["identity"] == act["identity"]


# --- from the other end -----------------------------------------------------------------------------------------------


@pytest.fixture
def mirrored(door):
    """An incident of the other one's, mirrored here."""
    event = {
        "dt": rfc(NOON), "event": "incident.started", "message": "It is away", **THEIRS, "incident_id": 4711,
        "incident_name": "Till is down", "origin": "wk_other",
    }  # fmt: skip
    hear(door, {"identity": event_identity(event).hex()} | event)
    return Incident.objects.get(integration_id=door.pk)


def test_what_staff_do_to_a_mirrored_incident_says_whose_it_is_and_goes_only_where_its_start_went(mirrored, user):
    deaf, whole, terse = (
        make_endpoint(mirrored.team, further=True),
        make_endpoint(mirrored.team, further=True, relay=True),
        make_endpoint(mirrored.team, relay=True),
    )
    lifecycle.acknowledge(mirrored, by=user, at=NOON + MINUTE)
    assert not Message.objects.filter(endpoint=deaf).exists()
    about = {"installation": "wk_other", **THEIRS, "incident_id": 4711}
    for endpoint in (whole, terse):
        [sent] = [json.loads(each.body) for each in Message.objects.filter(endpoint=endpoint)]
        assert (sent["incident_id"], sent["origin"], sent["incident_origin"]) == (
            mirrored.pk, this_installation().public_id, about,
        )  # fmt: skip


def test_what_was_done_before_acts_said_so_is_not_replayed_to_who_never_heard_of_its_start(mirrored, user):
    from timeline.kept import facts_of
    from timeline.outbound.births import announce_again

    lifecycle.acknowledge(mirrored, by=user, at=NOON + MINUTE)
    facts = facts_of(("incident", mirrored.pk))
    del facts[1].payload["incident_origin"]
    assert announce_again(make_endpoint(mirrored.team), facts, at=NOON) == 0
    assert announce_again(make_endpoint(mirrored.team, relay=True), facts, at=NOON) == 2


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        (None, "recorded here only. No endpoint passes it on."),
        ({"further": True}, "recorded here only. No endpoint passes it on."),
        ({"relay": True, "event_types": ["monitor.down"]}, "recorded here only. No endpoint passes it on."),
        ({"relay": True}, "it is done there, too: acknowledging, resolving and reopening. The rest is recorded here"),
        ({"relay": True, "further": True}, "severity, assignee, edits and notes. The rest is recorded here only."),
    ],
)
def test_the_page_says_how_far_an_act_goes(mirrored, user, wishes, said):
    if wishes:
        make_endpoint(mirrored.team, **wishes)
    page = words(logged_in(user).get(f"/incidents/{mirrored.uuid}"))
    assert said in page and page.count("recorded here only") == 1


def test_of_what_a_vendor_or_a_third_one_told_it_says_that_it_is_recorded_here_only(team, user, tell, door, mirrored):
    from tests.conftest import an_event

    make_endpoint(team, relay=True, further=True)
    tell(an_event("incident.started", incident_name="Vendor's"))
    page = words(logged_in(user).get(f"/incidents/{Incident.objects.get(title='Vendor' + chr(39) + 's').uuid}"))
    assert "recorded here only. Better Stack is not told." in page
    event = {
        "dt": rfc(NOON), "event": "incident.started", "message": "x", **THEIRS, "incident_id": 5,
        "incident_name": "Third", "origin": "wk_first", "via": ["wk_first", "wk_other"],
    }  # fmt: skip
    hear(door, {"identity": event_identity(event).hex()} | event)
    page = words(logged_in(user).get(f"/incidents/{Incident.objects.get(title='Third').uuid}"))
    assert "recorded here only. The other one did not tell of it as of its own" in page


def test_its_page_says_that_an_integration_of_before_may_not_act(team, door):
    mary = make_user("mary@example.com", team, Role.MANAGER)
    page = f"/team/integrations/{door.pk}"
    assert "may not act" not in words(logged_in(mary).get(page))
    edit_integration(door, name=door.name, type=door.type, count_only=[], may_act=False)
    assert "It may not act on this team’s incidents." in words(logged_in(mary).get(page))
    form = {"name": door.name, "type": door.type, "count_only": "", "may_act": "on"}
    logged_in(mary).post(f"{page}/edit", form)
    door.refresh_from_db()
    assert door.may_act
