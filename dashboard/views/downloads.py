"""
Lists as files: `/incidents.csv` and `/deliveries.csv`, with the filters of their pages, newest first, however long.

Times are in the reader's time zone. Not here: how a table is written (config.tables) and sent (config.pump), and what
the filters mean (the pages of the lists).
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from django.views.decorators.http import require_safe

from config.filtering import ListFilters
from config.streams import Rows
from config.tables import Column, download
from dashboard.access import TeamRequest, is_let_in, team_page, zone_of
from dashboard.views import deliveries, incidents
from integrations.models import InboundDelivery


def column(name: str, path: str = "") -> Column:
    """A column that says what is found at an attribute's path, which mostly is its name."""
    return Column(name, attrgetter(path or name))


INCIDENT = [
    column("number"),
    column("id", "uuid"),
    *map(column, ("title", "status", "severity", "type", "error_message", "affected_regions")),
    *map(column, ("resource_type", "resource_id", "resource_name", "assignee_email", "assignee_name")),
    *map(column, ("started_at", "acknowledged_at", "resolved_at", "closed_at", "destroyed_at", "updated_at")),
    column("integration_id"),
    column("source_incident_id", "source_id"),
]


def error_of(name: str) -> Any:
    """What reads a part of a delivery's error."""

    def value(delivery: InboundDelivery) -> object:
        return delivery.error.get(name) if delivery.error else None

    return value


DELIVERY = [
    *map(column, ("id", "received_at", "status", "event", "integration_id")),
    column("integration", "integration.name"),
    column("webhook_id"),
    Column("error_code", error_of("code")),
    Column("error_message", error_of("message")),
    *map(column, ("ignored", "applied_at", "replayed_at")),
    column("incident_number", "incident_id"),
]


@require_safe
@team_page
def incidents_csv(request: TeamRequest) -> Rows:
    """`/incidents.csv`: the incidents that the filters leave."""
    return table(request, "incidents.csv", INCIDENT, incidents.chosen_incidents(request))


@require_safe
@team_page
def deliveries_csv(request: TeamRequest) -> Rows:
    """`/deliveries.csv`: the deliveries that the filters leave, without their bodies."""
    return table(request, "deliveries.csv", DELIVERY, deliveries.chosen_deliveries(request))


def table(request: TeamRequest, name: str, columns: Sequence[Column], found: ListFilters) -> Rows:
    """A list as a file. Raises ValidationFailed for filters that make no sense."""
    found.require()
    return download(name, columns, found.read, found.order, zone_of(request.user), is_allowed=is_let_in(request))
