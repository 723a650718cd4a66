"""
The API's paths, of all storeys. They stand here, in the uppermost one, because they name views of all the others.

Ids are taken as text and judged by the views, so that whatever names no record is the same 404 behind the same key.
"""

from django.conf import settings
from django.urls import URLPattern, path

from dashboard.schema import Docs, OpenAPI
from incidents import api as incidents
from incidents import api_bulk as bulk
from incidents import api_corrections as corrections
from incidents import api_reports as reports
from incidents import api_verbs as working
from incidents import resources
from incidents.models import Incident
from integrations import api as integrations
from integrations.ingest_view import IngestView, with_a_slash
from monitors import api as monitors
from teams import api_members as members
from timeline.outbound import api as outbound

# The inbound door, as it stands behind /api/.
DOOR = settings.DOOR_PATH.removeprefix("/api/")


def paths_of(kind: monitors.Kind) -> list[URLPattern]:
    """The paths of monitors, or of heartbeats."""
    views = {
        "": monitors.Several,
        "/<str:id>": monitors.One,
        "/<str:id>/stats": reports.Stats,
        "/<str:id>/pause": monitors.Pausing,
        "/<str:id>/unpause": monitors.Unpausing,
    }
    made = {where: monitors.view_of(view, kind) for where, view in views.items()}
    return [path(f"{kind.several}{where}", view.as_view(deleting=resources.destroy)) for where, view in made.items()]


urlpatterns = [
    path("me", members.Me.as_view()),
    path("members", members.Members.as_view()),
    path("incidents", incidents.Incidents.as_view()),
    path("incidents/bulk", bulk.Bulk.as_view()),
    path("incidents/<str:uuid>", incidents.OneIncident.as_view()),
    path("incidents/<str:uuid>/status", working.StatusOfIncident.as_view()),
    path("incidents/<str:uuid>/reopen", working.Reopening.as_view()),
    path("incidents/<str:uuid>/escalate", working.Escalation.as_view()),
    path("incidents/<str:uuid>/group", working.Grouping.as_view()),
    path("incidents/<str:uuid>/ungroup", working.Ungrouping.as_view()),
    path("incidents/<str:uuid>/updates", incidents.Updates.as_view()),
    path("incidents/<str:uuid>/comments", incidents.Comments.as_view()),
    path("incidents/<str:uuid>/timeline", corrections.Timeline.as_view()),
    path("incidents/<str:uuid>/timeline/corrections", corrections.Hiding.as_view()),
    path("incidents/<str:uuid>/timeline/<str:event_id>/corrections", corrections.Corrections.as_view()),
    path("incident-groups", incidents.Groups.as_view()),
    path("incident-groups/<str:id>", incidents.OneGroup.as_view()),
    *paths_of(monitors.MONITOR),
    *paths_of(monitors.HEARTBEAT),
    path("integrations", integrations.Integrations.as_view()),
    path("deliveries", integrations.Deliveries.as_view()),
    path("deliveries/<str:id>", integrations.OneDelivery.as_view()),
    path("endpoints", outbound.Endpoints.as_view()),
    path("endpoints/<str:id>", outbound.OneEndpoint.as_view()),
    path("endpoints/<str:id>/enable", outbound.Enabling.as_view()),
    path("endpoints/<str:id>/disable", outbound.Disabling.as_view()),
    path("endpoints/<str:id>/rotate-secret", outbound.Rotation.as_view()),
    path("endpoints/<str:id>/test", outbound.Testing.as_view(incidents=Incident)),
    path("endpoints/<str:id>/replay", outbound.Replay.as_view()),
    path("messages", outbound.Messages.as_view(incidents=Incident)),
    path("messages/<str:id>", outbound.OneMessage.as_view(incidents=Incident)),
    path("messages/<str:id>/redeliver", outbound.Redelivery.as_view(incidents=Incident)),
    path(DOOR, IngestView.as_view()),
    path(f"{DOOR}/<str:token>", IngestView.as_view()),
    path(f"{DOOR}/", with_a_slash),
    path(f"{DOOR}/<str:token>/", with_a_slash),
    path("openapi.json", OpenAPI.as_view(), name="openapi"),
    path("docs", Docs.as_view(), name="api-docs"),
]
