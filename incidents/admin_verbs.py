"""
Working on incidents in admin: each verb as a tool on an incident's page and as an action of the list.

They are the verbs that everybody calls, with the same history. Not here: what an operator types
(incidents.admin_forms), the pages (incidents.admin).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from config.admin import OperatorAdmin
from config.adminverbs import REFUSALS_SHOWN, acts, why
from incidents import grouping, lifecycle
from incidents.admin_forms import (
    AssignmentForm,
    DetailsForm,
    EscalationForm,
    GroupingForm,
    NoteForm,
    SeverityForm,
)
from incidents.fold import ACKNOWLEDGED, CLOSED, LIVE, MOVES, OPEN, RESOLVED
from incidents.forms import EntryForm, VerbForm
from incidents.grouping import Done
from incidents.models import Incident
from incidents.verbs import VERBS, Do

MIRRORED = "What is done here to the mirror of a source's incident is recorded here only; nothing changes there."

# On which statuses an action of a record's own page makes sense; on all, where it isn't said.
SENSE = {
    "acknowledge": MOVES[ACKNOWLEDGED],
    "resolve": MOVES[RESOLVED],
    "close": MOVES[CLOSED],
    "reopen": MOVES[OPEN],
    "escalate": LIVE,
}


Action = Callable[["WorkedOn", HttpRequest, QuerySet[Incident]], HttpResponse | None]


def at_once(name: str, words: str, done: str) -> Action:
    """The action of a verb that needs no words."""

    @admin.action(permissions=["work"], description=words)
    def action(page: "WorkedOn", request: HttpRequest, queryset: QuerySet[Incident]) -> None:
        page.work(request, queryset, VERBS[name].begin(), done)

    return action


def asked_first(name: str, words: str) -> Action:
    """The action of a verb that needs to be told more."""

    @admin.action(permissions=["work"], description=words)
    def action(page: "WorkedOn", request: HttpRequest, queryset: QuerySet[Incident]) -> HttpResponse | None:
        return page.ask(request, queryset, name)

    return action


class WorkedOn(OperatorAdmin):
    """Incidents' pages with their verbs, for whoever may change incidents."""

    actions = [
        "acknowledge", "resolve", "close", "reopen", "escalate", "assign", "change_severity", "edit", "group",
        "ungroup", "comment", "add_entry",
    ]  # fmt: skip

    def has_work_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may work on incidents; their columns nobody changes."""
        return request.user.has_perm("incidents.change_incident")

    def offers(self, action: str, record: Incident) -> bool:
        if action in ("comment", "add_entry"):
            return True
        if action == "ungroup" and record.incident_group_id is None:
            return False
        return record.destroyed_at is None and record.status in SENSE.get(action, [record.status])

    acknowledge = at_once("acknowledge", "Acknowledge", "acknowledged")
    resolve = at_once("resolve", "Resolve", "resolved")
    close = at_once("close", "Close incident", "closed")
    reopen = at_once("reopen", "Reopen", "reopened")
    ungroup = at_once("ungroup", "Take out of group", "taken out of their groups")
    escalate = asked_first("escalate", "Escalate…")
    assign = asked_first("assign", "Assign…")
    change_severity = asked_first("change_severity", "Change severity…")
    edit = asked_first("edit", "Edit title, cause, regions…")
    group = asked_first("group", "Put into a group…")
    comment = asked_first("comment", "Add a note…")
    add_entry = asked_first("add_entry", "Add an entry after the fact…")

    def ask(self, request: HttpRequest, queryset: QuerySet[Incident], action: str) -> HttpResponse | None:
        """Ask with a form what is to be done, and do it to each."""
        asking = ASKING[action]
        form = asking.form(request.POST if "post" in request.POST else None)
        if form.is_valid():
            do = form.does.begin()
            self.work(request, queryset, lambda one, **acts: do(one, **form.told(one.team), **acts), asking.done)
            if asking.means:
                self.message_user(request, asking.means, messages.WARNING)
            return None
        words: str = getattr(type(self), action).short_description.rstrip("…")
        incidents = list(queryset)
        mirrored = MIRRORED if any(not each.is_native for each in incidents) else ""
        means = f"{asking.means} {mirrored}".strip()
        return self.confirm(request, incidents, action, title=words, means=means, button=words, form=form)

    def work(self, request: HttpRequest, incidents: QuerySet[Incident], do: Do, done: str) -> None:
        """Do something to each, and say with how many that worked, and why not with the others."""
        answers = grouping.one_by_one(incidents, partial(do, **acts(request)))
        worked = [each for each in answers if each.refused is None and each.fact]
        for each in worked:
            self.log_change(request, each.incident, f"{done.capitalize()}.")
        same = len([each for each in answers if each.refused is None]) - len(worked)
        nothing = f" Nothing to do for {same}." if same else ""
        self.message_user(request, f"{len(worked)} {done}.{nothing}", messages.SUCCESS if worked else messages.WARNING)
        for sentence in refusals(answers)[:REFUSALS_SHOWN]:
            self.message_user(request, sentence, messages.ERROR)


def refusals(answers: Sequence[Done]) -> list[str]:
    """What was refused, and why."""
    return [f"{str(each.incident)[:80]}: {why(each.refused)}" for each in answers if each.refused]


@dataclass(frozen=True)
class Asking:
    """What an action asks, what was done then, and what is to be known of it."""

    form: type[VerbForm]
    done: str
    means: str = ""


ASKING = {
    "escalate": Asking(EscalationForm, "escalated", lifecycle.ONLY_RECORDED),
    "assign": Asking(AssignmentForm, "assigned"),
    "change_severity": Asking(SeverityForm, "changed"),
    "edit": Asking(DetailsForm, "changed"),
    "group": Asking(GroupingForm, "grouped"),
    "comment": Asking(NoteForm, "noted on"),
    "add_entry": Asking(EntryForm, "given an entry"),
}
