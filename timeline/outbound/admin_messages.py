"""
Messages and attempts as an operator needs them: as they were sent, to be found and read. Nothing here changes one, but
a message can be sent again or given up.

Not here: the endpoints (admin), by way of which Django admin finds these; the verbs (lifecycle).
"""

from functools import partial
from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from config import clock
from config.admin import ByIdAlone, when
from config.adminverbs import Worked
from config.changelist import RelatedFilter, margin
from config.panels import Panel, shows
from config.shown import clipped, link, moment, raw, state, whole
from timeline.about import subject_link
from timeline.models import SubjectKind
from timeline.outbound import lifecycle, log
from timeline.outbound.filters import AttemptFilters, MessageFilters
from timeline.outbound.models import Attempt, Message, Standing

# --- messages --------------------------------------------------------------------------------------------------------


def standing_of(message: Message) -> SafeString:
    """How far a message is."""
    return state(message.standing, message.get_status_display())


@shows("timeline.attempt")
def attempts_at(message: Message) -> Panel:
    """What was tried to deliver a message."""
    return Panel(
        title="Attempts, the newest first",
        columns=["Began", "Lasted", "Answer", "Why it failed"],
        rows=[
            [
                link("timeline.attempt", each.pk, moment(each.started_at)),
                lasted(each),
                each.status_code or "none",
                clipped(each.error, 200),
            ]
            for each in log.attempts(message)
        ],
    )


def lasted(attempt: Attempt) -> str:
    """How long an attempt took."""
    return "no end" if attempt.milliseconds is None else f"{attempt.milliseconds:.0f} ms"


@admin.register(Message)
class MessageAdmin(Worked, ByIdAlone):
    """Messages, as they are sent, and how far they are. They can be sent again, or given up."""

    list_display = ["made", "event", "about", "to", "standing", "tries", "reason", "team"]
    list_filter = [*margin(MessageFilters), ("team", RelatedFilter)]
    list_select_related = ["team", "endpoint"]
    list_defer = ["body"]
    wide_filters = ["state", "event"]
    search_fields = ["id"]
    search_help_text = "A message's id"
    actions = ["redeliver", "give_up"]
    panels: ClassVar = [attempts_at]
    fieldsets = [
        (None, {"fields": ["id", "made", "team", "to", "event", "about", "tells"]}),
        ("What is sent", {"fields": ["webhook_id", "content"]}),
        ("How far it is", {"fields": ["standing", "tries", "due", "ended", "reason"]}),
    ]

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may have messages sent, or not."""
        return bool(request.user.has_perm("timeline.change_message"))

    def offers(self, action: str, record: Message) -> bool:
        if action == "give_up":
            return record.standing == Standing.WAITING
        return record.standing != Standing.WAITING and record.endpoint.is_enabled

    @admin.action(permissions=["send"], description="Send again")
    def redeliver(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        self.each(request, queryset, partial(lifecycle.redeliver, at=clock.now()), "sent again")

    @admin.action(permissions=["send"], description="Give up")
    def give_up(self, request: HttpRequest, queryset: QuerySet[Message]) -> HttpResponse | None:
        if "post" not in request.POST:
            means = "They are not sent any more. What waits behind them, about the same, comes next."
            return self.confirm(request, list(queryset), "give_up", title="Give up?", means=means, button="Give up")
        self.each(request, queryset, lambda each: lifecycle.give_up_one(each, at=clock.now()), "given up")
        return None

    made = when("created_at", "made")
    due = when("next_try_at", "next try")
    ended = when("ended_at", "delivered or given up")

    @admin.display(description="endpoint")
    def to(self, message: Message) -> SafeString | str:
        return link("timeline.endpoint", message.endpoint_id, clipped(message.endpoint, 50))

    @admin.display(description="about")
    def about(self, message: Message) -> SafeString | str:
        if message.subject_kind in SubjectKind.values:
            return subject_link(message.subject_kind, message.subject_id)
        return "a test"

    @admin.display(description="fact")
    def tells(self, message: Message) -> SafeString | str:
        return link("timeline.timelineevent", message.fact_id)

    @admin.display(description="state")
    def standing(self, message: Message) -> SafeString:
        return standing_of(message)

    @admin.display(description="why")
    def reason(self, message: Message) -> SafeString | str:
        return clipped(message.why, 200)

    @admin.display(description="body")
    def content(self, message: Message) -> SafeString:
        return raw(message.body.encode())


@admin.register(Attempt)
class AttemptAdmin(ByIdAlone):
    """Attempts, as they went."""

    list_display = ["began", "of", "took", "status_code", "reason"]
    list_filter = [*margin(AttemptFilters)]
    list_defer = ["excerpt"]
    search_fields = ["id"]
    search_help_text = "An attempt's id"
    fieldsets = [(None, {"fields": ["id", "of", "began", "ended", "took", "status_code", "reason", "answer"]})]

    began = when("started_at", "began")
    ended = when("ended_at", "ended")

    @admin.display(description="message")
    def of(self, attempt: Attempt) -> SafeString | str:
        return link("timeline.message", attempt.message_id)

    @admin.display(description="lasted")
    def took(self, attempt: Attempt) -> str:
        return lasted(attempt)

    @admin.display(description="why it failed")
    def reason(self, attempt: Attempt) -> SafeString | str:
        return clipped(attempt.error, 200)

    @admin.display(description="answer")
    def answer(self, attempt: Attempt) -> SafeString | str:
        return whole(attempt.excerpt)
