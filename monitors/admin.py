"""
Monitors and heartbeats as an operator needs them.

What they are like is folded from facts, so whatever is done to one here is done by its verb, and only to those of a
team's own. Not here: the incidents about them, and what happens to these when their resource is deleted; the storey
above adds both (config.composing).
"""

from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config import clock
from config.admin import Folded, when
from config.adminverbs import Worked, acts
from config.changelist import RelatedFilter, margin
from config.composing import composition, label_of
from config.panels import Panel, shows
from config.shown import clipped, link, state
from monitors import lifecycle
from monitors.filters import ResourceFilters
from monitors.forms import HeartbeatRecord, MonitorRecord
from monitors.models import NOTHING_CHECKS, Heartbeat, Monitor, Resource, Status
from monitors.spans import written
from timeline.admin import chronology_of


@shows("timeline.timelineevent")
def chronology(resource: Resource) -> Panel:
    """The latest facts of a resource and of the incidents about it."""
    return chronology_of(resource.kind, int(resource.pk))


class ResourceAdmin(Worked, Folded):
    """What monitors and heartbeats have in common."""

    list_filter = [*margin(ResourceFilters), ("team", RelatedFilter)]
    list_select_related = ["team"]
    wide_filters = ["status__exact", "destroyed", "provisional__exact", "integration_id"]
    search_fields = ["name"]
    autocomplete_fields = ["team"]
    actions = ["pause", "unpause"]
    panels: ClassVar = [chronology]
    retire_means = (
        "It is marked as deleted by a fact in its history, which stays, as do its incidents. What is live about it is "
        "resolved first. This can't be taken back."
    )
    # What people give, and how it is shown where it can't be changed.
    given: ClassVar[list[str]] = []
    told: ClassVar[list[str]] = []

    # What can be done, and to which

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_change_permission(self, request, obj) and (obj is None or obj.is_changeable)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.is_changeable)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ["team", *self.given], "description": NOTHING_CHECKS})]
        described = self.given if self.has_change_permission(request, obj) else self.told
        said = {"description": NOTHING_CHECKS} if obj.is_changeable else {}
        where = ["source", "source_organization_id", "source_team_id", "source_id"]
        return [
            (None, {"fields": ["id", "team", *described]} | said),
            ("Source", {"fields": where}),
            ("Folded from its facts", {"fields": self.standing_fields}),
        ]

    standing_fields = ["standing", "since", "live_incidents", "provisional", "destroyed", "facts", "last_occurred"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return []
        shown = [name for _, options in self.get_fieldsets(request, obj) for name in options["fields"]]
        return [name for name in shown if name not in self.given]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            options["form"] = ModelForm
        return super().get_form(request, obj, change, **options)

    def save_model(self, request: HttpRequest, obj: Resource, form: Any, change: bool) -> None:
        by: Any = request.user
        details, at = {name: form.cleaned_data[name] for name in self.given}, clock.now()
        if change:
            lifecycle.edit(self.model._base_manager.get(pk=obj.pk), by=by, at=at, **details)
        else:
            obj.pk = lifecycle.create(self.model, form.cleaned_data["team"], by=by, at=at, **details).pk
        obj.refresh_from_db()

    def retire(self, record: Resource, *, by: Any, at: datetime) -> bool:
        delete = composition().deleting.get(label_of(self.model), lifecycle.destroy)
        return delete(record, by=by, at=at) is not None

    @admin.action(permissions=["change"], description="Pause")
    def pause(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self.each(request, queryset, partial(lifecycle.pause, **acts(request)), "paused")

    @admin.action(permissions=["change"], description="Unpause")
    def unpause(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self.each(request, queryset, partial(lifecycle.unpause, **acts(request)), "unpaused")

    def offers(self, action: str, record: Resource) -> bool:
        is_paused = record.status == Status.PAUSED
        return record.is_changeable and action == ("unpause" if is_paused else "pause")

    # How it is shown

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

    form = MonitorRecord
    given = ["name", "url", "type"]
    told = ["shown_name", "url", "type"]
    list_display = [
        "shown_name", "standing", "since", "live_incidents", "shown_url", "team", "source", "last_occurred",
    ]  # fmt: skip

    @admin.display(description="address")
    def shown_url(self, monitor: Monitor) -> SafeString | str:
        return clipped(monitor.url, 60)


@admin.register(Heartbeat)
class HeartbeatAdmin(ResourceAdmin):
    """Heartbeats."""

    form = HeartbeatRecord
    given = ["name", "period", "grace"]
    told = ["shown_name", "shown_period", "shown_grace"]
    list_display = ["shown_name", "standing", "since", "live_incidents", "team", "source", "last_occurred"]

    @admin.display(description="reports once in")
    def shown_period(self, heartbeat: Heartbeat) -> str | None:
        return None if heartbeat.period is None else written(heartbeat.period)

    @admin.display(description="may be late by")
    def shown_grace(self, heartbeat: Heartbeat) -> str | None:
        return None if heartbeat.grace is None else written(heartbeat.grace)
