"""
Deliveries, and what the door did not keep, as an operator needs them in Django admin.

Deliveries are as they were received: nothing here changes one, but those that were put aside can be replayed, and those
that wait applied now. Not here: receiving (ingest), applying (applying), what replaying does (replay).
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config import clock
from config.admin import ByIdAlone, ViewOnly, when
from config.changelist import RelatedFilter, margin
from config.panels import Panel
from config.shown import clipped, link, pretty, raw, state, whole
from integrations.filters import DeliveryFilters
from integrations.models import DoorCount, InboundDelivery, Verdict
from integrations.replay import REPLAYABLE, WHOLE, Change, apply_now, can_be_replayed, dry_run, replay


def message_of(error: Any) -> str:
    """The sentence in a delivery's error; empty without one."""
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def dry_row(change: Change) -> list[object]:
    """What replaying a delivery would change, as a row."""
    key = change.delivery.pk
    return [
        link("integrations.inbounddelivery", key),
        clipped(change.delivery.event),
        state(change.verdict),
        led(change),
    ]


def led(change: Change) -> SafeString | str:
    """What becomes of the record that a replayed delivery is about, or why nothing does."""
    if change.subject is None:
        return clipped(message_of(change.error), 200)
    if change.before == change.after:
        return format_html("{}: stays {}", clipped(change.subject), change.after)
    return format_html("{}: {} → {}", clipped(change.subject), change.before or "new", change.after)


# What an action means, beside what it would do.
MEANS = {"apply_now": " Each will stand in the history as if it had occurred when it was received."}
# What became of a delivery.
OUTCOME: Any = ["problem", "not_read", "attempts", "due", "applied", "replayed", "replayed_by", "dated"]


class Tried(NamedTuple):
    """An action whose effect is shown before it is done: its name, button and verb, what is said of it, and if not."""

    action: str
    button: str
    verb: Callable[..., Change]
    done: str
    nothing: str


