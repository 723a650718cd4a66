"""
How endpoints, messages and attempts look in the API, by what lists of messages are filtered, and what can be said of an
endpoint.
"""

import json
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.addresses import LONGEST_ADDRESS, WEB_ADDRESS
from config.fields import (
    Body,
    StrictBoolean,
    StrictChar,
    StrictChoice,
    StrictList,
    StrictMoment,
)
from timeline.events import EVENTS
from timeline.outbound.log import attempts
from timeline.outbound.models import Endpoint, Message, Standing

LONGEST_DESCRIPTION = 255


# --- endpoints --------------------------------------------------------------------------------------------------------


class EndpointSerializer(serializers.Serializer):
    """Where a team's incident log is sent."""

    id = serializers.IntegerField(help_text="Its id.")
    url = serializers.CharField(help_text="Where messages are sent.")
    description = serializers.CharField(help_text="Empty if it has none.")
    event_types = serializers.ListField(child=serializers.CharField(), help_text="Which are sent; none: all of them.")
    further = serializers.BooleanField(help_text="Also what the log's 19 events can't carry.")
    relay = serializers.BooleanField(help_text="Also what integrations tell, under our own ids.")
    enabled = serializers.BooleanField(source="is_enabled", help_text="Whether messages are sent.")
    disabled_at = StrictMoment(allow_null=True, help_text="Since when it is disabled; null if it is not.")
    disabled_reason = serializers.SerializerMethodField(help_text="Null where it is enabled, or a person disabled it.")
    failing_since = StrictMoment(allow_null=True, help_text="When it failed first since it last succeeded.")
    last_success_at = StrictMoment(source="succeeded_at", allow_null=True, help_text="When it last took a message.")
    created_at = StrictMoment(help_text="When it was made.")

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_disabled_reason(self, endpoint: Endpoint) -> str | None:
        return endpoint.disabled_why or None


class EndpointWithSecretSerializer(EndpointSerializer):
    """An endpoint with its new signing secret, which is told this once."""

    secret = serializers.CharField(help_text="Verifies the signatures. It is never shown again.")


def _url(**how: Any) -> StrictChar:
    words = "http or https, without user name and password; on the public internet, or in a network that was opened."
    return StrictChar(max_length=LONGEST_ADDRESS, validators=[WEB_ADDRESS], help_text=words, **how)


def _description(**how: Any) -> StrictChar:
    return StrictChar(max_length=LONGEST_DESCRIPTION, required=False, allow_null=True, help_text="Null: none.", **how)


def _event_types(**how: Any) -> StrictList:
    words = "Which are sent; none: all of them."
    return StrictList(
        child=StrictChoice(choices=list(EVENTS)), required=False, max_length=len(EVENTS), help_text=words, **how
    )


class EndpointChanges(Body):
    """What is to change of an endpoint; what isn't said stays."""

    record = EndpointSerializer

    url = _url(required=False)
    description = _description()
    event_types = _event_types()
    further = StrictBoolean(required=False, help_text="Also send what the log's 19 events can't carry.")
    relay = StrictBoolean(required=False, help_text="Also send what integrations tell, under our own ids.")

    def validate_description(self, description: str | None) -> str:
        return description or ""


class EndpointBody(EndpointChanges):
    """A new endpoint."""

    url = _url()


class ReplayBody(Body):
    """A time range, its end left out."""

    since = StrictMoment(help_text="From then on, by when things were recorded.")
    until = StrictMoment(help_text="Until before then.")

    def validate(self, said: dict[str, Any]) -> dict[str, Any]:
        if said["since"] >= said["until"]:
            raise serializers.ValidationError({"until": "It must be later than since."})
        return said


class ReplayedSerializer(serializers.Serializer):
    """What a replay made."""

    messages = serializers.IntegerField(help_text="How many are sent.")


# --- messages ---------------------------------------------------------------------------------------------------------


class MessageSerializer(serializers.Serializer):
    """One event for one endpoint."""

    id = serializers.IntegerField(help_text="Its id.")
    webhook_id = serializers.CharField(help_text="The `webhook-id` under which it is sent, the same each time.")
    endpoint_id = serializers.IntegerField(help_text="Where it is sent.")
    event = serializers.CharField(help_text="Which event it tells of.")
    status = serializers.ChoiceField(choices=Standing.choices, source="standing", help_text="What became of it.")
    created_at = StrictMoment(help_text="When it was made.")
    due_at = StrictMoment(
        source="next_try_at", allow_null=True, help_text="When it is tried next, as far as that is known."
    )
    ended_at = StrictMoment(allow_null=True, help_text="When it was delivered or given up.")
    tries = serializers.IntegerField(help_text="Attempts since it was last asked for.")
    error = serializers.SerializerMethodField(help_text="What was wrong with the last attempt.")
    incident_id = serializers.UUIDField(source="incident_uuid", allow_null=True, help_text="The incident it is about.")

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_error(self, message: Message) -> str | None:
        return message.why or None


class AttemptSerializer(serializers.Serializer):
    """One try to deliver a message."""

    id = serializers.IntegerField(help_text="Its id.")
    started_at = StrictMoment(help_text="When it was begun.")
    ended_at = StrictMoment(allow_null=True, help_text="Null: it was interrupted.")
    status_code = serializers.IntegerField(allow_null=True, help_text="Of the answer; null: there was none.")
    error = serializers.SerializerMethodField(help_text="Null: it was delivered, or has no end.")
    response = serializers.CharField(source="excerpt", help_text="The answer's beginning.")

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_error(self, attempt: Any) -> str | None:
        return attempt.error or None


class WholeMessageSerializer(MessageSerializer):
    """One event for one endpoint, with what is sent and its attempts."""

    payload = serializers.SerializerMethodField(help_text="The event, exactly as it is sent.")
    attempts = serializers.SerializerMethodField(help_text="The newest first; at most 100.")

    @extend_schema_field(serializers.DictField())
    def get_payload(self, message: Message) -> dict[str, Any]:
        return dict(json.loads(message.body))

    @extend_schema_field(AttemptSerializer(many=True))
    def get_attempts(self, message: Message) -> Any:
        return AttemptSerializer(attempts(message), many=True).data
