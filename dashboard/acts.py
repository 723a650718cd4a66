"""
What responders do to incidents, each verb as a form, on the incident's page and for several on the list.

A form carries what its sender saw, so that whoever comes second can be told (dashboard.attempts). Not here: what the
verbs do (incidents.lifecycle and the rooms beside it), and who may (views).
"""

from dataclasses import dataclass
from typing import Any, ClassVar, cast

from django import forms
from django.http import QueryDict

from config.formfields import KeptChoice, KeptText, OfferedRecord, SeveralChoices, Text, field_for
from config.seen import digest, knowing, seen_field
from dashboard.act import Act, members_of, named
from incidents import grouping, lifecycle
from incidents.bodies import (
    NO_GROUP,
    AssignmentBody,
    ChangesBody,
    EscalationBody,
    GroupingBody,
    MovingBody,
    SeverityBody,
)
from incidents.fold import ACKNOWLEDGED, CLOSED, LIVE, OPEN, RESOLVED, steps_from
from incidents.forms import EntryForm, line_field, lines_field, regions_field, told_by
from incidents.models import Incident
from incidents.moves import MOVED, SAID
from incidents.verbs import VERBS
from teams.models import Team, User

GROUPS_OFFERED = 50
NOBODY = {"invalid_choice": lifecycle.NOBODY}
UNNAMED = "Without one it is called as the incident is."


# --- moves ------------------------------------------------------------------------------------------------------------


class Move(Act):
    """The base of the four that bring an incident to another status."""

    to: ClassVar[str]
    says: ClassVar[str] = ""
    changing: ClassVar[tuple[str, ...]] = tuple(SAID)
    changing_of: ClassVar[tuple[str, ...]] = MOVED
    note = line_field(MovingBody, "note", Text, {"placeholder": "Note to go with it, if any"}, label="Note")
    # Who had it then, for the one among the buttons of this form that changes that.
    held = seen_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = "move-%s"

    def fill(self, incident: Incident | None) -> None:
        if incident:
            self.fields["seen"].initial = Move.standing(incident)
            self.fields["held"].initial = Assign.standing(incident)

    def shown_again(self, incident: Incident) -> None:
        self.data = knowing(knowing(self.data, Move.standing(incident)), Assign.standing(incident), "held")


class Acknowledge(Move):
    does = VERBS["acknowledge"]
    verb, word, icon, done, to = "acknowledge", "Acknowledge", "acknowledged", "Acknowledged.", ACKNOWLEDGED


class Take(Move):
    """Saying that one works on it oneself: it is acknowledged, if it was not yet, and assigned to who says so."""

    does = VERBS["take"]
    verb, word, icon, done, to = "take", "Take it", "person", "You have it now.", ACKNOWLEDGED
    says = "Acknowledges it and assigns it to you."
    changing = (*SAID, "incident.assigned")
    changing_of = (*MOVED, "assignee_id", "assignee_email")
    changed = "changed who has it"

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        said["seen"] = " ".join(filter(None, (said.get("seen"), said.get("held"))))
        return said

    @staticmethod
    def standing(incident: Incident) -> str:
        return f"{Move.standing(incident)} {Assign.standing(incident)}"


class Resolve(Move):
    does = VERBS["resolve"]
    verb, word, icon, done, to = "resolve", "Resolve", "resolved", "Resolved.", RESOLVED


class Close(Move):
    does = VERBS["close"]
    verb, word, icon, done, to = "close", "Close", "closed", "Closed.", CLOSED


class Reopen(Move):
    does = VERBS["reopen"]
    verb, word, icon, done, to = "reopen", "Reopen", "reopened", "Reopened.", OPEN


