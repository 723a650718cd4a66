"""
Integrations, the keys that send to them, what came in, and what the door did not keep, as an operator needs them.

Deliveries are as they were received: nothing here changes one, but those that were put aside can be replayed. Not here:
receiving (inbox), applying (applying), what replaying does (replay).
"""

from collections import Counter
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import BigIntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config import clock
from config.admin import Panel, Retiring, ViewOnly, when
from config.changelist import NumberFilter, RelatedFilter, SinceFilter, whole_number
from config.paging import Order
from config.shown import clipped, link, listing, moment, pretty, raw, state, whole
from config.vault import CannotOpen
from integrations.forms import GIVEN, NEW, NONE, IntegrationForm, NewIngestKeyForm
from integrations.lifecycle import (
    bind_key,
    new_signing_secret,
    open_integration,
    reopen_integration,
    rotate_token,
    set_signing_secret,
    shut_integration,
    webhook_path,
)
from integrations.models import DoorCount, InboundDelivery, IngestKey, Integration, IntegrationType
from integrations.replay import REPLAYABLE, Change, dry_run, replay
from teams.admin import BELONGINGS, shown_once, standing_of
from teams.authentication import make_key
from teams.lifecycle import revoke_key
from teams.models import APIKey, Scope

SHOWN_BESIDE = 20


# --- integrations ----------------------------------------------------------------------------------------------------


class DoorIsShut(SinceFilter):
    title = "state"
    parameter_name = "deactivated"
    column = "deactivated_at"
    answers = ("Active", "Deactivated")


def latest_deliveries(integration: Integration) -> Panel:
    """What an integration sent last."""
    deliveries = integration.deliveries.defer("body", "headers").order_by("-id")[:SHOWN_BESIDE]
    here = integration.pk
    return Panel(
        title=f"Deliveries: the latest {SHOWN_BESIDE}",
        columns=["Received", "Event", "Verdict", "Why"],
        rows=[
            [
                link("integrations.inbounddelivery", each.pk, moment(each.received_at)),
                clipped(each.event),
                state(each.status),
                clipped(message_of(each.error), 200),
            ]
            for each in deliveries
        ],
        more=[
            (listing("integrations.inbounddelivery", integration__id__exact=here), "Deliveries"),
            (listing("incidents.incident", integration_id=here), "Incidents"),
            (listing("monitors.monitor", integration_id=here), "Monitors"),
            (listing("monitors.heartbeat", integration_id=here), "Heartbeats"),
            (listing("timeline.timelineevent", integration_id=here), "Facts"),
            (listing("integrations.doorcount", integration__id__exact=here), "Not kept"),
            (listing("integrations.ingestkey", integration__id__exact=here), "Ingest keys"),
        ],
    )


def message_of(error: Any) -> str:
    """The sentence in a delivery's error; empty without one."""
    return str(error.get("message", "")) if isinstance(error, dict) else ""


