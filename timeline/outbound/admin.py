"""
Endpoints as an operator needs them, and whether this installation may send at all.

Not here: what was sent (admin_messages), the verbs (lifecycle, installation).
"""

from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString

from config import clock
from config.admin import Retiring, ViewOnly, when
from config.adminverbs import Worked
from config.changelist import RelatedFilter, margin
from config.errors import Conflict
from config.panels import Panel, shows
from config.seen import digest, unless_overtaken
from config.shown import clipped, link, listing, moment, state, whole
from config.trail import last_noted
from teams.admin import shown_once
from timeline.outbound import installation, lifecycle
from timeline.outbound.admin_messages import standing_of
from timeline.outbound.filters import EndpointFilters
from timeline.outbound.forms import OperatorsEndpointForm, OperatorsReplayForm
from timeline.outbound.models import Endpoint, Installation

SHOWN_BESIDE = 20

# --- endpoints --------------------------------------------------------------------------------------------------------


@shows("timeline.message")
def latest_messages(endpoint: Endpoint) -> Panel:
    """What an endpoint was sent last."""
    sent = endpoint.messages.defer("body").order_by("-id")[:SHOWN_BESIDE]
    return Panel(
        title=f"Messages: the latest {SHOWN_BESIDE}",
        columns=["Made", "Event", "State", "Tries", "Why"],
        rows=[
            [
                link("timeline.message", each.pk, moment(each.created_at)),
                each.event,
                standing_of(each),
                each.tries,
                clipped(each.why, 200),
            ]
            for each in sent
        ],
        more=[(listing("timeline.message", endpoint_id=endpoint.pk), "All of them, in the list of messages")],
    )


