"""
The API of integrations and inbound deliveries: through which doors something can come, what was received, and what
became of it.

Not here: the door through which they come (integrations.ingest_view).
"""

from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from config.api import listing, ok
from config.fields import ListQuery, query
from config.paging import Order, page
from incidents.models import Incident
from integrations.models import InboundDelivery
from integrations.serializers import (
    DeliveryPage,
    DeliveryQuery,
    DeliverySerializer,
    IntegrationPage,
    IntegrationSerializer,
    WholeDeliverySerializer,
)
from teams.api import TeamView, numbered
from teams.models import Team

NEWEST: Order = [("id", "desc")]


def deliveries_of(team: Team) -> QuerySet[InboundDelivery]:
    """A team's deliveries, each with the UUID of the incident that it was about."""
    incident = Incident.objects.filter(pk=OuterRef("incident_id")).values("uuid")
    return team.deliveries.annotate(incident_uuid=Subquery(incident))


def narrowed(team: Team, chosen: dict[str, Any]) -> Q:
    """The condition on a team's deliveries that a validated query string is."""
    asked = Q()
    if "status" in chosen:
        asked &= Q(status__in=chosen["status"])
    if "integration_id" in chosen:
        # Of another team's integration there are none; to find that out among all deliveries would take long.
        mine = team.integrations.filter(pk=chosen["integration_id"]).exists()
        asked &= Q(integration_id=chosen["integration_id"] if mine else None)
    return asked


class Integrations(TeamView):
    """`/api/integrations`."""

    @extend_schema(
        operation_id="list_integrations",
        summary="List integrations",
        description="Newest first. Their addresses and secrets are shown to managers on the pages, and not here.",
        parameters=[ListQuery],
        responses={200: IntegrationPage},
    )
    def get(self, request: Request) -> HttpResponse:
        chosen = query(request, ListQuery)
        rows, more = page(self.team.integrations.all(), NEWEST, chosen["limit"], chosen.get("cursor"))
        return listing("integrations", list(IntegrationSerializer(rows, many=True).data), chosen["limit"], more)


class Deliveries(TeamView):
    """`/api/deliveries`."""

    @extend_schema(
        operation_id="list_deliveries",
        summary="List inbound deliveries",
        description="Newest first.",
        parameters=[DeliveryQuery],
        responses={200: DeliveryPage},
    )
    def get(self, request: Request) -> HttpResponse:
        chosen = query(request, DeliveryQuery)
        found = deliveries_of(self.team).filter(narrowed(self.team, chosen)).defer("body", "headers")
        rows, more = page(found, NEWEST, chosen["limit"], chosen.get("cursor"))
        return listing("deliveries", list(DeliverySerializer(rows, many=True).data), chosen["limit"], more)


class OneDelivery(TeamView):
    """`/api/deliveries/{id}`."""

    delivery: InboundDelivery

    def load(self, request: Request, id: str = "", **kwargs: Any) -> None:
        self.delivery = numbered(deliveries_of(self.team), "Delivery", id)

    @extend_schema(
        operation_id="get_delivery",
        summary="Get an inbound delivery",
        description="With the exact bytes that were received.",
        responses={200: WholeDeliverySerializer},
    )
    def get(self, request: Request, id: str) -> HttpResponse:
        return ok(WholeDeliverySerializer(self.delivery).data)