@admin.register(InboundDelivery)
class InboundDeliveryAdmin(ByIdAlone):
    """
    Deliveries, as they were received, and what became of them. What was put aside can be replayed, what waits applied
    now.
    """

    list_display = ["received", "event_name", "verdict", "why", "about", "integration", "team"]
    list_filter = [*margin(DeliveryFilters), ("integration", RelatedFilter), ("team", RelatedFilter)]
    list_select_related = ["team", "integration"]
    list_defer = ["body", "headers"]
    wide_filters = ["status__exact"]
    search_fields = ["webhook_id"]
    search_help_text = "A delivery's id"
    actions = ["replay", "apply_now"]
    fieldsets = [
        (None, {"fields": ["id", "received", "team", "integration", "event_name", "verdict", "about", "led_to"]}),
        ("As it came in", {"fields": ["content", "whole_size", "headers_kept", "sent_as", "digest"]}),
        ("What became of it", {"fields": OUTCOME}),
    ]

    def is_wide(self, names: set[str]) -> bool:
        """A team's deliveries of one verdict have an index of their own."""
        return "team__id__exact" not in names and super().is_wide(names)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may replay, which changes verdicts and adds facts."""
        return bool(request.user.has_perm("integrations.change_inbounddelivery"))

    @admin.action(permissions=["replay"], description="Replay")
    def replay(self, request: HttpRequest, queryset: QuerySet[InboundDelivery]) -> HttpResponse | None:
        """Show what replaying would change; asked for again from there, do it."""
        chosen = queryset.filter(WHOLE, status__in=REPLAYABLE)
        nothing = "None of these was put aside, so there is nothing to replay."
        return self.tried_first(request, chosen, Tried("replay", "Replay", replay, "Replayed", nothing))

    @admin.action(permissions=["replay"], description="Apply now")
    def apply_now(self, request: HttpRequest, queryset: QuerySet[InboundDelivery]) -> HttpResponse | None:
        """Show what applying those that wait would change, each dated when it was received; then do it."""
        chosen = queryset.filter(status=Verdict.WAITING)
        nothing = "None of these waits, so there is nothing to apply."
        tried = Tried("apply_now", "Apply now", apply_now, "Applied now", nothing)
        return self.tried_first(request, chosen, tried)

    def tried_first(self, request: HttpRequest, chosen: QuerySet[InboundDelivery], tried: Tried) -> HttpResponse | None:
        """Show what an action would change of deliveries; asked for again from there, do it."""
        deliveries = list(chosen.defer("body", "headers").order_by("id"))
        by: Any = request.user
        if not deliveries:
            self.message_user(request, tried.nothing, messages.WARNING)
            return None
        if "post" not in request.POST:
            changes = dry_run(deliveries, by=by, at=clock.now())
            number = f"{len(deliveries)} {'delivery' if len(deliveries) == 1 else 'deliveries'}"
            dry = "A dry run: nothing has been changed yet. This is what it would do."
            return self.confirm(
                request,
                deliveries,
                tried.action,
                title=f"{tried.button}: {number}?",
                means=dry + MEANS.get(tried.action, ""),
                button=tried.button,
                panel=Panel("", ["Delivery", "Event", "Then", "What changes"], [dry_row(each) for each in changes]),
            )
        verdicts = Counter(tried.verb(delivery, by=by, at=clock.now()).verdict for delivery in deliveries)
        told = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.most_common())
        self.message_user(request, f"{tried.done}: {told}.", messages.SUCCESS)
        return None

    def offers(self, action: str, record: InboundDelivery) -> bool:
        if action == "apply_now":
            return record.status == Verdict.WAITING
        return action != "replay" or can_be_replayed(record)

    received = when("received_at")
    due = when("due_at")
    applied = when("applied_at")
    replayed = when("replayed_at")
    dated = when("dated_at", "occurred, as was decided")

    @admin.display(description="event")
    def event_name(self, delivery: InboundDelivery) -> SafeString | str:
        return clipped(delivery.event, 50)

    @admin.display(description="verdict")
    def verdict(self, delivery: InboundDelivery) -> SafeString:
        return state(delivery.status)

    @admin.display(description="why")
    def why(self, delivery: InboundDelivery) -> SafeString | str:
        return clipped(message_of(delivery.error))

    @admin.display(description="incident")
    def about(self, delivery: InboundDelivery) -> SafeString | str:
        return link("incidents.incident", delivery.incident_id)

    @admin.display(description="fact")
    def led_to(self, delivery: InboundDelivery) -> SafeString | str:
        return link("timeline.timelineevent", delivery.fact_id)

    @admin.display(description="body")
    def content(self, delivery: InboundDelivery) -> SafeString:
        return raw(bytes(delivery.body))

    @admin.display(description="whole")
    def whole_size(self, delivery: InboundDelivery) -> str:
        if delivery.size is None:
            return "yes"
        return f"Only the first {len(delivery.body):,} of {delivery.size:,} bytes are kept."

    @admin.display(description="fields ignored")
    def not_read(self, delivery: InboundDelivery) -> SafeString | str:
        return clipped(", ".join(delivery.ignored or []), 500)

    @admin.display(description="headers")
    def headers_kept(self, delivery: InboundDelivery) -> SafeString | str:
        return pretty(delivery.headers)

    @admin.display(description="webhook-id")
    def sent_as(self, delivery: InboundDelivery) -> SafeString | str:
        return whole(delivery.webhook_id)

    @admin.display(description="identity")
    def digest(self, delivery: InboundDelivery) -> str:
        return bytes(delivery.identity).hex()

    @admin.display(description="error")
    def problem(self, delivery: InboundDelivery) -> SafeString | str:
        return pretty(delivery.error)


@admin.register(DoorCount)
class DoorCountAdmin(ViewOnly):
    """What the door counted and did not keep."""

    list_display = ["day", "reason_words", "integration", "count", "last"]
    list_filter = [("integration", RelatedFilter)]
    list_select_related = ["integration"]
    list_display_links = None

    last = when("last_at")

    @admin.display(description="reason")
    def reason_words(self, counted: DoorCount) -> SafeString | str:
        return clipped(counted.reason)
