"""
Integrations and the keys that send to them, as an operator needs them.

What they sent has pages of its own (admin_deliveries), which Django admin finds by way of this module. Not here: the
verbs (lifecycle).
"""

from datetime import datetime
from functools import partial
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import BigIntegerField, QuerySet
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config import clock
from config.admin import Retiring, when
from config.changelist import RelatedFilter, margin
from config.paging import Order
from config.panels import Panel, shows
from config.seen import Overtaken, digest, unless_overtaken
from config.shown import clipped, link, listing, moment, state
from config.signing import new_signing_secret
from config.trail import last_noted
from config.vault import CannotOpen
from integrations.admin_deliveries import message_of
from integrations.filters import IntegrationFilters
from integrations.forms import GIVEN, NEW, NONE, IntegrationForm, NewIngestKeyForm
from integrations.hearing import with_last_heard
from integrations.lifecycle import (
    ROTATED,
    SIGNED,
    UNSIGNED,
    edit_integration,
    issue_key,
    lock,
    open_integration,
    reopen_integration,
    rotate_token,
    set_signing_secret,
    shut_integration,
    token_version,
    webhook_path,
)
from integrations.models import IngestKey, Integration, IntegrationType
from teams.admin import shown_once, standing_of
from teams.lifecycle import revoke_key
from teams.models import Scope, User

SHOWN_BESIDE = 20


# --- integrations ----------------------------------------------------------------------------------------------------


@shows("integrations.inbounddelivery")
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


def edited(integration: Integration) -> dict[str, Any]:
    """What can be edited of an integration, as a form has it."""
    return {name: getattr(integration, name) for name in ("name", "type", "count_only", "may_act")}


@admin.register(Integration)
class IntegrationAdmin(Retiring):
    """Integrations: the address they send to can be seen here again, their signing secret can't."""

    form = IntegrationForm
    list_display = ["name", "team", "type", "is_open", "signs", "last_delivery", "created"]
    list_filter = [*margin(IntegrationFilters), ("team", RelatedFilter)]
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
        return with_last_heard(super().get_queryset(request))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        changed = ["name", "type", "count_only", "may_act"]
        if obj is None:
            return [(None, {"fields": ["team", *changed]}), ("Signatures", {"fields": ["signing", "signing_secret"]})]
        return [
            (None, {"fields": ["team", *changed]}),
            *([("Its address", {"fields": ["address"]})] if self.has_change_permission(request, obj) else []),
            ("Signatures", {"fields": ["signs", "signing", "signing_secret"]}),
            ("Kept", {"fields": ["created", "last_delivery", "deactivated"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else ["team", "address", "signs", "created", "last_delivery", "deactivated"]

    def save_model(self, request: HttpRequest, obj: Integration, form: Any, change: bool) -> None:
        if not change:
            made, _ = open_integration(obj.team, obj.name, IntegrationType(obj.type), clock.now())
            edit_integration(made, **edited(obj))
            obj.pk = made.pk
            obj.refresh_from_db()
            page = link("integrations.integration", obj.pk, "its page")
            self.message_user(request, format_html("The address that it sends to stands on {}.", page), messages.INFO)
        else:
            edit_integration(obj, **edited(obj))
        self.sign(request, obj, form.cleaned_data["signing"], form.cleaned_data["signing_secret"])

    def sign(self, request: HttpRequest, integration: Integration, signing: str, given: str) -> None:
        """Set the signing secret as the form asks for it."""
        if signing == NONE:
            set_signing_secret(integration, None)
            self.log_change(request, integration, UNSIGNED)
        elif signing == GIVEN:
            set_signing_secret(integration, given)
            self.log_change(request, integration, SIGNED)
        elif signing == NEW:
            secret = new_signing_secret()
            set_signing_secret(integration, secret)
            self.log_change(request, integration, SIGNED)
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
            seen = digest(*map(token_version, integrations))
            words = "Rotate token"
            return self.confirm(
                request, integrations, "rotate", title=f"{words}?", means=means, button=words, seen=seen
            )
        try:
            self.rotate_all(request, integrations)
        except Overtaken as refused:
            self.message_user(request, refused.message, messages.WARNING)
        return None

    def rotate_all(self, request: HttpRequest, integrations: list[Integration]) -> None:
        """Give each a new token, if none has got one since it was looked at. Raises Overtaken."""
        with transaction.atomic():
            for integration in integrations:
                lock(integration)
            seen, present = request.POST.get("seen", ""), digest(*map(token_version, integrations))
            first = partial(last_noted, integrations, "rotated a token", ROTATED)
            unless_overtaken(seen, present, first, clock.now(), by=str(request.user))
            for integration in integrations:
                rotate_token(integration)
                self.log_change(request, integration, ROTATED)
        for integration in integrations:
            page = link("integrations.integration", integration.pk, integration)
            self.message_user(
                request, format_html("{} has a new address, which its page shows.", page), messages.SUCCESS
            )

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
        form: Any = super().get_form(request, obj, change, **({} if obj else {"form": NewIngestKeyForm}) | options)
        form.maker = request.user
        return form

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ["integration", "name", "further", "expires_at"]
        return ["key", "integration", "team", "acts_for", "standing", "expires", "last_used"]

    def save_model(self, request: HttpRequest, obj: IngestKey, form: Any, change: bool) -> None:
        said = form.cleaned_data
        scopes = [Scope.INGEST, *said["further"]]
        key, text = issue_key(
            obj.integration.team,
            cast(User, request.user),
            said["name"],
            scopes,
            expires_at=said["expires_at"],
            integration=obj.integration,
        )
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
