"""
The API of endpoints and messages: their lists, one of them, and the verbs.

Which incident a message is about is known in a storey above, whose model is handed in where the paths are named
(`incidents`). Not here: what the answers look like (serializers), what the verbs do (lifecycle).
"""

from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpResponse, QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from config import clock
from config.api import ok, say_nothing, wordless
from config.fields import said
from teams.api import TeamList, TeamView, described_list, numbered
from teams.models import Role
from timeline.events import INCIDENT
from timeline.outbound import lifecycle
from timeline.outbound.filters import EndpointFilters, MessageFilters
from timeline.outbound.log import live
from timeline.outbound.models import Endpoint, Message
from timeline.outbound.serializers import (
    EndpointBody,
    EndpointChanges,
    EndpointSerializer,
    EndpointWithSecretSerializer,
    MessageSerializer,
    ReplayBody,
    ReplayedSerializer,
    WholeMessageSerializer,
)

CREATED = "The answer has its signing secret, this once. Messages are signed after the Standard Webhooks specification."
CHANGED = "What isn't said stays. Messages that wait already are sent as they are."
DELETED = "What waits is given up; what was sent stays to be read."
ENABLED = "What waited is sent at once. One that is enabled stays so."
DISABLED = "Nothing is sent to it until it is enabled. What happens meanwhile can be replayed then."
ROTATED = "The answer has the new secret, this once. For 24 hours messages are signed with the one before, too."
TESTED = "Sends it a message of the event `endpoint.test`, which tells nothing. A disabled one can't be tested: 409."
REPLAYED = (
    "Sends everything again that was recorded from `since` until before `until`, under the same webhook-ids, and for "
    "the first time what was not sent then. What still waits is not doubled. To a disabled one nothing is sent: 409."
)
REDELIVERED = "Sends it again under the same webhook-id. One that waits stays as it is. To a disabled endpoint: 409."


class ManagedView(TeamView):
    """What is the managers', to be read too: a receiver's address may hold its secret."""

    roles = dict.fromkeys(("GET", "HEAD", "POST", "PUT", "DELETE"), Role.MANAGER)


# --- endpoints --------------------------------------------------------------------------------------------------------


def with_secret(endpoint: Endpoint, secret: str) -> dict[str, Any]:
    """An endpoint as an answer that tells its secret."""
    return {**EndpointSerializer(endpoint).data, "secret": secret}


@described_list("List endpoints", "Newest first.")
class Endpoints(TeamList, ManagedView):
    """`/api/endpoints`."""

    called, filters, serializer = "endpoints", EndpointFilters, EndpointSerializer

    def records(self) -> QuerySet[Endpoint]:
        return live(self.team)

    @extend_schema(
        operation_id="create_endpoint",
        summary="Create an endpoint",
        description=CREATED,
        request=EndpointBody,
        responses={201: EndpointWithSecretSerializer},
    )
    def post(self, request: Request) -> HttpResponse:
        made, secret = lifecycle.create_endpoint(self.team, at=clock.now(), **said(request, EndpointBody))
        return ok(with_secret(made, secret), status=201)


class OfEndpoint(ManagedView):
    """The base of endpoints of one endpoint, which the path names by its id."""

    endpoint: Endpoint

    def load(self, request: Request, id: str = "", **kwargs: Any) -> None:
        self.endpoint = numbered(live(self.team), "Endpoint", id)

    def shown(self) -> HttpResponse:
        """The endpoint as it is now."""
        return ok(EndpointSerializer(self.endpoint).data)


class OneEndpoint(OfEndpoint):
    """`/api/endpoints/{id}`."""

    @extend_schema(
        operation_id="get_endpoint",
        summary="Get an endpoint",
        description="Without its secret, which is told when it is made and never again.",
        responses={200: EndpointSerializer},
    )
    def get(self, request: Request, id: str) -> HttpResponse:
        return self.shown()

    @extend_schema(
        operation_id="update_endpoint",
        summary="Change an endpoint",
        description=CHANGED,
        request=EndpointChanges,
        responses={200: EndpointSerializer},
    )
    def put(self, request: Request, id: str) -> HttpResponse:
        changes = said(request, EndpointChanges, EndpointSerializer(self.endpoint).data)
        lifecycle.edit_endpoint(self.endpoint, **changes)
        return self.shown()

    @wordless("delete_endpoint", "Delete an endpoint", DELETED, EndpointSerializer)
    def delete(self, request: Request, id: str) -> HttpResponse:
        say_nothing(request)
        lifecycle.delete_endpoint(self.endpoint, at=clock.now())
        return self.shown()


