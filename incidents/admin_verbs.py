"""
Working on incidents in admin: each verb as a tool on an incident's page and as an action of the list.

They are the verbs that everybody calls, with the same history. Not here: what an operator types
(incidents.admin_forms), the pages (incidents.admin).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from config import clock
from config.admin import OperatorAdmin
from config.errors import ApiError, ValidationFailed
from incidents import corrections, details, grouping, lifecycle
from incidents.admin_forms import (
    AssignmentForm,
    DetailsForm,
    EscalationForm,
    GroupingForm,
    NoteForm,
    SeverityForm,
)
from incidents.fold import ACKNOWLEDGED, CLOSED, LIVE, MOVES, OPEN, RESOLVED
from incidents.forms import EntryForm
from incidents.grouping import Done
from incidents.models import Incident, IncidentGroup, Severity
from teams.models import Team, User
from timeline.models import TimelineEvent

Verb = Callable[[Incident], TimelineEvent | None]
REFUSALS_SHOWN = 5

MIRRORED = "What is done here to the mirror of a source's incident is recorded here only; nothing changes there."

# On which statuses an action of a record's own page makes sense; on all, where it isn't said.
SENSE = {
    "acknowledge": MOVES[ACKNOWLEDGED],
    "resolve": MOVES[RESOLVED],
    "close": MOVES[CLOSED],
    "reopen": MOVES[OPEN],
    "escalate": LIVE,
}


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

    # Moves

    @admin.action(permissions=["work"], description="Acknowledge")
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Incident]) -> None:
        self.work(request, queryset, partial(lifecycle.acknowledge, **acts(request)), "acknowledged")

    @admin.action(permissions=["work"], description="Resolve")
    def resolve(self, request: HttpRequest, queryset: QuerySet[Incident]) -> None:
        self.work(request, queryset, partial(lifecycle.resolve, **acts(request)), "resolved")

    @admin.action(permissions=["work"], description="Close incident")
    def close(self, request: HttpRequest, queryset: QuerySet[Incident]) -> None:
        self.work(request, queryset, partial(lifecycle.close, **acts(request)), "closed")

    @admin.action(permissions=["work"], description="Reopen")
    def reopen(self, request: HttpRequest, queryset: QuerySet[Incident]) -> None:
        self.work(request, queryset, partial(lifecycle.reopen, **acts(request)), "reopened")

    @admin.action(permissions=["work"], description="Take out of group")
    def ungroup(self, request: HttpRequest, queryset: QuerySet[Incident]) -> None:
        self.work(request, queryset, partial(grouping.ungroup, **acts(request)), "taken out of their groups")

    # What needs to be told more

    @admin.action(permissions=["work"], description="Escalate…")
    def escalate(self, request: HttpRequest, queryset: QuerySet[Incident]) -> HttpResponse | None:
        return self.told(request, queryset, "escalate")

    @admin.action(permissions=["work"], description="Assign…")
    def assign(self, request: HttpRequest, queryset: QuerySet[Incident]) -> HttpResponse | None:
        return self.told(request, queryset, "assign")

    @admin.action(permissions=["work"], description="Change severity…")
    def change_severity(self, request: HttpRequest, queryset: QuerySet[Incident]) -> HttpResponse | None:
        return self.told(request, queryset, "change_severity")

    @admin.action(permissions=["work"], description="Edit title, cause, regions…")
    def edit(self, request: HttpRequest, queryset: QuerySet[Incident]) -> HttpResponse | None:
        return self.told(request, queryset, "edit")

    @admin.action(permissions=["work"], description="Put into a group…")
    def group(self, request: HttpRequest, queryset: QuerySet[Incident]) -> HttpResponse | None:
        return self.told(request, queryset, "group")

    @admin.action(permissions=["work"], description="Add a note…")
    def comment(self, request: HttpRequest, queryset: QuerySet[Incident]) -> HttpResponse | None:
        return self.told(request, queryset, "comment")

    @admin.action(permissions=["work"], description="Add an entry after the fact…")
    def add_entry(self, request: HttpRequest, queryset: QuerySet[Incident]) -> HttpResponse | None:
        return self.told(request, queryset, "add_entry")

    def told(self, request: HttpRequest, queryset: QuerySet[Incident], action: str) -> HttpResponse | None:
        """Ask with a form what is to be done, and do it to each."""
        asking = ASKING[action]
        form = asking.form(request.POST if "post" in request.POST else None)
        if form.is_valid():
            who_when = acts(request)
            self.work(request, queryset, asking.verb(form.cleaned_data, who_when["by"], who_when["at"]), asking.done)
            if asking.means:
                self.message_user(request, asking.means, messages.WARNING)
            return None
        words: str = getattr(type(self), action).short_description.rstrip("…")
        incidents = list(queryset)
        mirrored = MIRRORED if any(not each.is_native for each in incidents) else ""
        means = f"{asking.means} {mirrored}".strip()
        return self.confirm(request, incidents, action, title=words, means=means, button=words, form=form)

    def work(self, request: HttpRequest, incidents: QuerySet[Incident], verb: Verb, done: str) -> None:
        """Do something to each, and say with how many that worked, and why not with the others."""
        answers = grouping.one_by_one(incidents, verb)
        worked = [each for each in answers if each.refused is None and each.fact]
        for each in worked:
            self.log_change(request, each.incident, f"{done.capitalize()}.")
        same = len([each for each in answers if each.refused is None]) - len(worked)
        nothing = f" Nothing to do for {same}." if same else ""
        self.message_user(request, f"{len(worked)} {done}.{nothing}", messages.SUCCESS if worked else messages.WARNING)
        for sentence in refusals(answers)[:REFUSALS_SHOWN]:
            self.message_user(request, sentence, messages.ERROR)


def acts(request: HttpRequest) -> dict[str, Any]:
    """Who acts, and when."""
    return {"by": request.user, "at": clock.now()}


def refusals(answers: Sequence[Done]) -> list[str]:
    """What was refused, and why."""
    return [f"{str(each.incident)[:80]}: {why(each.refused)}" for each in answers if each.refused]


def why(refused: ApiError) -> str:
    """Why something was refused."""
    fields = refused.fields.values() if isinstance(refused, ValidationFailed) else []
    return " ".join(text for texts in fields for text in texts) or refused.message


# --- what was typed, as verbs -----------------------------------------------------------------------------------------


def member(team: Team, address: str, field: str) -> User:
    """The active member with an address. Raises ValidationFailed naming a field."""
    found = User.objects.with_address(address).filter(memberships__team=team, is_active=True).first()
    if found is None:
        raise ValidationFailed({field: [f"{address} is no active member of the team."]})
    return found


def escalating(said: dict[str, Any], by: User, at: datetime) -> Verb:
    """Escalate it to people, or to the whole team."""

    def verb(incident: Incident) -> TimelineEvent:
        team = incident.team
        targets: list[User | Team] = [member(team, each, "people") for each in said["people"]]
        return lifecycle.escalate(incident, by=by, at=at, targets=targets or [team], note=said["note"])

    return verb


def assigning(said: dict[str, Any], by: User, at: datetime) -> Verb:
    """Give it to somebody, or to nobody."""

    def verb(incident: Incident) -> TimelineEvent | None:
        whose = member(incident.team, said["assignee"], "assignee") if said["assignee"] else None
        return details.assign(incident, by=by, at=at, assignee=whose)

    return verb


def grading(said: dict[str, Any], by: User, at: datetime) -> Verb:
    """Say how bad it is."""
    return partial(details.change_severity, by=by, at=at, severity=Severity(said["severity"]))


def editing(said: dict[str, Any], by: User, at: datetime) -> Verb:
    """Say what it is called, why and where; what is empty stays."""
    given: dict[str, Any] = {name: value for name, value in said.items() if value}
    return partial(details.edit, by=by, at=at, **given)


def commenting(said: dict[str, Any], by: User, at: datetime) -> Verb:
    """Add a note."""
    return partial(lifecycle.comment, by=by, at=at, message=said["message"])


def adding(said: dict[str, Any], by: User, at: datetime) -> Verb:
    """Add an entry after the fact."""
    return partial(corrections.add, by=by, at=at, **said)


def grouped(said: dict[str, Any], by: User, at: datetime) -> Verb:
    """Put it into a group of its team; a new one is made for each team."""
    made: dict[int, IncidentGroup] = {}

    def verb(incident: Incident) -> TimelineEvent | None:
        number, team = said["number"], incident.team
        into = made.get(team.pk) if number is None else team.incident_groups.filter(pk=number).first()
        if into:
            return grouping.group(incident, into, by=by, at=at)
        if number is not None:
            raise ValidationFailed({"number": ["Its team has no group of this number."]})
        made[team.pk], fact = grouping.group_anew(incident, said["name"], by=by, at=at)
        return fact

    return verb


@dataclass(frozen=True)
class Asking:
    """What an action asks, the verb that the answers make, what was done then, and what is to be known of it."""

    form: type[forms.Form]
    verb: Callable[[dict[str, Any], User, datetime], Verb]
    done: str
    means: str = ""


ASKING = {
    "escalate": Asking(EscalationForm, escalating, "escalated", lifecycle.ONLY_RECORDED),
    "assign": Asking(AssignmentForm, assigning, "assigned"),
    "change_severity": Asking(SeverityForm, grading, "changed"),
    "edit": Asking(DetailsForm, editing, "changed"),
    "group": Asking(GroupingForm, grouped, "grouped"),
    "comment": Asking(NoteForm, commenting, "noted on"),
    "add_entry": Asking(EntryForm, adding, "given an entry"),
}
