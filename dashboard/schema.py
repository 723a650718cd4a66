"""
What the API says of itself: its OpenAPI document, and the page that shows it.

Views say their parameters, bodies and data (extend_schema); what is the same everywhere is added here: the envelope
around data, the errors that an operation can give, the ways to present a key. It stands in the uppermost storey because
it looks at all the others' views. Not here: the answers themselves.
"""

from copy import deepcopy
from functools import cache
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from config import idempotency
from config.api import APIView
from config.envelope import dump
from config.errors import STATUS
from config.fields import Body
from config.numbers import LARGEST_ID
from dashboard.schema_examples import put_in
from dashboard.schema_words import INFO, INTRODUCTION, SERVERS, TAGS
from timeline import openapi

Schema = dict[str, Any]

ERROR: Schema = {
    "type": "object",
    "description": "What went wrong.",
    "required": ["success", "error"],
    "properties": {
        "success": {"const": False, "description": "It was not done."},
        "error": {
            "type": "object",
            "description": "Why not.",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "enum": list(STATUS), "description": "What kind of error it is."},
                "message": {"type": "string", "description": "What is wrong, in a sentence for people."},
                "details": {
                    "type": "object",
                    "description": "For a VALIDATION_ERROR, `fields`: what is wrong with each.",
                    "properties": {
                        "fields": {
                            "type": "object",
                            "description": "Name of a field → what is wrong with it.",
                            "additionalProperties": {"type": "array", "items": {"type": "string"}},
                        }
                    },
                    "additionalProperties": True,
                },
            },
        },
    },
}

MEANINGS = {
    400: "The request cannot be read, or a parameter or field is not valid.",
    401: "The key (or token) is missing, wrong, revoked or expired.",
    403: "The key may not do this.",
    404: "There is no such record in the key's team.",
    409: "The present state does not allow it; or the `Idempotency-Key` came with another request.",
    412: "The record is not as `If-Match` knows it. Nothing was changed.",
    413: "The body is too large.",
    415: "The body is not JSON by its Content-Type.",
    422: "An event is not valid: kept in quarantine, its fields named.",
    429: "Too many requests: `Retry-After` says for how many seconds.",
    500: "A fault of ours.",
    503: "The database does not answer: `Retry-After` says for how many seconds.",
}
WAIT: Schema = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds.", "required": True}}

PATH_PARAMETERS: dict[str, Schema] = {
    "uuid": {"schema": {"type": "string", "format": "uuid"}, "description": "The incident's id."},
    "id": {"schema": {"type": "integer", "minimum": 0, "maximum": LARGEST_ID}, "description": "Its id."},
    "event_id": {"schema": {"type": "string"}, "description": "The event's id in the timeline."},
    "token": {"schema": {"type": "string"}, "description": "The integration's secret token."},
}

IDEMPOTENCY_KEY = OpenApiParameter(
    idempotency.HEADER,
    {"type": "string", "minLength": 1, "maxLength": idempotency.LONGEST_KEY, "pattern": idempotency.SHAPE},
    OpenApiParameter.HEADER,
    description="Whatever is sent again under the same key within 24 hours is done once and answered the same.",
)

ETAG = OpenApiParameter(
    "ETag",
    str,
    OpenApiParameter.HEADER,
    response=[200, 201],
    required=True,
    description="Of what can be changed of the record, and its status.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="Only do it if the incident, monitor or heartbeat has this `ETag`, or one of these; `*` is any.",
)

ANSWERS = "What became of the event; of an array, of each in order."

# The ways to present a key.
KEYS: dict[str, Schema] = {
    "X-API-Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
}


