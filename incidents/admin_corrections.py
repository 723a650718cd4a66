"""
Correcting incidents' histories in admin: entries' times and texts, and hiding them, on the pages of facts and in their
list. (Adding an entry is a tool of the incident itself: incidents.admin_verbs.)

They are the verbs and the forms of the staff's pages, with the same history. Not here: what a correction does
(incidents.corrections), how facts are shown (timeline.admin).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from config.adminverbs import REFUSALS_SHOWN, acts, why
from config.errors import ApiError
from config.formfields import blame
from config.panels import Panel, shows
from config.seen import Overtaken, knowing
from config.shown import clipped, moment
from incidents import corrections
from incidents.forms import CorrectionForm, SeveralForm
from incidents.models import Incident
from timeline.admin import TimelineEventAdmin, facts_about, subject_link
from timeline.corrections import CORRECTED
from timeline.events import INCIDENT
from timeline.models import TimelineEvent


@admin.register(TimelineEvent)
class CorrectableFacts(TimelineEventAdmin):
    """Facts, of which those about incidents can be corrected. They stay what they are; a correction is a fact, too."""

    actions = ["correct", "hide", "show_again"]

    def has_work_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may work on incidents."""
        return request.user.has_perm("incidents.change_incident")

    def offers(self, action: str, record: TimelineEvent) -> bool:
        if not is_correctable(record):
            return False
        return action == "correct" or record.is_hidden == (action == "show_again")

    @admin.action(permissions=["work"], description="Correct time or text…")
    def correct(self, request: HttpRequest, queryset: QuerySet[TimelineEvent]) -> HttpResponse | None:
        entries = list(queryset)
        if len(entries) != 1 or not is_correctable(entries[0]):
            self.message_user(request, "Choose one entry of an incident, and no correction.", messages.WARNING)
            return None
        [entry] = entries
        form = CorrectionForm(entry, request.POST if "post" in request.POST else None)
        if not form.is_valid():
            return self.ask_about([entry], request, "correct", "Correct this entry", form)
        try:
            fact = corrections.correct(incident_of(entry.subject_id), entry.pk, **acts(request), **form.said())
        except Overtaken as refused:
            self.message_user(request, refused.message, messages.WARNING)
            entry.refresh_from_db()
            again = CorrectionForm(entry, knowing(request.POST, corrections.version(entry)))
            return self.ask_about([entry], request, "correct", "Correct this entry", again)
        except ApiError as refused:
            blame(form, refused)
            return self.ask_about([entry], request, "correct", "Correct this entry", form)
        self.tell(request, [entry], {entry.pk: corrections.Answer(fact)}, "corrected")
        return None

    @admin.action(permissions=["work"], description="Hide…")
    def hide(self, request: HttpRequest, queryset: QuerySet[TimelineEvent]) -> HttpResponse | None:
        return self.hide_or_show(request, list(queryset), "hide", "Hide from the record", "hidden")

    @admin.action(permissions=["work"], description="Show again…")
    def show_again(self, request: HttpRequest, queryset: QuerySet[TimelineEvent]) -> HttpResponse | None:
        return self.hide_or_show(request, list(queryset), "show_again", "Show again", "shown again")

    def hide_or_show(
        self, request: HttpRequest, facts: Sequence[TimelineEvent], action: str, words: str, done: str
    ) -> HttpResponse | None:
        """Ask for a reason, and hide entries or show them again: each incident's at once."""
        entries = list(filter(is_correctable, facts))
        if not entries:
            self.message_user(request, "Choose entries of incidents, and no corrections.", messages.WARNING)
            return None
        form = SeveralForm(entries, request.POST if "post" in request.POST else None)
        if not form.is_valid():
            return self.ask_about(entries, request, action, words, form)
        seen = form.seen_of_each()
        answers: dict[int, corrections.Answer] = {}
        for incident_id in dict.fromkeys(entry.subject_id for entry in entries):
            answers |= corrections.hide(
                incident_of(incident_id),
                [entry.pk for entry in entries if entry.subject_id == incident_id],
                **acts(request),
                reason=form.cleaned_data["reason"],
                hidden=action == "hide",
                seen=seen,
            )
        self.tell(request, entries, answers, done)
        return None

    def ask_about(
        self, entries: Sequence[TimelineEvent], request: HttpRequest, action: str, words: str, form: Any
    ) -> HttpResponse:
        """Ask with a form what is to be said of some entries."""
        means = "What was told stays. Status and times of the incident follow what holds then."
        return self.confirm(
            request, entries, action, title=words, means=means, button=words, panel=panel_of(entries), form=form
        )

    def tell(
        self,
        request: HttpRequest,
        entries: Sequence[TimelineEvent],
        answers: dict[int, corrections.Answer],
        done: str,
    ) -> None:
        """Say of how many entries something was said, and why not of the others."""
        made = [entry for entry in entries if answers[entry.pk].fact]
        for entry in made:
            self.log_change(request, incident_of(entry.subject_id), f"Entry {done}: {entry}.")
        same = len([each for each in answers.values() if not each.fact and not each.refused])
        nothing = f" Nothing to do for {same}." if same else ""
        self.message_user(request, f"{len(made)} {done}.{nothing}", messages.SUCCESS if made else messages.WARNING)
        refused = [f"{entry}: {why(told)}" for entry in entries if (told := answers[entry.pk].refused)]
        for sentence in refused[:REFUSALS_SHOWN]:
            self.message_user(request, sentence, messages.ERROR)


def is_correctable(fact: TimelineEvent) -> bool:
    """Whether a fact is about an incident, and no correction itself."""
    return fact.subject_kind == INCIDENT and fact.event != CORRECTED


def incident_of(number: int) -> Incident:
    """The incident that entries are about."""
    return Incident.objects.defer("search").get(pk=number)


@shows("timeline.timelineevent")
def timeline_of(incident: Incident) -> Panel:
    """The latest facts of an incident, and the way to all of them."""
    latest = facts_about(INCIDENT, int(incident.pk))
    return replace(latest, more=[(address, "All of them, where several can be hidden") for address, _ in latest.more])


def panel_of(entries: Sequence[TimelineEvent]) -> Panel:
    """Entries as they are now."""
    return Panel(
        title="",
        columns=["Occurred", "Event", "About", "How it reads", "Corrected"],
        rows=[
            [
                moment(entry.occurred_at),
                entry.event,
                subject_link(entry.subject_kind, entry.subject_id),
                clipped(corrections.text_of(entry), 200),
                corrected(entry),
            ]
            for entry in entries
        ],
    )


def corrected(entry: TimelineEvent) -> object:
    """Who corrected an entry last, and why."""
    told = entry.correction
    if told is None:
        return clipped("")
    hidden = "hidden" if told["hidden"] else "corrected"
    return clipped(f"{hidden} by {told['user_name'] or told['user_email'] or 'Watchkeeper'}: {told['reason']}", 200)
