"""
Incidents as an operator needs them.

Their columns are folded from facts, so nothing here writes them; whatever is done to one, deleting it included, is done
by its verb and records a fact. Not here: the verbs' tools and actions (incidents.admin_verbs), and correcting facts
(incidents.admin_corrections), which Django admin finds by way of this module.
"""

from datetime import datetime
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config import clock
from config.admin import Folded, ViewOnly, when
from config.adminverbs import REFUSALS_SHOWN, acts
from config.changelist import RelatedFilter, margin
from config.filtering import LONGEST_SEARCH
from config.numbers import whole_numbers
from config.paging import Order, Page
from config.panels import Panel, shows
from config.shown import NOTHING, clipped, link, listing, moment, state, whole
from incidents.admin_corrections import timeline_of
from incidents.admin_forms import DeclarationForm
from incidents.admin_verbs import WorkedOn, refusals
from incidents.declaring import declare
from incidents.filters import BY_START, GroupFilters, IncidentFilters, about_resource, in_order
from incidents.grouping import group_of, incidents_of, live_in, resolve_some
from incidents.lifecycle import destroy, resource_of
from incidents.models import Incident, IncidentGroup, IncidentQuerySet
from incidents.search import BY_NUMBER, found_page
from monitors.models import Resource
from teams.models import User
from timeline.about import actor_link, subject_link

SHOWN_BESIDE = 20

# What is asked where one is declared.
DECLARED = ["team", "title", "severity", "type", "error_message", "started_at", "affected_regions", "monitor"]


def row(incident: Incident) -> list[object]:
    """An incident as a row beside its resource."""
    return [
        link("incidents.incident", incident.pk, incident),
        standing_of(incident),
        incident.get_severity_display(),
        moment(incident.started_at),
        moment(incident.resolved_at),
    ]


@shows("incidents.incident")
def latest_incidents(resource: Resource) -> Panel:
    """The latest incidents about a monitor or heartbeat."""
    about = about_resource(Incident.objects.all(), (resource.kind, int(resource.pk))).defer("search")
    return Panel(
        title=f"Incidents: the latest {SHOWN_BESIDE}",
        columns=["Title", "State", "Severity", "Started", "Resolved"],
        rows=[row(each) for each in about.order_by("-started_at", "-id")[:SHOWN_BESIDE]],
        more=[(listing("incidents.incident", of=f"{resource.kind}-{resource.pk}"), "All incidents about it")],
    )


def standing_of(incident: Incident) -> SafeString:
    """An incident's status, and whether it was deleted."""
    shown = state(incident.status, incident.get_status_display())
    return shown if incident.destroyed_at is None else format_html("{} {}", shown, state("destroyed", "Deleted"))