@admin.register(Endpoint)
class EndpointAdmin(Worked, Retiring):
    """Endpoints. Their signing secrets are seen once, when they are made."""

    form = OperatorsEndpointForm
    list_display = ["called", "team", "standing", "failing", "last_delivery", "created"]
    list_filter = [*margin(EndpointFilters), ("team", RelatedFilter)]
    list_select_related = ["team"]
    search_fields = ["description", "url"]
    search_help_text = "An id, or the beginning of a description or URL"
    autocomplete_fields = ["team"]
    actions = ["send_test", "enable", "disable", "rotate", "replay"]
    panels: ClassVar = [latest_messages]
    retire_word = "Delete"
    retired_word = "deleted"
    retire_means = "Nothing is sent to it any more, and what waits is given up. What was sent stays to be read."

    given: ClassVar[list[str]] = ["url", "description", "relay", "further", "events", "further_events"]
    kept: ClassVar[list[str]] = [
        "standing", "reason", "failing", "last_delivery", "both_good", "created", "deleted",
    ]  # fmt: skip

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ["team", *self.given]})]
        described = self.given if self.has_change_permission(request, obj) else ["url", "description", "what"]
        return [(None, {"fields": ["id", "team", *described]}), ("How it goes", {"fields": self.kept})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else ["id", "team", "what", *self.kept]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            options["form"] = ModelForm
        return super().get_form(request, obj, change, **options)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.deleted_at is None)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Conflict as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Endpoint, form: Any, change: bool) -> None:
        if change:
            lifecycle.edit_endpoint(Endpoint.objects.get(pk=obj.pk), **form.details())
        else:
            made, secret = lifecycle.create_endpoint(obj.team, at=clock.now(), **form.details())
            obj.pk = made.pk
            shown_once(request, f"This is the signing secret of “{made}”.", secret)
        obj.refresh_from_db()

    def retire(self, record: Endpoint, *, by: Any, at: datetime) -> bool:
        return lifecycle.delete_endpoint(record, at=at)

    def is_retired(self, record: Endpoint) -> bool:
        return record.deleted_at is not None

    def offers(self, action: str, record: Endpoint) -> bool:
        if record.deleted_at is not None:
            return False
        if record.disabled_at is not None:
            return action in ("enable", "rotate")
        return action != "enable"

    # Verbs

    @admin.action(permissions=["change"], description="Send a test")
    def send_test(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        self.each(request, queryset, lambda each: lifecycle.send_test(each, at=clock.now()), "sent a test")

    @admin.action(permissions=["change"], description="Enable")
    def enable(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        self.each(request, queryset, partial(lifecycle.enable, at=clock.now()), "enabled")

    @admin.action(permissions=["change"], description="Disable")
    def disable(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        self.each(request, queryset, lambda each: lifecycle.disable(each, at=clock.now()), "disabled")

    @admin.action(permissions=["change"], description="Rotate secret")
    def rotate(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> HttpResponse | None:
        endpoints = list(queryset)
        if "post" not in request.POST:
            words = "Rotate secret"
            means = "For 24 hours each message is signed with the new secret and with the one before."
            seen = digest(*map(lifecycle.secret_version, endpoints))
            return self.confirm(request, endpoints, "rotate", title=f"{words}?", means=means, button=words, seen=seen)
        try:
            self.rotate_all(request, queryset)
        except Conflict as refused:
            self.message_user(request, refused.message, messages.WARNING)
        return None

    def rotate_all(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        """Give each a new secret, if none has got one since it was looked at. Raises Overtaken, and Conflict."""

        def rotated(endpoint: Endpoint) -> bool:
            secret = lifecycle.rotate_secret(endpoint, at=clock.now())
            shown_once(request, f"This is the signing secret of “{endpoint}”.", secret)
            return True

        with transaction.atomic():
            endpoints = list(queryset)
            for endpoint in endpoints:
                lifecycle.locked(endpoint)
            seen, present = request.POST.get("seen", ""), digest(*map(lifecycle.secret_version, endpoints))
            first = partial(
                last_noted, endpoints, "made a new secret", "Given a new secret.", "Signing secret rotated."
            )
            unless_overtaken(seen, present, first, clock.now(), by=str(request.user))
            self.each(request, queryset, rotated, "given a new secret")

    @admin.action(permissions=["change"], description="Replay…")
    def replay(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> HttpResponse | None:
        form = OperatorsReplayForm(request.POST if "post" in request.POST else None)
        if not form.is_valid():
            means = "What was recorded in this time is sent again, under the same webhook-ids."
            records = list(queryset)
            return self.confirm(request, records, "replay", title="Replay", means=means, button="Replay", form=form)
        said, made = form.cleaned_data, []

        def replayed(endpoint: Endpoint) -> bool:
            made.append(lifecycle.replay(endpoint, since=said["since"], until=said["until"], at=clock.now()))
            return True

        self.each(request, queryset, replayed, "replayed")
        self.message_user(request, f"Messages on their way: {sum(made)}.", messages.INFO)
        return None

    # How it is shown

    @admin.display(description="endpoint")
    def called(self, endpoint: Endpoint) -> SafeString | str:
        return clipped(endpoint, 70)

    @admin.display(description="state")
    def standing(self, endpoint: Endpoint) -> SafeString:
        if endpoint.deleted_at is not None:
            return state("destroyed", "Deleted")
        if endpoint.disabled_at is not None:
            return state("conflict" if endpoint.disabled_why else "deactivated", "Disabled")
        return state("active", "Enabled")

    @admin.display(description="why it is disabled")
    def reason(self, endpoint: Endpoint) -> SafeString | str:
        return whole(endpoint.disabled_why)

    @admin.display(description="events")
    def what(self, endpoint: Endpoint) -> str:
        return ", ".join(endpoint.event_types) or "all"

    @admin.display(description="old secret good until")
    def both_good(self, endpoint: Endpoint) -> SafeString | str:
        return moment(endpoint.both_good_until(clock.now()))

    failing = when("failing_since", "failing since")
    last_delivery = when("succeeded_at", "last delivery")
    created = when("created_at")
    deleted = when("deleted_at")


# --- this installation ------------------------------------------------------------------------------------------------


@admin.register(Installation)
class InstallationAdmin(ViewOnly):
    """Which Watchkeeper this is, and whether it sends. After a restore somebody has to say that it may."""

    list_display = ["public_id", "standing", "paused", "reason"]
    search_fields = ["public_id"]
    actions = ["let_go_on"]
    fieldsets = [(None, {"fields": ["public_id", "counter", "standing", "paused", "reason"]})]

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may let sending go on."""
        return bool(request.user.has_perm("timeline.change_installation"))

    def offers(self, action: str, record: Installation) -> bool:
        return record.paused_at is not None

    @admin.action(permissions=["send"], description="Let sending go on")
    def let_go_on(self, request: HttpRequest, queryset: QuerySet[Installation]) -> HttpResponse | None:
        if not queryset.exclude(paused_at=None).exists():
            self.message_user(request, "Sending is not paused.", messages.WARNING)
            return None
        words = "Let sending go on"
        if "post" not in request.POST:
            means = (
                "What waits is sent, also what may have been sent before the backup was restored. To give it up first, "
                "or to let a copy have an id of its own, use ./watchkeeper sending go."
            )
            return self.confirm(request, list(queryset), "let_go_on", title=f"{words}?", means=means, button=words)
        installation.go()
        for each in queryset:
            self.log_change(request, each, "Sending goes on.")
        self.message_user(request, "Sending goes on.", messages.SUCCESS)
        return None

    @admin.display(description="state")
    def standing(self, present: Installation) -> SafeString:
        return state("active", "Sends") if present.paused_at is None else state("quarantined", "Paused")

    @admin.display(description="why")
    def reason(self, present: Installation) -> SafeString | str:
        return whole(present.paused_why)

    paused = when("paused_at", "paused since")
