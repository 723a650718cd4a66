"""Groups of incidents, ours and sources'."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection

from config.errors import Conflict
from incidents import grouping, lifecycle
from incidents.declaring import declare
from incidents.models import Incident, IncidentGroup
from tests.conftest import NOON, an_event, make_integration, tell_it
from tests.incidents.conftest import a_declaration
from timeline.events import validate
from timeline.models import TimelineEvent

LATER = NOON + timedelta(hours=2)


@pytest.fixture
def group(team):
    return grouping.make_group(team, "Provider outage", at=NOON)


def test_an_incident_is_put_into_a_group_and_taken_out_again(declared, user, group):
    fact = grouping.group(declared, group, by=user, at=LATER)
    assert (declared.incident_group_id, declared.incident_group_native) == (group.pk, True)
    assert grouping.group_of(declared) == group and list(grouping.incidents_of(group)) == [declared]
    assert fact.payload["message"] == (
        'Incident "Checkout is slow" grouped into incident group "Provider outage" by alice@example.com'
    )
    assert (fact.entries[0]["new"], fact.entries[0]["message"]) == (str(group.pk), 'Grouped into "Provider outage"')
    assert (judged := validate(fact.payload, LATER)).fields == {} and not judged.ignored
    assert grouping.group(declared, group, by=user, at=LATER) is None
    out = grouping.ungroup(declared, by=user, at=LATER)
    assert 'taken out of incident group "Provider outage" by alice@example.com' in out.payload["message"]
    assert (declared.incident_group_id, declared.incident_group_native) == (None, False)
    assert grouping.ungroup(declared, by=user, at=LATER) is None
    assert not grouping.incidents_of(group).exists()


def test_a_new_group_is_called_as_its_first_incident_unless_it_is_given_a_name(declared, user):
    made, fact = grouping.group_anew(declared, by=user, at=LATER)
    assert fact.event == "incident.grouped"
    assert (made.name, made.team, grouping.group_of(declared)) == ("Checkout is slow", declared.team, made)
    other, _ = grouping.group_anew(declared, "Another", by=user, at=LATER)
    assert (other.name, grouping.group_of(declared)) == ("Another", other)
    assert not grouping.incidents_of(made).exists()


def test_neither_a_deleted_incident_nor_another_team_s_group_can_be_grouped(declared, user, group, other_team):
    theirs = grouping.make_group(other_team, "Theirs", at=NOON)
    with pytest.raises(Conflict, match="different teams"):
        grouping.group(declared, theirs, by=user, at=LATER)
    lifecycle.destroy(declared, by=user, at=LATER)
    with pytest.raises(Conflict, match="It is deleted"):
        grouping.group(declared, group, by=user, at=LATER)
    with pytest.raises(Conflict, match="It is deleted"):
        grouping.group_anew(declared, by=user, at=LATER)
    assert IncidentGroup.objects.count() == 2


def test_a_source_s_group_becomes_a_record_of_its_own_for_each_of_the_source_s_teams(team, tell, integration):
    tell(
        an_event("incident.grouped", incident_id=1, incident_group_id=999),
        an_event("incident.grouped", incident_id=2, incident_group_id=999),
        an_event("incident.grouped", incident_id=3, incident_group_id=999, team_id="another"),
    )
    other = make_integration(team, "Another")
    tell_it(other, an_event("incident.grouped", incident_id=1, incident_group_id=999))
    groups = IncidentGroup.objects.order_by("integration_id", "-source_team_id")
    assert [(each.integration_id, each.source_team_id, each.source_id) for each in groups] == [
        (integration.pk, "team_456", 999),
        (integration.pk, "another", 999),
        (other.pk, "team_456", 999),
    ]
    assert [[one.source_id for one in grouping.incidents_of(each).order_by("source_id")] for each in groups] == [
        [1, 2], [3], [1],
    ]  # fmt: skip
    assert all(grouping.group_of(one) == each for each in groups for one in grouping.incidents_of(each))
    assert str(groups[0]) == "Incident group 999"


def test_our_ids_and_a_source_s_never_mix(declared, user, group, tell):
    tell(an_event("incident.grouped", incident_group_id=group.pk))
    mirrored = Incident.objects.get(source_id=201)
    grouping.group(declared, group, by=user, at=LATER)
    assert list(grouping.incidents_of(group)) == [declared]
    theirs = grouping.group_of(mirrored)
    assert theirs != group and list(grouping.incidents_of(theirs)) == [mirrored]


def test_ours_can_join_a_source_s_group_and_a_source_s_ours(declared, user, group, tell):
    tell(an_event("incident.grouped", incident_group_id=5))
    mirrored = Incident.objects.get(source_id=201)
    theirs = grouping.group_of(mirrored)
    grouping.group(declared, theirs, by=user, at=LATER)
    assert set(grouping.incidents_of(theirs)) == {declared, mirrored}
    grouping.group(mirrored, group, by=user, at=LATER)
    assert list(grouping.incidents_of(group)) == [mirrored]
    assert grouping.group(mirrored, group, by=user, at=LATER) is None


def test_all_that_is_live_in_a_group_is_resolved_one_by_one(team, user, bob, group):
    incidents = [declare(team, a_declaration(title=f"No. {n}"), by=user, at=NOON) for n in range(4)]
    for each in incidents:
        grouping.group(each, group, by=user, at=NOON)
    lifecycle.resolve(incidents[0], by=bob, at=NOON)
    lifecycle.destroy(incidents[1], by=bob, at=NOON)
    assert grouping.live_in([group]) == {each.pk for each in incidents[2:]}
    everything = [each.pk for each in incidents]
    done = grouping.resolve_some(group, everything, by=user, at=LATER)
    assert [(each.incident, each.fact.event, each.refused) for each in done] == [
        (incident, "incident.resolved", None) for incident in incidents[2:]
    ]
    assert grouping.resolve_some(group, everything, by=user, at=LATER) == []


def test_of_several_one_that_is_refused_stops_none_of_the_others(team, user):
    incidents = [declare(team, a_declaration(), by=user, at=NOON) for _ in range(3)]
    lifecycle.acknowledge(incidents[0], by=user, at=NOON)
    lifecycle.resolve(incidents[1], by=user, at=NOON)
    done = grouping.one_by_one(incidents, lambda each: lifecycle.acknowledge(each, by=user, at=LATER))
    assert [bool(each.fact) for each in done] == [False, False, True]
    assert [bool(each.refused) for each in done] == [False, True, False]


def test_facts_of_before_they_named_their_groups_name_them_after_an_upgrade(tell, team, declared, group):
    for number in (1, 2):
        tell(an_event("incident.grouped", incident_id=number, incident_group_id=999, team_id=f"team_{number}"))
    tell(an_event("incident.grouped", incident_id=1, incident_group_id=None, dt="2026-05-13T12:00:01Z"))
    tell_it(make_integration(team, "Another"), an_event("incident.grouped", incident_id=1, incident_group_id=999))
    grouping.group(declared, group, by=None, at=LATER)
    before = dict(TimelineEvent.objects.values_list("id", "group_id"))
    assert len(set(before.values()) - {None}) == 3
    TimelineEvent.objects.update(group_id=None)
    with connection.cursor() as cursor:
        cursor.execute(import_module("incidents.migrations.0006_old_facts_name_their_groups").NAME_GROUPS)
    assert dict(TimelineEvent.objects.values_list("id", "group_id")) == before