@admin.register(Incident)
class IncidentAdmin(WorkedOn, Folded):
    """Incidents."""

    list_display = [
        "shown_title", "standing", "severity", "resource", "started", "resolved", "team", "source", "updated",
    ]  # fmt: skip
    list_filter = [*margin(IncidentFilters), ("team", RelatedFilter)]
    list_select_related = ["team"]
    wide_filters = ["status__exact", "severity__exact", "destroyed", "provisional__exact", "integration_id"]
    autocomplete_fields = ["team"]
    search_fields = ["title"]
    search_help_text = "A number, an id (UUID), or beginnings of words; in scripts without spaces, what stands anywhere"
    panels: ClassVar = [timeline_of]
    retire_means = (
        "It is marked as deleted by a fact in its history, which stays. It is no longer live, holds no resource down, "
        "and leaves overview and numbers. Where it is the mirror of something at a vendor, nothing changes there. "
        "This can't be taken back."
    )
    fieldsets = [
        (None, {"fields": ["id", "uuid", "team", "shown_title", "cause"]}),
        (
            "Folded from its facts",
            {
                "fields": [
                    "standing", "is_live", "provisional", "severity", "type", "regions", "assignee_words", "resource",
                    "group_words", "escalation_policy_id", "started", "acknowledged", "resolved", "closed",
                    "destroyed", "facts", "updated",
                ]
            },
        ),
        ("Source", {"fields": ["source", "source_organization_id", "source_team_id", "source_id"]}),
    ]  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        return super().get_form(request, obj, change, **({} if obj else {"form": DeclarationForm}) | options)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fieldsets(request, obj) if obj else [(None, {"fields": DECLARED})]

    def save_model(self, request: HttpRequest, obj: Incident, form: Any, change: bool) -> None:
        made = declare(obj.team, form.declaration(), by=cast(User, request.user), at=clock.now())
        obj.pk = made.pk
        obj.refresh_from_db()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        incidents = cast(IncidentQuerySet, super().get_queryset(request).defer("search"))
        return in_order(incidents) if self.get_order(request) == BY_START else BY_NUMBER.named(incidents)

    def get_order(self, request: HttpRequest) -> Order:
        """What is searched for is found by number; one team's are read in the order of that team's index."""
        if request.GET.get("q"):
            return BY_NUMBER.order
        return BY_START if {"of", "team__id__exact"} & set(request.GET) else self.order

    def read_page(self, queryset: QuerySet[Any], order: Order, cursor: str | None, query: str) -> Page:
        if not query:
            return super().read_page(queryset, order, cursor, query)
        found = cast(IncidentQuerySet, queryset)
        return found_page(Incident.objects.all(), found, self.list_per_page, cursor, BY_NUMBER)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return cast(IncidentQuerySet, queryset).search(search_term.strip()[:LONGEST_SEARCH]), False

    def retire(self, record: Incident, *, by: Any, at: datetime) -> bool:
        return destroy(record, by=by, at=at) is not None

    @admin.display(description="title")
    def shown_title(self, incident: Incident) -> SafeString | str:
        return clipped(incident, 70)

    @admin.display(description="status")
    def standing(self, incident: Incident) -> SafeString:
        return standing_of(incident)

    @admin.display(description="resource")
    def resource(self, incident: Incident) -> SafeString | str:
        about = resource_of(incident)
        if about:
            return subject_link(*about)
        return clipped(f"{incident.resource_type} {incident.resource_id}") if incident.resource_type else NOTHING

    @admin.display(description="cause")
    def cause(self, incident: Incident) -> SafeString | str:
        return whole(incident.error_message)

    @admin.display(description="affected regions")
    def regions(self, incident: Incident) -> SafeString | str:
        return clipped(", ".join(incident.affected_regions), 1000)

    @admin.display(description="assignee")
    def assignee_words(self, incident: Incident) -> SafeString | str:
        return actor_link(incident.assignee_id, incident.assignee_name or incident.assignee_email)

    @admin.display(description="incident group")
    def group_words(self, incident: Incident) -> SafeString | str:
        group = group_of(incident)
        return link("incidents.incidentgroup", group.pk, clipped(group)) if group else NOTHING

    @admin.display(description="integration")
    def source(self, incident: Incident) -> SafeString | str:
        return "native" if incident.is_native else link("integrations.integration", incident.integration_id)

    started = when("started_at")
    acknowledged = when("acknowledged_at")
    resolved = when("resolved_at")
    closed = when("closed_at")
    destroyed = when("destroyed_at", "deleted")
    updated = when("updated_at", "last fact occurred")


@shows("incidents.incident")
def incidents_in(group: IncidentGroup) -> Panel:
    """The latest incidents of a group."""
    latest = incidents_of(group).defer("search").order_by("-started_at", "-id")[:SHOWN_BESIDE]
    return Panel(
        title=f"Incidents: the latest {SHOWN_BESIDE}",
        columns=["Title", "State", "Severity", "Started", "Resolved"],
        rows=[row(each) for each in latest],
    )


@admin.register(IncidentGroup)
class IncidentGroupAdmin(ViewOnly):
    """Groups of incidents; which are in one is said by the incidents' facts."""

    list_display = ["called", "team", "source", "made"]
    list_filter = [*margin(GroupFilters), ("team", RelatedFilter)]
    list_select_related = ["team"]
    wide_filters = ["integration_id"]
    search_fields = ["name"]
    actions = ["resolve_all"]
    panels: ClassVar = [incidents_in]
    fieldsets = [
        (None, {"fields": ["id", "team", "called", "made"]}),
        ("Source", {"fields": ["source", "source_organization_id", "source_team_id", "source_id"]}),
    ]

    def has_work_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("incidents.change_incident")

    @admin.action(permissions=["work"], description="Resolve all")
    def resolve_all(self, request: HttpRequest, queryset: QuerySet[IncidentGroup]) -> HttpResponse | None:
        groups = list(queryset)
        live = live_in(groups)
        if "post" not in request.POST:
            means, words = f"{len(live)} live incidents are resolved, some at a time.", "Resolve all"
            seen = " ".join(map(str, sorted(live)))
            return self.confirm(request, groups, "resolve_all", title=f"{words}?", means=means, button=words, seen=seen)
        wanted = live & whole_numbers(request.POST.get("seen", ""))
        answers = [each for group in groups for each in resolve_some(group, wanted, **acts(request))]
        number, to_go = len([each for each in answers if each.fact]), len(live) - len(answers)
        more = f" Live still: {to_go}. Run it again for those." if to_go else ""
        self.message_user(request, f"{number} resolved.{more}", messages.SUCCESS if number else messages.WARNING)
        for sentence in refusals(answers)[:REFUSALS_SHOWN]:
            self.message_user(request, sentence, messages.ERROR)
        return None

    @admin.display(description="name")
    def called(self, group: IncidentGroup) -> SafeString | str:
        return clipped(group, 70)

    @admin.display(description="integration")
    def source(self, group: IncidentGroup) -> SafeString | str:
        return "native" if group.is_native else link("integrations.integration", group.integration_id)

    made = when("created_at")