class Operation(AutoSchema):
    """An operation as its view describes it, in the manners that all have."""

    def get_operation_id(self) -> str:
        """The inbound door has two paths to one view."""
        return "receive_events_by_token" if self.is_opened_by_path else "receive_events"

    def get_description(self) -> str:  # type: ignore[override]
        """Only what extend_schema says; docstrings are for us."""
        return ""

    def get_override_parameters(self) -> list[Any]:
        """Whatever a view takes, and the key under which a POST may be sent again."""
        given = list(super().get_override_parameters())
        if self.method == "POST" and not self.takes_anything:
            given.append(IDEMPOTENCY_KEY)
        given += [ETAG] if self.is_tagged else []
        given += [IF_MATCH] if self.is_conditional else []
        return given

    def get_tags(self) -> list[str]:
        """The path's first word."""
        return [self.path.split("/")[2]]

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """An operation that a secret in the path opens says that it needs no key."""
        operation: Schema | None = super().get_operation(*args, **kwargs)
        return operation | {"security": []} if operation and self.is_opened_by_path else operation

    def get_auth(self) -> list[Schema]:
        """A key, in either of two ways."""
        if self.is_opened_by_path:
            return []
        for name, definition in KEYS.items():
            component = ResolvedComponent(name, ResolvedComponent.SECURITY_SCHEMA, schema=definition, object=name)
            self.registry.register_on_missing(component)
        return [{name: []} for name in KEYS]

    @property
    def is_opened_by_path(self) -> bool:
        """Whether a secret in the path is the key."""
        return "{token}" in self.path

    @property
    def is_conditional(self) -> bool:
        """Whether it changes one record, or adds to it, which may have to be as its sender saw it."""
        changes = self.is_tagged and self.method != "GET" and "{" in self.path
        return changes or self.method in getattr(self.view, "conditional", ())

    @property
    def is_tagged(self) -> bool:
        """Whether it answers with one record that can be changed, and so with its ETag."""
        return self.method in getattr(self.view, "tagged", ())

    def _resolve_path_parameters(self, variables: list[str]) -> list[Schema]:
        return [{"name": name, "in": "path", "required": True, **PATH_PARAMETERS[name]} for name in variables]

    def _get_request_body(self, direction: Any = "request") -> Schema | None:
        body: Schema | None = super()._get_request_body(direction)
        return body and body | {"required": not getattr(self.view, "body_is_optional", False)}

    def _get_response_bodies(self, direction: Any = "response") -> Schema:
        answers = super()._get_response_bodies(direction)
        for answer in answers.values():
            for content in answer.get("content", {}).values():
                content["schema"] = enveloped(content["schema"])
        return answers | {str(status): self.error(status) for status in self.errors()}

    def errors(self) -> list[int]:
        """The statuses of the errors that the operation can give."""
        possible = {
            400: True,
            401: True,
            403: not self.is_opened_by_path,
            404: "{" in self.path and not self.is_opened_by_path,
            409: self.changes,
            412: self.is_conditional,
            413: self.has_body,
            415: self.has_body and not self.takes_anything,
            422: self.takes_anything,
            429: bool(self.view.get_throttles()),
            500: True,
            503: True,
        }
        return [status for status, can in possible.items() if can]

    @property
    def has_body(self) -> bool:
        """Whether it reads a body."""
        return self.method in ("POST", "PUT", "DELETE")

    @property
    def changes(self) -> bool:
        """Whether it changes records, which their present state may not allow."""
        return self.method != "GET" and not self.takes_anything

    @property
    def takes_anything(self) -> bool:
        """Whether it reads a body whatever its Content-Type says; only the inbound door does."""
        return self.has_body and self.view.parser_classes[0].media_type == "*/*"

    def error(self, status: int) -> Schema:
        """The answer of an error."""
        component = ResolvedComponent("Error", ResolvedComponent.SCHEMA, schema=deepcopy(ERROR), object="Error")
        self.registry.register_on_missing(component)
        answer: Schema = {
            "description": MEANINGS[status],
            "content": {"application/json": {"schema": component.ref}},
        }
        return answer | ({"headers": WAIT} if status in (429, 503) else {})


def enveloped(data: Schema) -> Schema:
    """The schema of the answer that carries data."""
    return {
        "type": "object",
        "required": ["success", "data"],
        "properties": {
            "success": {"const": True, "description": "It was done."},
            "data": data if "$ref" in data or "description" in data else data | {"description": "What was asked for."},
        },
    }


class NoOtherFields(OpenApiSerializerExtension):
    """A body has the fields that it says, and no others."""

    target_class = Body
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> Schema:
        schema: Schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return schema | {"additionalProperties": False}


class WordsField(OpenApiSerializerFieldExtension):
    """Words separated by commas, in a query string."""

    target_class = "config.fields.QueryChoices"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> Schema:
        word = f"({'|'.join(self.target.choices)})"
        return {"type": "string", "pattern": f"^{word}(,{word})*$"}


class Generator(SchemaGenerator):
    """Makes the document: what the views say of themselves, the events of the incident log, examples and words."""

    def get_schema(self, request: Any = None, public: bool = False) -> Schema:
        made: Schema = super().get_schema(request=request, public=public)
        made["info"] |= {"description": INTRODUCTION} | INFO
        made["servers"] = SERVERS
        made["tags"] = [{"name": name, "description": words} for name, words in TAGS.items()]
        made["components"]["schemas"] |= openapi.components()
        made["components"]["schemas"]["Answers"]["description"] = ANSWERS
        made["webhooks"] = openapi.webhooks()
        describe(made, made["components"]["schemas"])
        put_in(made)
        return made


def describe(schema: Any, components: Schema) -> None:
    """Say of each field that is a component what it is, where the field doesn't say more."""
    if isinstance(schema, list):
        for each in schema:
            describe(each, components)
    if isinstance(schema, dict):
        fields = schema.get("properties")
        for field in fields.values() if isinstance(fields, dict) else ():
            if isinstance(field, dict) and "$ref" in field and "description" not in field:
                named = components[field["$ref"].rpartition("/")[2]]
                field.update({"description": named["description"]} if "description" in named else {})
        for each in schema.values():
            describe(each, components)


@cache
def document() -> bytes:
    """The OpenAPI document; it is the same as long as the process lives."""
    return dump(Generator().get_schema(request=None, public=True))


class OpenAPI(APIView):
    """`/api/openapi.json`: open to everybody."""

    schema = None

    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(document(), content_type="application/json")


class Docs(APIView):
    """
    `/api/docs`: open to everybody. The first ten minutes, and the document as a page, by Swagger UI from our own files;
    its set-up is static/js/apidocs.js.
    """

    schema = None

    def get(self, request: Request) -> HttpResponse:
        return render(request._request, "api/docs.html", {"address": request.build_absolute_uri("/api")})
