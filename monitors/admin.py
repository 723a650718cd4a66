"""
Monitors and heartbeats as an operator needs them.

What they are like is folded from facts, so nothing here writes it; deleting one records that it was deleted. Not here:
the incidents about them, which the storey above adds to `PANELS`.
"""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.admin import Folded, Panel, PanelOf, when
from config.changelist import RelatedFilter, SinceFilter
from config.shown import clipped, link, state
from monitors.lifecycle import destroy
from monitors.models import Heartbeat, Monitor, Resource
from teams.admin import BELONGINGS
from timeline.admin import SourceFilter, chronology_of


class IsDestroyed(SinceFilter):
    title = "deleted"
    parameter_name = "destroyed"
    column = "destroyed_at"
    answers = ("Not deleted", "Deleted")


def chronology(resource: Resource) -> Panel:
    """The latest facts of a resource and of the incidents about it."""
    return chronology_of(resource.kind, int(resource.pk))


# What stands below a resource's columns; upper storeys add theirs.
PANELS: list[PanelOf] = [chronology]


class ResourceAdmin(Folded):
    """What monitors and heartbeats have in common."""

    list_filter = ["status", IsDestroyed, "provisional", SourceFilter, ("team", RelatedFilter)]
    list_select_related = ["team"]
    wide_filters = ["status__exact", "destroyed", "provisional__exact", "integration_id"]
    search_fields = ["name"]
    panels = PANELS
    retire_means = (
        "It is marked as deleted by a fact in its history, which stays, as do its incidents. Where it is the mirror of "
        "something at a vendor, nothing changes there. This can't be taken back."
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        told = ["shown_name", "url", "type"] if self.model is Monitor else ["shown_name"]
        where = ["source", "source_organization_id", "source_team_id", "source_id"]
        standing = ["standing", "since", "live_incidents", "provisional", "destroyed"]
        return [
            (None, {"fields": ["id", "team", *told]}),
            ("Source", {"fields": where}),
            ("Folded from its facts", {"fields": [*standing, "facts", "last_occurred"]}),
        ]

    def retire(self, record: Resource, *, by: Any, at: datetime) -> bool:
        return destroy(record, by=by, at=at) is not None

    @admin.display(description="name")
    def shown_name(self, resource: Resource) -> SafeString | str:
        return clipped(resource, 70)

    @admin.display(description="state")
    def standing(self, resource: Resource) -> SafeString | str:
        if resource.destroyed_at is not None:
            return state("destroyed", "Deleted")
        shown = state(resource.status)
        return format_html('{} <span class="quiet">inferred</span>', shown) if resource.status_inferred else shown

    @admin.display(description="integration")
    def source(self, resource: Resource) -> SafeString | str:
        return "native" if resource.is_native else link("integrations.integration", resource.integration_id)

    since = when("status_since", "since")
    last_occurred = when("last_occurred_at", "last fact occurred")
    destroyed = when("destroyed_at", "deleted")


@admin.register(Monitor)
class MonitorAdmin(ResourceAdmin):
    """Monitors."""

    list_display = [
        "shown_name", "standing", "since", "live_incidents", "shown_url", "team", "source", "last_occurred",
    ]  # fmt: skip

    @admin.display(description="address")
    def shown_url(self, monitor: Monitor) -> SafeString | str:
        return clipped(monitor.url, 60)


@admin.register(Heartbeat)
class HeartbeatAdmin(ResourceAdmin):
    """Heartbeats."""

    list_display = ["shown_name", "standing", "since", "live_incidents", "team", "source", "last_occurred"]


BELONGINGS += [("monitors.monitor", "Monitors"), ("monitors.heartbeat", "Heartbeats")]