class Enabling(OfEndpoint):
    """`/api/endpoints/{id}/enable`."""

    @wordless("enable_endpoint", "Enable an endpoint", ENABLED, EndpointSerializer)
    def post(self, request: Request, id: str) -> HttpResponse:
        say_nothing(request)
        lifecycle.enable(self.endpoint, at=clock.now())
        return self.shown()


class Disabling(OfEndpoint):
    """`/api/endpoints/{id}/disable`."""

    @wordless("disable_endpoint", "Disable an endpoint", DISABLED, EndpointSerializer)
    def post(self, request: Request, id: str) -> HttpResponse:
        say_nothing(request)
        lifecycle.disable(self.endpoint, at=clock.now())
        return self.shown()


class Rotation(OfEndpoint):
    """`/api/endpoints/{id}/rotate-secret`."""

    @wordless(
        "rotate_secret_of_endpoint",
        "Give an endpoint a new signing secret",
        ROTATED,
        EndpointWithSecretSerializer,
    )
    def post(self, request: Request, id: str) -> HttpResponse:
        say_nothing(request)
        secret = lifecycle.rotate_secret(self.endpoint, at=clock.now())
        return ok(with_secret(self.endpoint, secret))


class Replay(OfEndpoint):
    """`/api/endpoints/{id}/replay`."""

    @extend_schema(
        operation_id="replay_to_endpoint",
        summary="Send a time range again",
        description=REPLAYED,
        request=ReplayBody,
        responses={200: ReplayedSerializer},
    )
    def post(self, request: Request, id: str) -> HttpResponse:
        body = said(request, ReplayBody)
        made = lifecycle.replay(self.endpoint, since=body["since"], until=body["until"], at=clock.now())
        return ok({"messages": made})


# --- messages ---------------------------------------------------------------------------------------------------------


class ManagedMessages(ManagedView):
    """The base of what shows messages. `incidents`: the model of incidents, of a storey above."""

    incidents: type[Model] = Model

    def naming_incidents(self, found: list[Message]) -> list[Message]:
        """Messages with `incident_uuid`, the UUID of the incident that each is about."""
        numbers = {each.subject_id for each in found if each.subject_kind == INCIDENT}
        named = self.incidents._default_manager.filter(team=self.team, pk__in=numbers).values_list("pk", "uuid")
        uuids = dict(named) if numbers else {}
        for each in found:
            about: Any = each
            about.incident_uuid = uuids.get(each.subject_id) if each.subject_kind == INCIDENT else None
        return found


@described_list(
    "List messages",
    "Newest first.",
    answer="Some messages. There may be fewer than `limit`, and still a next page.",
)
class Messages(TeamList, ManagedMessages):
    """`/api/messages`."""

    called, filters, serializer = "messages", MessageFilters, MessageSerializer

    def narrowed(self, asked: QueryDict) -> MessageFilters:
        found = self.team.messages.defer("body")
        return MessageFilters(asked, found, team=self.team, incidents=self.incidents)

    def shown(self, rows: list[Message]) -> list[Any]:
        return super().shown(self.naming_incidents(rows))


class OfMessage(ManagedMessages):
    """The base of endpoints of one message, which the path names by its id."""

    message: Message

    def load(self, request: Request, id: str = "", **kwargs: Any) -> None:
        self.message = numbered(self.team.messages.all(), "Message", id)

    def shown(self) -> HttpResponse:
        """The message as it is now."""
        self.naming_incidents([self.message])
        return ok(MessageSerializer(self.message).data)


class OneMessage(OfMessage):
    """`/api/messages/{id}`."""

    @extend_schema(
        operation_id="get_message",
        summary="Get a message",
        description="With what is sent, and its attempts.",
        responses={200: WholeMessageSerializer},
    )
    def get(self, request: Request, id: str) -> HttpResponse:
        self.naming_incidents([self.message])
        return ok(WholeMessageSerializer(self.message).data)


class Redelivery(OfMessage):
    """`/api/messages/{id}/redeliver`."""

    @wordless("redeliver_message", "Send a message again", REDELIVERED, MessageSerializer)
    def post(self, request: Request, id: str) -> HttpResponse:
        say_nothing(request)
        lifecycle.redeliver(self.message, at=clock.now())
        return self.shown()


class Testing(OfEndpoint, ManagedMessages):
    """`/api/endpoints/{id}/test`."""

    @wordless("test_endpoint", "Send an endpoint a test", TESTED, MessageSerializer)
    def post(self, request: Request, id: str) -> HttpResponse:
        say_nothing(request)
        [sent] = self.naming_incidents([lifecycle.send_test(self.endpoint, at=clock.now())])
        return ok(MessageSerializer(sent).data)
