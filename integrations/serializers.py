"""
How deliveries look in the API, and what the inbound door and the deliveries endpoint say of themselves in the schema.

What an event may look like is not said here but in timeline.events: the one source.
"""

from base64 import b64encode
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from config.fields import StrictMoment
from config.times import rfc3339
from integrations.models import InboundDelivery, Integration, IntegrationType, Verdict
from timeline import openapi

UTF_8, BASE64 = "utf-8", "base64"


class IntegrationSerializer(serializers.Serializer):
    """A named inbound door of the team."""

    id = serializers.IntegerField(help_text="Its id: the `integration_id` of deliveries and of a record's `source`.")
    name = serializers.CharField(help_text="What it is called.")
    type = serializers.ChoiceField(
        choices=[str(each) for each in IntegrationType], help_text="Whose incident log comes in."
    )
    active = serializers.SerializerMethodField(help_text="Whether its door is open.")
    signed = serializers.SerializerMethodField(help_text="Whether what comes in has to be signed.")
    created_at = StrictMoment(help_text="When it was made.")
    deactivated_at = StrictMoment(allow_null=True, help_text="Since when its door is shut; null: it is open.")

    @extend_schema_field(serializers.BooleanField())
    def get_active(self, integration: Integration) -> bool:
        return integration.deactivated_at is None

    @extend_schema_field(serializers.BooleanField())
    def get_signed(self, integration: Integration) -> bool:
        return integration.signing_secret_ciphertext is not None


class DeliveryErrorSerializer(serializers.Serializer):
    """Why a delivery was not applied."""

    code = serializers.CharField(help_text="What kind of error it is.")
    message = serializers.CharField(help_text="What is wrong, in a sentence.")
    details = serializers.DictField(required=False, help_text="More of it: `fields`, by name.")


class DeliverySerializer(serializers.Serializer):
    """One event as it was received, and what became of it."""

    id = serializers.IntegerField(help_text="Its id.")
    status = serializers.ChoiceField(choices=Verdict.choices, help_text="What became of it.")
    event = serializers.CharField(allow_null=True, help_text="Its name, where it has one.")
    integration_id = serializers.IntegerField(help_text="Through which integration it came.")
    incident_id = serializers.UUIDField(source="incident_uuid", allow_null=True, help_text="The incident it is about.")
    webhook_id = serializers.CharField(allow_null=True, help_text="Its header `webhook-id`, if it had one.")
    received_at = StrictMoment(help_text="When it came.")
    applied_at = StrictMoment(allow_null=True, help_text="When it took effect; null if it did not.")
    waiting_until = serializers.SerializerMethodField(
        help_text="From when on it is applied by itself; null if it does not wait."
    )
    ignored = serializers.SerializerMethodField(
        help_text="Optional fields that had a wrong type, and were read as if they were not there."
    )
    size = serializers.IntegerField(
        allow_null=True, help_text="How many bytes it had, where it was too large and only its beginning is kept."
    )
    error = serializers.SerializerMethodField(help_text="Why it was not applied; null where it was, or is yet to be.")

    @extend_schema_field(DeliveryErrorSerializer(allow_null=True))
    def get_error(self, delivery: InboundDelivery) -> dict[str, Any] | None:
        return delivery.error

    @extend_schema_field(StrictMoment(allow_null=True))
    def get_waiting_until(self, delivery: InboundDelivery) -> str | None:
        waits = delivery.status == Verdict.WAITING and delivery.due_at is not None
        return rfc3339(delivery.due_at) if waits and delivery.due_at else None

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_ignored(self, delivery: InboundDelivery) -> list[str]:
        return delivery.ignored or []


class WholeDeliverySerializer(DeliverySerializer):
    """One event as it was received, with its bytes and those of its headers that are kept."""

    headers = serializers.DictField(child=serializers.CharField(), help_text="The headers that are kept.")
    body = serializers.SerializerMethodField(
        help_text="Exactly as received (what came out, if it was gzip), or its first KiB; see `size`, `body_encoding`."
    )
    body_encoding = serializers.SerializerMethodField(help_text="`base64` where the bytes are not UTF-8.")

    @extend_schema_field(serializers.CharField())
    def get_body(self, delivery: InboundDelivery) -> str:
        return as_text(bytes(delivery.body))[0]

    @extend_schema_field(serializers.ChoiceField(choices=[UTF_8, BASE64]))
    def get_body_encoding(self, delivery: InboundDelivery) -> str:
        return as_text(bytes(delivery.body))[1]


def as_text(body: bytes) -> tuple[str, str]:
    """Bytes as text that JSON can carry, and how: as UTF-8, or else in base64."""
    try:
        return body.decode(), UTF_8
    except UnicodeDecodeError:
        return b64encode(body).decode(), BASE64


# --- the inbound door -------------------------------------------------------------------------------------------------

EVENT: dict[str, Any] = {"anyOf": [{"$ref": openapi.reference(name)} for name in (openapi.LOG, openapi.OTHER)]}


IGNORED = "Optional fields of a wrong type, which are read as if they were not there."


class AnswerSerializer(serializers.Serializer):
    """What became of one event."""

    id = serializers.IntegerField(allow_null=True, help_text="The delivery's; null if it was not kept.")
    status = serializers.ChoiceField(
        choices=["accepted", "waiting", "unrecognized", "duplicate", "conflict"],
        help_text="What became of it.",
    )
    ignored = serializers.ListField(child=serializers.CharField(), required=False, help_text=IGNORED)


class AnswerInArraySerializer(serializers.Serializer):
    """What became of one event of an array."""

    id = serializers.IntegerField(allow_null=True, help_text="The delivery's; null if it was not kept.")
    status = serializers.ChoiceField(
        choices=["accepted", "waiting", "unrecognized", "duplicate", "conflict", "quarantined", "rejected"],
        help_text="What became of it.",
    )
    ignored = serializers.ListField(child=serializers.CharField(), required=False, help_text=IGNORED)
    error = DeliveryErrorSerializer(required=False, help_text="Why it was not taken.")


# What `IngestView.post` gives to extend_schema.
RECEIVE: dict[str, Any] = {
    "summary": "Take in an event, or an array of events",
    "description": "An event has at most 64 KiB, an array 1 to 1,000 events, a request at most 4 MiB. Each event of an "
    "array is judged by itself. The same event again is a `duplicate` and changes nothing. One that is dated more than "
    "10 minutes ahead is `waiting`, and applied as soon as it is not. The body may come with `Content-Encoding: gzip`. "
    "The `webhook-` headers may have their `svix-` names.",
    "request": {
        "application/json": {
            "oneOf": [
                EVENT,
                {"type": "array", "items": EVENT, "minItems": 1, "maxItems": 1000, "description": "Several."},
            ],
        }
    },
    "parameters": [
        OpenApiParameter(
            "webhook-id", str, OpenApiParameter.HEADER, description="A second identity of a single event."
        ),
        OpenApiParameter("webhook-timestamp", str, OpenApiParameter.HEADER, description="Where events are signed."),
        OpenApiParameter("webhook-signature", str, OpenApiParameter.HEADER, description="Where events are signed."),
    ],
    "responses": {
        200: OpenApiResponse(AnswerSerializer, description="Known already, or in conflict with what is known."),
        202: OpenApiResponse(
            PolymorphicProxySerializer(
                component_name="Answers",
                serializers=[AnswerSerializer, AnswerInArraySerializer(many=True)],
                resource_type_field_name=None,
                many=False,
            ),
            description="Kept, to be applied soon. For an array: what became of each event, in order.",
        ),
    },
}
