"""
How monitors and heartbeats look in the API, by what their lists are filtered, and what can be said of new ones.
"""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.addresses import LONGEST_ADDRESS, WEB_ADDRESS
from config.fields import (
    Body,
    StrictChar,
    StrictChoice,
    StrictInteger,
    StrictMoment,
)
from config.matching import tag_of
from monitors.lifecycle import DETAILS
from monitors.models import (
    LONGEST_GRACE,
    LONGEST_NAME,
    LONGEST_PERIOD,
    NOTHING_CHECKS,
    SHORTEST_PERIOD,
    USUAL_GRACE,
    USUAL_PERIOD,
    Heartbeat,
    Monitor,
    Resource,
    Status,
    Type,
)


class _SourceSerializer(serializers.Serializer):
    integration_id = serializers.IntegerField(help_text="The integration that tells of it.")
    organization_id = serializers.CharField(source="source_organization_id", help_text="The source's own id.")
    team_id = serializers.CharField(source="source_team_id", help_text="The source's own id.")


class MonitorSourceSerializer(_SourceSerializer):
    """Where a monitor is mirrored from."""

    monitor_id = serializers.IntegerField(source="source_id", help_text="The source's own id.")


class HeartbeatSourceSerializer(_SourceSerializer):
    """Where a heartbeat is mirrored from."""

    heartbeat_id = serializers.IntegerField(source="source_id", help_text="The source's own id.")


class _ResourceSerializer(serializers.Serializer):
    id = serializers.IntegerField(help_text="Its id here.")
    name = serializers.CharField(help_text="Empty if it was never named.")
    status = serializers.ChoiceField(
        choices=Status.choices,
        help_text=f"Of your own: `pending`, `paused`, or `down` while an incident of it is live. {NOTHING_CHECKS}",
    )
    status_inferred = serializers.BooleanField(help_text="Concluded from its incidents, not said.")
    status_since = StrictMoment(allow_null=True, help_text="Since when it is in that state, as far as that is known.")
    live_incidents = serializers.IntegerField(help_text="How many incidents hold it down now.")
    provisional = serializers.BooleanField(help_text="Named by events; its creation was never told.")
    destroyed_at = StrictMoment(allow_null=True, help_text="When it was deleted at its source, or here.")


class MonitorSerializer(_ResourceSerializer):
    """A monitor."""

    url = serializers.CharField(help_text="Where it looks; empty if that was never told.")
    type = serializers.CharField(help_text="What is looked at there: one of our types, or the source's word.")
    source = serializers.SerializerMethodField(help_text="Where it is mirrored from; null for one of our own.")  # type: ignore[assignment]

    @extend_schema_field(MonitorSourceSerializer(allow_null=True))
    def get_source(self, monitor: Monitor) -> dict[str, Any] | None:
        return None if monitor.is_native else MonitorSourceSerializer(monitor).data


class HeartbeatSerializer(_ResourceSerializer):
    """A heartbeat."""

    period = serializers.IntegerField(allow_null=True, help_text="It has to report once in so many seconds.")
    grace = serializers.IntegerField(allow_null=True, help_text="By how many seconds a report may be late.")
    source = serializers.SerializerMethodField(help_text="Where it is mirrored from; null for one of our own.")  # type: ignore[assignment]

    @extend_schema_field(HeartbeatSourceSerializer(allow_null=True))
    def get_source(self, heartbeat: Heartbeat) -> dict[str, Any] | None:
        return None if heartbeat.is_native else HeartbeatSourceSerializer(heartbeat).data


def tag(resource: Resource) -> str:
    """The ETag of a monitor or heartbeat: of what can be changed, and its status."""
    changeable = {name: getattr(resource, name) for name in DETAILS[resource.kind]}
    standing = {"status": resource.status, "destroyed_at": resource.destroyed_at}
    return tag_of({"kind": resource.kind, "id": resource.pk} | changeable | standing)


# --- what is said of one that is made or changed --------------------------------------------------------------


def _name(**how: Any) -> StrictChar:
    return StrictChar(max_length=LONGEST_NAME, help_text="What it is called.", **how)


def _url(**how: Any) -> StrictChar:
    words = "http or https, without user name and password. What is looked at there depends on the type."
    return StrictChar(max_length=LONGEST_ADDRESS, validators=[WEB_ADDRESS], help_text=words, **how)


def _type(**how: Any) -> StrictChoice:
    return StrictChoice(choices=Type.choices, help_text="What is looked at there.", **how)


def _period(**how: Any) -> StrictInteger:
    return StrictInteger(min_value=SHORTEST_PERIOD, max_value=LONGEST_PERIOD, help_text="In seconds.", **how)


def _grace(**how: Any) -> StrictInteger:
    return StrictInteger(max_value=LONGEST_GRACE, help_text="In seconds.", **how)


class MonitorBody(Body):
    """A new monitor."""

    record = MonitorSerializer

    name = _name()
    url = _url()
    type = _type(default=Type.STATUS)


class MonitorChanges(Body):
    """What is to change of a monitor; what isn't said stays."""

    record = MonitorSerializer

    name = _name(required=False)
    url = _url(required=False)
    type = _type(required=False)


class HeartbeatBody(Body):
    """A new heartbeat."""

    record = HeartbeatSerializer

    name = _name()
    period = _period(default=USUAL_PERIOD)
    grace = _grace(default=USUAL_GRACE)


class HeartbeatChanges(Body):
    """What is to change of a heartbeat; what isn't said stays."""

    record = HeartbeatSerializer

    name = _name(required=False)
    period = _period(required=False)
    grace = _grace(required=False)
