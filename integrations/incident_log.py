"""
The incident log, translated: from a vendor's event to a fact about records of ours.

Pure but for the ids of our records, which integrations.applying looks up by the keys this room tells (`Heard.subject`,
`Heard.named`).
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from timeline.chronology import Fact, Link
from timeline.events import (
    INCIDENT,
    INCIDENT_GROUP,
    RESOURCES,
    EventType,
    Judged,
    Payload,
    named_resource,
    said,
)
from timeline.identity import source_key


@dataclass(frozen=True)
class SourceRecord:
    """A vendor's record, known by all of these: docs/record.md, "Identity"."""

    integration_id: int
    organization_id: str
    team_id: str
    kind: str
    id: int

    @cached_property
    def key(self) -> bytes:
        """The 32 bytes by which our record of it is found."""
        return source_key(self.integration_id, self.organization_id, self.team_id, self.kind, self.id)


@dataclass(frozen=True)
class Heard:
    """
    A sound event of a known type: what it is about, the monitor or heartbeat it names by the way, the group it puts an
    incident into, and itself. `incident_id` is that of an incident of ours that it acts upon from elsewhere; then it
    names no records of its source's.
    """

    judged: Judged
    identity: bytes
    subject: SourceRecord
    named: SourceRecord | None
    group: SourceRecord | None = None
    incident_id: int | None = None

    @property
    def records(self) -> list[SourceRecord]:
        """All of the vendor's records that it names."""
        if self.incident_id is not None:
            return []
        return [record for record in (self.subject, self.named, self.group) if record]

    def fact(self, ids: dict[bytes, int], recorded_at: datetime) -> Fact:
        """The fact it is, given the ids of our records by key."""
        assert self.judged.type and self.judged.occurred_at
        payload = self.judged.payload
        ours = self.incident_id is not None
        return Fact(
            event=self.judged.type.name,
            occurred_at=self.judged.occurred_at,
            recorded_at=recorded_at,
            rank=self.judged.type.rank,
            identity=self.identity,
            payload=payload,
            subject=(INCIDENT, self.incident_id) if self.incident_id is not None else link(self.subject, ids),
            named=link(self.named, ids) if self.named and not ours else None,
            group=ids[self.group.key] if self.group and not ours else None,
            user_email=said(payload, "user_email"),
            user_name=said(payload, "user_name"),
        )


def link(record: SourceRecord, ids: dict[bytes, int]) -> Link:
    """(kind, our id) of a vendor's record."""
    return (record.kind, ids[record.key])


def hear(judged: Judged, identity: bytes, integration_id: int) -> Heard:
    """Read a sound event of a known type that an integration told."""
    assert judged.type and not judged.fields
    payload, kind = judged.payload, judged.type
    subject = record_of(integration_id, payload, kind.subject, payload[kind.subject_field])
    if kind.subject != INCIDENT:
        return Heard(judged, identity, subject, None)
    return Heard(
        judged, identity, subject, named_record(integration_id, payload), named_group(integration_id, payload, kind)
    )


def named_record(integration_id: int, payload: Payload) -> SourceRecord | None:
    """The monitor or heartbeat that an incident's event names; other types of resource have no record here."""
    named = named_resource(payload)
    if named is None or named[0] not in RESOURCES:
        return None
    return record_of(integration_id, payload, *named)


def named_group(integration_id: int, payload: Payload, kind: EventType) -> SourceRecord | None:
    """The group that an event puts an incident into."""
    number = payload.get("incident_group_id") if kind.action == "grouped" else None
    return None if number is None else record_of(integration_id, payload, INCIDENT_GROUP, number)


def record_of(integration_id: int, payload: Payload, kind: str, identity: int) -> SourceRecord:
    """A record of the vendor's team that the event originated from."""
    organization, team = said(payload, "organization_id"), said(payload, "team_id")
    assert organization and team
    return SourceRecord(integration_id, organization, team, kind, identity)
