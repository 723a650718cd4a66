"""
How monitors and heartbeats look in the API, and by what their lists are filtered.
"""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.fields import ListQuery, Pagination, QueryBoolean, QueryChoices, StrictChar, StrictMoment
from monitors.models import Heartbeat, Monitor, Status

LONGEST_SEARCH = 200


class _SourceSerializer(serializers.Serializer):
    integration_id = serializers.IntegerField()
    organization_id = serializers.CharField(source="source_organization_id", help_text="The source's own id.")
    team_id = serializers.CharField(source="source_team_id", help_text="The source's own id.")


class MonitorSourceSerializer(_SourceSerializer):
    """Where a monitor is mirrored from."""

    monitor_id = serializers.IntegerField(source="source_id", help_text="The source's own id.")


class HeartbeatSourceSerializer(_SourceSerializer):
    """Where a heartbeat is mirrored from."""

    heartbeat_id = serializers.IntegerField(source="source_id", help_text="The source's own id.")


class _ResourceSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField(help_text="Empty if it was never named.")
    status = serializers.ChoiceField(choices=Status.choices)
    status_inferred = serializers.BooleanField(help_text="Concluded from its incidents, not said.")
    status_since = StrictMoment(allow_null=True)
    live_incidents = serializers.IntegerField(help_text="How many incidents hold it down now.")
    provisional = serializers.BooleanField(help_text="Named by events; its creation was never told.")
    destroyed_at = StrictMoment(allow_null=True, help_text="When it was deleted at its source, or here.")


class MonitorSerializer(_ResourceSerializer):
    """A monitor."""

    url = serializers.CharField()
    type = serializers.CharField()
    source = serializers.SerializerMethodField()  # type: ignore[assignment]

    @extend_schema_field(MonitorSourceSerializer(allow_null=True))
    def get_source(self, monitor: Monitor) -> dict[str, Any] | None:
        return None if monitor.is_native else MonitorSourceSerializer(monitor).data


class HeartbeatSerializer(_ResourceSerializer):
    """A heartbeat."""

    source = serializers.SerializerMethodField()  # type: ignore[assignment]

    @extend_schema_field(HeartbeatSourceSerializer(allow_null=True))
    def get_source(self, heartbeat: Heartbeat) -> dict[str, Any] | None:
        return None if heartbeat.is_native else HeartbeatSourceSerializer(heartbeat).data


class MonitorPage(serializers.Serializer):
    """Some monitors."""

    monitors = MonitorSerializer(many=True)
    pagination = Pagination()


class HeartbeatPage(serializers.Serializer):
    """Some heartbeats."""

    heartbeats = HeartbeatSerializer(many=True)
    pagination = Pagination()


class ResourceQuery(ListQuery):
    """The query string of the lists of monitors and heartbeats."""

    status = QueryChoices(choices=Status.values, required=False, help_text="One, or several separated by commas.")
    destroyed = QueryBoolean(required=False, help_text="Only those deleted at their source (true), or only the others.")
    q = StrictChar(required=False, max_length=LONGEST_SEARCH, help_text="A part of the name.")
