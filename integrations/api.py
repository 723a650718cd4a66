"""
The API of integrations and inbound deliveries: through which doors something can come, what was received, and what
became of it.

Not here: the door through which they come (integrations.ingest_view).
"""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from config.api import ok
from incidents.models import Incident
from integrations.filters import DeliveryFilters, IntegrationFilters
from integrations.models import InboundDelivery, Integration
from integrations.serializers import (
    DeliverySerializer,
    IntegrationSerializer,
    WholeDeliverySerializer,
)
from teams.api import TeamList, TeamView, described_list, numbered
from teams.models import Team


def deliveries_of(team: Team) -> QuerySet[InboundDelivery]:
    """A team's deliveries, each with the UUID of the incident that it was about."""
    incident = Incident.objects.filter(pk=OuterRef("incident_id")).values("uuid")
    return team.deliveries.annotate(incident_uuid=Subquery(incident))


@described_list(
    "List integrations", "Newest first. Their addresses and secrets are shown to managers on the pages, and not here."
)
class Integrations(TeamList):
    """`/api/integrations`."""

    called, filters, serializer = "integrations", IntegrationFilters, IntegrationSerializer

    def records(self) -> QuerySet[Integration]:
        return self.team.integrations.all()


@described_list("List inbound deliveries", "Newest first.")
class Deliveries(TeamList):
    """`/api/deliveries`."""

    called, filters, serializer = "deliveries", DeliveryFilters, DeliverySerializer

    def records(self) -> QuerySet[InboundDelivery]:
        return deliveries_of(self.team).defer("body", "headers")


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