class Escalate(Act):
    """Recording that members of the team, or all of it, are wanted."""

    does = VERBS["escalate"]
    verb, word, icon, done = "escalate", "Escalate", "escalated", f"Escalated. {lifecycle.ONLY_RECORDED}"
    means = lifecycle.ONLY_RECORDED
    changing, changing_of = tuple(SAID), MOVED
    targets = field_for(
        EscalationBody,
        "targets",
        SeveralChoices,
        label="Escalate to",
        widget=forms.CheckboxSelectMultiple,
        error_messages=NOBODY | {"required": "Choose to whom it is escalated."},
    )
    note = field_for(MovingBody, "note", Text, label="Note")

    def fill(self, incident: Incident | None) -> None:
        everybody = [("team", f"Everybody in {self.team}")]
        choices = everybody + [(uuid, named(user)) for uuid, user in self.people().items()]
        self.fields["targets"].choices = choices  # type: ignore[attr-defined]

    def told(self, team: Team) -> dict[str, Any]:
        people = self.people()
        targets = [people.get(each) or team for each in self.cleaned_data["targets"]]
        return {"targets": targets, "note": self.cleaned_data["note"]}


# --- details ----------------------------------------------------------------------------------------------------------


class Assign(Act):
    """Giving an incident to a member, or to nobody."""

    does = VERBS["assign"]
    verb, word, icon, done = "assign", "Assign", "person", "Saved who has it."
    changing, changing_of = ("incident.assigned",), ("assignee_id", "assignee_email")
    changed, choice = "changed who has it", "assignee"
    assignee = field_for(AssignmentBody, "assignee_id", KeptChoice, label="Who has it", error_messages=NOBODY)

    def fill(self, incident: Incident | None) -> None:
        field: Any = self.fields["assignee"]
        field.choices = [("nobody", "Nobody")] + [(uuid, named(user)) for uuid, user in self.people().items()]
        if incident is None:
            field.ask()
        elif incident.assignee_id or incident.assignee_email:
            uuids: dict[int | None, str] = {user.pk: uuid for uuid, user in self.people().items()}
            whose = incident.assignee_name or incident.assignee_email
            field.keep(uuids.get(incident.assignee_id, "present"), f"{whose}, no member of the team")
        else:
            field.keep("nobody")

    @staticmethod
    def standing(incident: Incident) -> str:
        return digest(incident.assignee_id, incident.assignee_email)

    def told(self, team: Team) -> dict[str, Any]:
        return {"assignee": self.people().get(self.cleaned_data["assignee"])}


class ChangeSeverity(Act):
    """Saying that it is worse, or not as bad, as was said."""

    does = VERBS["change_severity"]
    verb, word, icon, done = "severity", "Change severity", "major", "Severity changed."
    changing, changing_of = ("incident.severity_changed",), ("severity",)
    changed, choice = "changed the severity", "severity"
    severity = field_for(SeverityBody, "severity", KeptChoice, label="Severity")

    def fill(self, incident: Incident | None) -> None:
        field: Any = self.fields["severity"]
        if incident is None:
            field.ask()
        else:
            field.keep(incident.severity)

    @staticmethod
    def standing(incident: Incident) -> str:
        return incident.severity


class Edit(Act):
    """Changing title, cause and regions."""

    does = VERBS["edit"]
    verb, word, icon, done = "edit", "Edit", "updated", "Saved."
    changing = ("incident.updated", "incident.started")
    changing_of = ("title", "error_message", "affected_regions")
    changed = "changed title, cause or regions"
    title = line_field(ChangesBody, "title", KeptText, label="Title")
    error_message = lines_field(ChangesBody, "error_message", KeptText, label="Cause")
    affected_regions = regions_field(ChangesBody)

    def fill(self, incident: Incident | None) -> None:
        if incident:
            self.fields["title"].keep(incident.title)  # type: ignore[attr-defined]
            self.fields["error_message"].keep(incident.error_message or "")  # type: ignore[attr-defined]
            self.fields["affected_regions"].initial = incident.affected_regions

    @staticmethod
    def standing(incident: Incident) -> str:
        return digest(incident.title, incident.error_message, incident.affected_regions)

    def told(self, team: Team) -> dict[str, Any]:
        return {name: None if value == "" else value for name, value in told_by(self, ChangesBody).items()}


# --- groups -----------------------------------------------------------------------------------------------------------


