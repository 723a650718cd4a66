"""
What a fact looks like when it is sent: the log's payload, and what more a receiver gets that understands Watchkeeper.

Everybody gets the 19 events with their documented fields and no others. Who asked for the further events and fields
gets the fact's whole payload, who acted, and two fields of ours: `origin`, the installation whose own act it was, and
`identity`, by which corrections name the fact and by which facts of the same moment are ordered. What is passed on for
an integration goes under our ids, with `via`: the installations that it came through. Pure.

Source: the vendor's "Incident logs integration" document; docs/record.md, "What is sent".
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from timeline.chronology import Fact
from timeline.events import (
    COMMON,
    EVENTS,
    IDENTITY,
    INCIDENT,
    INCIDENT_ORIGIN,
    ORIGIN,
    RESOURCES,
    VENDOR_EVENTS,
    VIA,
    Payload,
    incident_origin,
    passed,
    said,
)

CLOSED, RESOLVED = "incident.closed", "incident.resolved"
GROUPED, UNGROUPED = "incident.grouped", "incident.ungrouped"
TEST = "endpoint.test"
# From it and the fact's identity a webhook-id is made, so that it is the same whenever and to whomever it is sent.
NAMESPACE = uuid.UUID("5c6d1b9e-0f5e-5d0b-9a53-3c1f0a6f4b1d")


@dataclass(frozen=True)
class Whose:
    """In whose name something is sent: the public ids of organization, team and installation."""

    organization: str
    team: str
    installation: str


@dataclass(frozen=True)
class Wishes:
    """What an endpoint is to be sent: some events (none named: all), the further ones, what integrations tell."""

    event_types: tuple[str, ...] = ()
    further: bool = False
    relay: bool = False

    def wants(self, event: str) -> bool:
        """Whether an event is to be sent."""
        known = EVENTS if self.further else VENDOR_EVENTS
        return event in known and (not self.event_types or event in self.event_types)


@dataclass(frozen=True)
class Sent:
    """One message of a fact: under which name and id it goes, and its payload."""

    event: str
    webhook_id: str
    payload: Payload


def told(fact: Fact, whose: Whose, wishes: Wishes, *, ended: bool = False) -> Iterator[Sent]:
    """
    The messages of a fact for an endpoint. `ended`: closing it also ended a live incident, which those are told who
    don't know of closing.
    """
    if not wishes.relay and not is_ours(fact, whose):
        return
    event = fact.event
    if event == CLOSED and ended and not wishes.wants(CLOSED):
        event = RESOLVED
    if event == GROUPED and fact.kin and fact.payload.get("incident_group_id") is None:
        # So a Watchkeeper said that it was taken out of a group, before there was a word for that.
        event = UNGROUPED
    if wishes.wants(event):
        yield Sent(event, webhook_id(whose, fact, event), shaped(fact, whose, wishes, event))


def is_ours(fact: Fact, whose: Whose) -> bool:
    """
    Whether a fact is told to every endpoint: it is about a record of ours, done here, or elsewhere to an incident that
    is mirrored there. What is done here to a mirrored one goes to those only that heard of its start.
    """
    if fact.native:
        return not fact.taken
    origin = incident_origin(fact.payload)
    return origin is not None and origin.installation == whose.installation


def webhook_id(whose: Whose, fact: Fact, event: str) -> str:
    """`msg_` and 32 hexadecimal digits. Two integrations may tell the same event, of two records of ours."""
    about = "" if fact.native else f" {fact.subject[0]} {fact.subject[1]}"
    return "msg_" + uuid.uuid5(NAMESPACE, f"{whose.team} {fact.identity.hex()} {event}{about}").hex


def shaped(fact: Fact, whose: Whose, wishes: Wishes, event: str) -> Payload:
    """The payload of a fact as an endpoint gets it."""
    whole = ours(fact, whose)
    if event == RESOLVED and fact.event == CLOSED:
        whole |= {"event": RESOLVED, "message": resolving(fact)}
    if event == UNGROUPED:
        whole |= {"event": UNGROUPED}
    payload = whole if wishes.further else documented(whole, event)
    if wishes.further:
        payload = payload | acting(fact) | {IDENTITY: fact.identity.hex()}
    return payload | passage(fact, whose) if wishes.further or wishes.relay else payload


def documented(payload: Payload, event: str) -> Payload:
    """The fields that the log documents for an event, each of them; what was not said is null."""
    return {field: payload.get(field) for field in (*COMMON, *VENDOR_EVENTS[event].fields)}


def ours(fact: Fact, whose: Whose) -> Payload:
    """The payload under our ids; an act of ours has them."""
    if fact.native:
        return dict(fact.payload)
    kind, number = fact.subject
    ours_it_is = is_ours(fact, whose)
    # Only a Watchkeeper may say of an event that it was some installation's own act.
    dropped = {*([] if fact.kin else [ORIGIN]), *([INCIDENT_ORIGIN] if ours_it_is else [])}
    told = {name: value for name, value in fact.payload.items() if name not in dropped}
    ids: dict[str, Any] = {
        "organization_id": whose.organization,
        "team_id": whose.team,
        EVENTS[fact.event].subject_field: number,
    }
    if kind == INCIDENT and said(fact.payload, "resource_type") in RESOURCES:
        named = fact.resource if ours_it_is else fact.named
        ids["resource_id"] = named[1] if named else None
    if fact.payload.get("incident_group_id") is not None:
        ids["incident_group_id"] = fact.group
    return told | ids


def acting(fact: Fact) -> Payload:
    """Who acted, also in events whose documented fields don't say so."""
    return {"user_email": fact.user_email, "user_name": fact.user_name} if fact.user_email or fact.user_name else {}


def passage(fact: Fact, whose: Whose) -> Payload:
    """Whose own act it was, about whose incident, and through which installations it came."""
    if fact.native:
        about = {INCIDENT_ORIGIN: fact.payload[INCIDENT_ORIGIN]} if fact.taken else {}
        return {ORIGIN: whose.installation} | about
    return {VIA: [*passed(fact.payload), whose.installation]}


def resolving(fact: Fact) -> str:
    """The sentence of the end of an incident that was closed while it was live."""
    name, who = said(fact.payload, "incident_name") or fact.subject[1], fact.user_email or fact.user_name
    return f'Incident "{name}" resolved' + (f" by {who}" if who else "")


def test_payload(whose: Whose, dt: str, called: str) -> Payload:
    """A message that tells nothing but that messages arrive: an event that changes nothing anywhere."""
    message = f"Test of the endpoint {called}: nothing happened"
    return {
        "dt": dt,
        "event": TEST,
        "message": message,
        "organization_id": whose.organization,
        "team_id": whose.team,
    }


def written(payload: Payload) -> str:
    """A payload as the text that is signed and sent."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
