"""
Facts as an operator needs them: to be found and read, and never touched.

Also the tables of facts that stand on the pages of incidents, monitors and heartbeats. What is sent of facts has pages
of its own (outbound.admin), which Django admin finds by way of this module.
"""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.admin import ViewOnly, when
from config.changelist import RelatedFilter, margin
from config.numbers import whole_number
from config.paging import Order
from config.panels import Panel
from config.shown import NOTHING, clipped, link, listing, moment, pretty, state, whole
from timeline.about import actor_link, subject, subject_link
from timeline.filters import FactFilters
from timeline.models import CHRONOLOGY, Effect, TimelineEvent
from timeline.outbound import admin as _sent  # noqa: F401 - registers its pages

SHOWN_BESIDE = 100


class TimelineEventAdmin(ViewOnly):
    """Facts. The newest first by when they were recorded; those of one subject by when they occurred."""

    list_display = ["occurred", "event", "about", "resource", "effect_word", "source", "actor", "team", "recorded"]
    list_filter = [*margin(FactFilters), ("team", RelatedFilter)]
    list_select_related = ["team"]
    list_defer = ["payload", "entries"]
    wide_filters = ["event", "effect__exact"]
    search_fields = ["id"]
    search_help_text = "A fact's id, or what it is about: incident 12, monitor 3, heartbeat 7"
    fieldsets = [
        (None, {"fields": ["event", "about", "occurred", "recorded", "team", "source", "actor"]}),
        ("As it was told", {"fields": ["told", "otherwise"]}),
        ("As it was read", {"fields": ["effect_word", "reason", "resource", "named", "hold", "presses", "shown"]}),
        ("As it was corrected", {"fields": ["corrected"]}),
        ("Its place in the order", {"fields": ["rank", "digest"]}),
    ]

    def get_order(self, request: HttpRequest) -> Order:
        of_one = {"about", "in"} & set(request.GET) or subject(request.GET.get("q", ""), " ")
        return CHRONOLOGY if of_one else self.order

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        named = subject(search_term, " ")
        if named is not None:
            return queryset.filter(subject_kind=named[0], subject_id=named[1]), False
        number = whole_number(search_term.strip())
        return (queryset.none() if number is None else queryset.filter(pk=number)), False

    occurred = when("occurred_at")

    @admin.display(description="recorded")
    def recorded(self, fact: TimelineEvent) -> SafeString | str:
        late = fact.late_seconds
        if late is None:
            return moment(fact.recorded_at)
        return format_html('{} <span class="quiet">{} min late</span>', moment(fact.recorded_at), int(late // 60))

    @admin.display(description="about")
    def about(self, fact: TimelineEvent) -> SafeString | str:
        return subject_link(fact.subject_kind, fact.subject_id)

    @admin.display(description="in the chronology of")
    def resource(self, fact: TimelineEvent) -> SafeString | str:
        return subject_link(fact.resource_kind, fact.resource_id)

    @admin.display(description="names")
    def named(self, fact: TimelineEvent) -> SafeString | str:
        return subject_link(fact.named_kind, fact.named_id)

    @admin.display(description="effect")
    def effect_word(self, fact: TimelineEvent) -> SafeString:
        return state("ineffective" if fact.effect == Effect.NONE else fact.effect, fact.get_effect_display())

    @admin.display(description="why without effect")
    def reason(self, fact: TimelineEvent) -> SafeString | str:
        return whole(fact.why)

    @admin.display(description="integration")
    def source(self, fact: TimelineEvent) -> SafeString | str:
        return "our own" if fact.integration_id is None else link("integrations.integration", fact.integration_id)

    @admin.display(description="actor")
    def actor(self, fact: TimelineEvent) -> SafeString | str:
        return actor_link(fact.user_id, fact.user_name or fact.user_email)

    @admin.display(description="payload")
    def told(self, fact: TimelineEvent) -> SafeString | str:
        return pretty(fact.payload)

    @admin.display(description="read otherwise")
    def otherwise(self, fact: TimelineEvent) -> SafeString | str:
        return pretty(fact.reading)

    @admin.display(description="updates")
    def shown(self, fact: TimelineEvent) -> SafeString | str:
        return pretty(fact.entries)

    @admin.display(description="correction")
    def corrected(self, fact: TimelineEvent) -> SafeString | str:
        return NOTHING if fact.correction is None else pretty(fact.correction)

    @admin.display(description="identity")
    def digest(self, fact: TimelineEvent) -> str:
        return bytes(fact.identity).hex()


# --- beside other records --------------------------------------------------------------------------------------------


def facts_about(kind: str, identity: int) -> Panel:
    """The latest facts about a subject."""
    return panel("Timeline", {"subject_kind": kind, "subject_id": identity}, f"about={kind}-{identity}")


def chronology_of(kind: str, identity: int) -> Panel:
    """The latest facts in a resource's chronology: its own, and those of the incidents about it."""
    return panel("Chronology", {"resource_kind": kind, "resource_id": identity}, f"in={kind}-{identity}")


def panel(title: str, narrowed: dict[str, Any], query: str) -> Panel:
    """The latest facts among some, as a table."""
    latest = [f"-{name}" for name, _ in CHRONOLOGY]
    facts = TimelineEvent.objects.filter(**narrowed).annotate(said=KeyTextTransform("message", "payload"))
    return Panel(
        title=f"{title}: the latest {SHOWN_BESIDE}",
        columns=["Occurred", "Event", "Who", "What was said", "Effect", "Recorded"],
        rows=[row(fact) for fact in facts.defer("payload", "entries").order_by(*latest)[:SHOWN_BESIDE]],
        more=[(f"{listing('timeline.timelineevent')}?{query}", "All of them, in the list of facts")],
    )


def row(fact: Any) -> list[object]:
    """A fact as a row beside its subject."""
    return [
        link("timeline.timelineevent", fact.pk, moment(fact.occurred_at)),
        fact.event,
        clipped(fact.user_name or fact.user_email),
        clipped(fact.said, 200),
        "Applied" if fact.effect == Effect.APPLIED else clipped(f"None: {fact.why}", 200),
        moment(fact.recorded_at),
    ]