class Group(Act):
    """Putting incidents into a group of the team, or into a new one, which the first of them makes."""

    does = VERBS["group"]
    verb, word, icon, done = "group", "Group", "grouped", "Grouped."
    changing, changing_of = ("incident.grouped", "incident.ungrouped"), ("incident_group_id", "incident_group_native")
    changed = "changed its group"
    group = OfferedRecord(label="Group", required=False, error_messages={"invalid_choice": NO_GROUP})
    name = line_field(GroupingBody, "name", Text, label="Name of a new group", help_text=UNNAMED)

    def fill(self, incident: Incident | None) -> None:
        field: Any = self.fields["group"]
        field.initial = grouping.group_of(incident) if incident else None
        chosen = cast(QueryDict, self.data).getlist("group")
        field.offer(self.team.incident_groups.order_by("-id"), GROUPS_OFFERED, "A new group", chosen)

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if said.get("group") and said.get("name"):
            self.add_error("name", "Choose “A new group” to give it this name.")
        return said

    @staticmethod
    def standing(incident: Incident) -> str:
        return digest(incident.incident_group_id, incident.incident_group_native)

    def told(self, team: Team) -> dict[str, Any]:
        return {"into": self.cleaned_data["group"], "name": self.cleaned_data["name"]}


class Ungroup(Act):
    """Taking an incident out of its group."""

    does = VERBS["ungroup"]
    verb, word, icon, done = "ungroup", "Take it out of its group", "cross", "Taken out of its group."
    changing, changing_of, changed = Group.changing, Group.changing_of, Group.changed
    standing = staticmethod(Group.standing)


# --- the record -------------------------------------------------------------------------------------------------------


class Add(Act, EntryForm):
    """Adding an entry after the fact."""

    verb, word, icon, done = "add", "Add an entry after the fact", "clock", "Entry added."


# --- all of them ------------------------------------------------------------------------------------------------------

MOVES: dict[str, type[Move]] = {each.to: each for each in (Acknowledge, Resolve, Close, Reopen)}
EVERY: tuple[type[Act], ...] = (*MOVES.values(), Take, Escalate, Assign, ChangeSeverity, Edit, Group, Ungroup, Add)
ACTS = {each.verb: each for each in EVERY}
IN_BULK = ("acknowledge", "take", "resolve", "close", "assign", "severity", "group")
# What those go by.
SEEN_IN_LISTS: tuple[type[Act], ...] = (Move, Assign, ChangeSeverity, Group)


def sight(incident: Incident) -> str:
    """What somebody sees of an incident on the list, in short, for each act that can be done to several."""
    return " ".join(each.standing(incident) for each in SEEN_IN_LISTS)


def seen_of(form: Act, sight: str) -> str:
    """What of a sight an act goes by; empty where that isn't said."""
    seen = dict(zip(SEEN_IN_LISTS, sight.split(" "), strict=False))
    if isinstance(form, Take):
        return " ".join(seen[kind] for kind in (Move, Assign) if kind in seen)
    return next((said for kind, said in seen.items() if isinstance(form, kind)), "")


@dataclass
class Offer:
    """
    What can be done to an incident now: `moves` by buttons that share the fields of `moving`; each of `panels` by
    itself; `adding` to the record.
    """

    moves: list[type[Move]]
    moving: Act
    panels: list[Act]
    ungrouping: Act | None
    adding: Act


def offer(incident: Incident, team: Team, user: User, sent: Act | None = None) -> Offer:
    """
    What a user can do to an incident now; `sent` is a form that came back, and stands in the place of its like.
    """
    members = members_of(team)

    def form(kind: type[Act]) -> Act:
        return sent if type(sent) is kind else kind(team, incident=incident, members=members)

    works = incident.destroyed_at is None
    panels = [kind for kind in (Escalate, Assign, ChangeSeverity, Group, Edit) if works]
    if incident.status not in LIVE:
        panels = [kind for kind in panels if kind is not Escalate]
    return Offer(
        moves=possible(incident, user) if works else [],
        moving=sent if isinstance(sent, Move) else Acknowledge(team, incident=incident),
        panels=[form(kind) for kind in panels],
        ungrouping=form(Ungroup) if works and incident.incident_group_id is not None else None,
        adding=form(Add),
    )


def possible(incident: Incident, user: User) -> list[type[Move]]:
    """The moves that are legal now, the likeliest first."""
    back = [] if incident.status == OPEN else [OPEN]
    moves = [MOVES[to] for to in [*steps_from(incident.status), *back]]
    if incident.status in LIVE and incident.assignee_id != user.pk:
        moves.insert(1, Take)
    return moves