@admin.register(Integration)
class IntegrationAdmin(Retiring):
    """Integrations: the address they send to can be seen here again, their signing secret can't."""

    form = IntegrationForm
    list_display = ["name", "team", "type", "is_open", "signs", "last_delivery", "created"]
    list_filter = [DoorIsShut, "type", ("team", RelatedFilter)]
    list_select_related = ["team"]
    search_fields = ["name"]
    autocomplete_fields = ["team"]
    actions = ["rotate", "reopen"]
    panels: ClassVar = [latest_deliveries]
    retire_means = (
        "A deactivated integration takes nothing in: its address and its keys are answered 401. "
        "Everything that it sent stays, and it can be reopened."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Integration]:
        # The id is found first, because that takes an index alone; asked for the time at once, PostgreSQL may walk
        # through everybody's deliveries.
        here = InboundDelivery.objects.filter(integration=OuterRef(OuterRef("pk"))).order_by("-id")
        latest = InboundDelivery.objects.filter(pk=Subquery(here.values("pk")[:1]))
        return super().get_queryset(request).annotate(heard_at=Subquery(latest.values("received_at")[:1]))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        changed = ["name", "type", "count_only"]
        if obj is None:
            return [(None, {"fields": ["team", *changed]}), ("Signatures", {"fields": ["signing", "signing_secret"]})]
        return [
            (None, {"fields": ["team", *changed]}),
            ("Its address", {"fields": ["address"]}),
            ("Signatures", {"fields": ["signs", "signing", "signing_secret"]}),
            ("Kept", {"fields": ["created", "last_delivery", "deactivated"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else ["team", "address", "signs", "created", "last_delivery", "deactivated"]

    def save_model(self, request: HttpRequest, obj: Integration, form: Any, change: bool) -> None:
        if not change:
            made, _ = open_integration(obj.team, obj.name, IntegrationType(obj.type), clock.now())
            Integration.objects.filter(pk=made.pk).update(count_only=obj.count_only)
            obj.pk = made.pk
            obj.refresh_from_db()
            page = link("integrations.integration", obj.pk, "its page")
            self.message_user(request, format_html("The address that it sends to stands on {}.", page), messages.INFO)
        else:
            obj.save(update_fields=["name", "type", "count_only"])
        self.sign(request, obj, form.cleaned_data["signing"], form.cleaned_data["signing_secret"])

    def sign(self, request: HttpRequest, integration: Integration, signing: str, given: str) -> None:
        """Set the signing secret as the form asks for it."""
        if signing == NONE:
            set_signing_secret(integration, None)
        elif signing == GIVEN:
            set_signing_secret(integration, given)
        elif signing == NEW:
            secret = new_signing_secret()
            set_signing_secret(integration, secret)
            shown_once(request, f"This is the signing secret of “{integration}”.", secret)

    def retire(self, record: Integration, *, by: Any, at: datetime) -> bool:
        return shut_integration(record, at=at)

    def is_retired(self, record: Integration) -> bool:
        return record.deactivated_at is not None

    def offers(self, action: str, record: Integration) -> bool:
        return action != "reopen" or record.deactivated_at is not None

    @admin.action(permissions=["change"], description="Rotate token")
    def rotate(self, request: HttpRequest, queryset: QuerySet[Integration]) -> HttpResponse | None:
        integrations = list(queryset)
        if "post" not in request.POST:
            means = "Each gets a new address with a new token. The old address is answered 401 from that moment on."
            return self.confirm(
                request, integrations, "rotate", title="Rotate token?", means=means, button="Rotate token"
            )
        for integration in integrations:
            rotate_token(integration)
            self.log_change(request, integration, "Token rotated.")
            page = link("integrations.integration", integration.pk, integration)
            self.message_user(
                request, format_html("{} has a new address, which its page shows.", page), messages.SUCCESS
            )
        return None

    @admin.action(permissions=["change"], description="Reopen")
    def reopen(self, request: HttpRequest, queryset: QuerySet[Integration]) -> None:
        done = [each for each in queryset if reopen_integration(each)]
        for integration in done:
            self.log_change(request, integration, "Reopened.")
        self.message_user(request, f"{len(done)} reopened.", messages.SUCCESS)

    @admin.display(description="address")
    def address(self, integration: Integration) -> SafeString:
        return address_of(integration)

    @admin.display(description="state")
    def is_open(self, integration: Integration) -> SafeString:
        return state("active" if integration.deactivated_at is None else "deactivated")

    @admin.display(description="signatures")
    def signs(self, integration: Integration) -> str:
        return "required" if integration.signing_secret_ciphertext is not None else "not asked for"

    last_delivery = when("heard_at", "last delivery")
    created = when("created_at")
    deactivated = when("deactivated_at")


def address_of(integration: Integration) -> SafeString:
    """The path that a sender posts to, token and all."""
    try:
        return format_html('<code class="secret">{}</code>', webhook_path(integration))
    except CannotOpen:
        return format_html("{}", "None of the present encryption keys opens its token. Rotate it to get a new one.")


# --- ingest keys -----------------------------------------------------------------------------------------------------


@admin.register(IngestKey)
class IngestKeyAdmin(Retiring):
    """API keys that send events in, and where to. What else there is about such a key stands on its own page."""

    list_display = ["key", "integration", "team", "acts_for", "standing", "expires", "last_used"]
    list_filter = [("integration", RelatedFilter)]
    list_select_related = ["integration__team", "api_key__user", "api_key__team"]
    ordering = ["-api_key_id"]
    order: ClassVar[Order] = [("number", "desc")]
    search_fields = ["api_key__name", "api_key__prefix", "integration__name"]
    search_help_text = "An id, or the beginning of the key, its name or its integration's"
    autocomplete_fields = ["integration"]
    retire_word = "Revoke"
    retired_word = "revoked"
    retire_means = "A revoked key opens nothing any more, and stays revoked. What was sent with it stays as it is."

    def get_queryset(self, request: HttpRequest) -> QuerySet[IngestKey]:
        return super().get_queryset(request).annotate(number=Cast("api_key_id", BigIntegerField()))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        return super().get_form(request, obj, change, **({} if obj else {"form": NewIngestKeyForm}) | options)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ["integration", "user", "name", "further", "expires_at"]
        return ["key", "integration", "team", "acts_for", "standing", "expires", "last_used"]

    def save_model(self, request: HttpRequest, obj: IngestKey, form: Any, change: bool) -> None:
        said = form.cleaned_data
        key, text = make_key(obj.integration.team, said["user"], said["name"], [Scope.INGEST, *said["further"]])
        APIKey.objects.filter(pk=key.pk).update(expires_at=said["expires_at"])
        bind_key(key, obj.integration)
        obj.api_key = key
        shown_once(request, f"This is the key “{key.name}”.", text)

    def retire(self, record: IngestKey, *, by: Any, at: datetime) -> bool:
        return revoke_key(record.api_key, at=at)

    def is_retired(self, record: IngestKey) -> bool:
        return record.api_key.revoked_at is not None

    @admin.display(description="key")
    def key(self, bound: IngestKey) -> SafeString | str:
        return link("teams.apikey", bound.api_key_id, bound.api_key)

    @admin.display(description="team")
    def team(self, bound: IngestKey) -> SafeString | str:
        return link("teams.team", bound.integration.team_id, bound.integration.team)

    @admin.display(description="user")
    def acts_for(self, bound: IngestKey) -> SafeString | str:
        return link("teams.user", bound.api_key.user_id, bound.api_key.user)

    @admin.display(description="state")
    def standing(self, bound: IngestKey) -> SafeString:
        return standing_of(bound.api_key)

    @admin.display(description="expires")
    def expires(self, bound: IngestKey) -> SafeString | str:
        return moment(bound.api_key.expires_at)

    @admin.display(description="last used")
    def last_used(self, bound: IngestKey) -> SafeString | str:
        return moment(bound.api_key.last_used_at)


# --- deliveries ------------------------------------------------------------------------------------------------------


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


class IncidentFilter(NumberFilter):
    title = "incident"
    parameter_name = "incident_id"


@admin.register(InboundDelivery)
class InboundDeliveryAdmin(ViewOnly):
    """Deliveries, as they were received, and what became of them. What was put aside can be replayed."""

    list_display = ["received", "event_name", "verdict", "why", "about", "integration", "team"]
    list_filter = ["status", IncidentFilter, ("integration", RelatedFilter), ("team", RelatedFilter)]
    list_select_related = ["team", "integration"]
    list_defer = ["body", "headers"]
    wide_filters = ["status__exact"]
    search_fields = ["webhook_id"]
    search_help_text = "A delivery's id"
    actions = ["replay"]
    fieldsets = [
        (None, {"fields": ["id", "received", "team", "integration", "event_name", "verdict", "about", "led_to"]}),
        ("As it came in", {"fields": ["content", "headers_kept", "sent_as", "digest"]}),
        ("What became of it", {"fields": ["problem", "attempts", "due", "applied", "replayed", "replayed_by"]}),
    ]

    def found(self, text: str) -> list[int]:
        number = whole_number(text)
        return [] if number is None else [number]

    def is_wide(self, names: set[str]) -> bool:
        """A team's deliveries of one verdict have an index of their own."""
        return "team__id__exact" not in names and super().is_wide(names)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may replay, which changes verdicts and adds facts."""
        return bool(request.user.has_perm("integrations.change_inbounddelivery"))

    @admin.action(permissions=["replay"], description="Replay")
    def replay(self, request: HttpRequest, queryset: QuerySet[InboundDelivery]) -> HttpResponse | None:
        """Show what replaying would change; asked for again from there, do it."""
        deliveries = list(queryset.filter(status__in=REPLAYABLE).defer("body", "headers").order_by("id"))
        by: Any = request.user
        if not deliveries:
            self.message_user(request, "None of these was put aside, so there is nothing to replay.", messages.WARNING)
            return None
        if "post" not in request.POST:
            changes = dry_run(deliveries, by=by, at=clock.now())
            return self.confirm(
                request,
                deliveries,
                "replay",
                title=f"Replay {len(deliveries)} {'delivery' if len(deliveries) == 1 else 'deliveries'}?",
                means="A dry run: nothing has been changed yet. This is what a replay would do.",
                button="Replay",
                panel=Panel("", ["Delivery", "Event", "Then", "What changes"], [dry_row(each) for each in changes]),
            )
        verdicts = Counter(replay(delivery, by=by, at=clock.now()).verdict for delivery in deliveries)
        words = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.most_common())
        self.message_user(request, f"Replayed: {words}.", messages.SUCCESS)
        return None

    def offers(self, action: str, record: InboundDelivery) -> bool:
        return action != "replay" or record.status in REPLAYABLE

    received = when("received_at")
    due = when("due_at")
    applied = when("applied_at")
    replayed = when("replayed_at")

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

    list_display = ["day", "reason_words", "integration", "count"]
    list_filter = [("integration", RelatedFilter)]
    list_select_related = ["integration"]
    list_display_links = None

    @admin.display(description="reason")
    def reason_words(self, counted: DoorCount) -> SafeString | str:
        return clipped(counted.reason)


BELONGINGS += [("integrations.integration", "Integrations"), ("integrations.inbounddelivery", "Deliveries")]
