"""
Correcting an incident's history: a page for one entry, and one on which several are hidden at once.

Not here: the forms (incidents.forms), what a correction does (incidents.corrections).
"""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from config.clock import now
from config.errors import ApiError
from config.formfields import blame
from config.numbers import whole_number
from config.paging import page
from config.seen import Overtaken, knowing
from dashboard.access import TeamRequest, reached, require, team_page
from dashboard.answers import UNCHANGED, Answer, leave, left
from dashboard.frame import show
from dashboard.logbook import line, lines
from dashboard.views.incidents import integration_names
from dashboard.views.lists import older
from incidents import corrections
from incidents.bodies import HidingBody
from incidents.forms import CorrectionForm, HidingForm, reason_field
from incidents.models import Incident
from incidents.updates import facts_of
from teams.models import Role
from timeline.corrections import CORRECTED
from timeline.models import CHRONOLOGY, TimelineEvent

ENTRIES = 100
QUOTED = 160
NO_ENTRY = "No entry of this incident has this id."


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def entry(request: TeamRequest, uuid: UUID, pk: int) -> HttpResponse:
    """`/incidents/{uuid}/entries/{id}`: correct one entry (`verb` correct), hide it (hide), show it again (unhide)."""
    found: Incident = reached(request, "incidents", uuid=uuid)
    require(request, Role.RESPONDER)
    told = entries_of(found).filter(pk=pk).first()
    if told is None:
        raise Http404
    if request.method != "POST":
        return entry_page(request, found, told)
    kind = VERBS.get(request.POST.get("verb", ""), "correct")
    form = FORMS[kind](told, request.POST)
    if not form.is_valid():
        return entry_page(request, found, told, {kind: form}, status=400)
    try:
        made = corrections.correct(found, told.pk, by=request.user, at=now(), **form.said())
    except Overtaken as refused:
        messages.warning(request, refused.message)
        told.refresh_from_db()
        again = FORMS[kind](told, knowing(request.POST, corrections.version(told)))
        return entry_page(request, found, told, {kind: again}, status=409)
    except ApiError as refused:
        blame(form, refused)
        return entry_page(request, found, told, {kind: form}, status=400)
    if made is None:
        messages.info(request, UNCHANGED)
    else:
        messages.success(request, "Corrected.")
    return redirect("incident", uuid=found.uuid)


FORMS: dict[str, Any] = {"correct": CorrectionForm, "hide": HidingForm}
VERBS = {"correct": "correct", "hide": "hide", "unhide": "hide"}


def entry_page(
    request: TeamRequest, found: Incident, told: TimelineEvent, sent: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """The page of one entry; `sent` are forms that came back."""
    forms = {kind: form_class(told) for kind, form_class in FORMS.items()} | (sent or {})
    context = {"incident": found, "line": line(told, integration_names(request.team)), "fact": told, **forms}
    return show(request, "incidents/correct.html", context, status=status)


def entries_of(incident: Incident) -> QuerySet[TimelineEvent]:
    """The entries of an incident that can be corrected."""
    return facts_of(incident).exclude(event=CORRECTED)


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def entries(request: TeamRequest, uuid: UUID) -> HttpResponse:
    """`/incidents/{uuid}/entries`: all entries with boxes to tick; POST hides those, each by itself."""
    found: Incident = reached(request, "incidents", uuid=uuid)
    require(request, Role.RESPONDER)
    if request.method == "POST":
        leave(request, hidden(request, found))
        query = request.GET.urlencode()
        return redirect(request.path + (f"?{query}" if query else ""))
    rows, cursor = page(entries_of(found), CHRONOLOGY, ENTRIES, request.GET.get("cursor"))
    shown = lines(rows, integration_names(request.team))
    context = {
        "incident": found,
        "entries": [(each, corrections.version(each.fact)) for each in shown],
        "more": older(request, cursor),
        "answers": left(request),
    }
    return show(request, "incidents/entries.html", context, fragment="incidents/_entries.html")


def hidden(request: TeamRequest, found: Incident) -> list[Answer]:
    """Hides the ticked entries, or shows them again; what became of each."""
    picked = dict(map(entry_and_version, request.POST.getlist("pick")))
    try:
        reason = reason_field(HidingBody).clean(request.POST.get("reason"))
    except ValidationError as problem:
        messages.error(request, f"Reason: {' '.join(problem.messages)}")
        return []
    if request.POST.get("verb") not in ("hide", "unhide"):
        messages.error(request, "Choose what is to be done.")
        return []
    if not picked or len(picked) > ENTRIES:
        messages.error(request, f"Choose 1 to {ENTRIES} entries.")
        return []
    hide = request.POST.get("verb") != "unhide"
    rows = {row.pk: row for row in entries_of(found).filter(pk__in=filter(None, picked))}
    seen = {each: version for each, version in picked.items() if each in rows}
    became = corrections.hide(found, list(seen), by=request.user, at=now(), reason=reason, hidden=hide, seen=seen)
    done = "Hidden." if hide else "Shown again."
    return [answer(rows[each], became[each], done) if each in rows else MISSING for each in picked]


def entry_and_version(pick: str) -> tuple[int, str]:
    """What a ticked box says: an entry's id, 0 for none, and which version of it was seen."""
    number, _, seen = pick.partition(" ")
    return whole_number(number) or 0, seen


MISSING = Answer("", "An entry", False, NO_ENTRY)


def answer(told: TimelineEvent, became: corrections.Answer, done: str) -> Answer:
    """What became of one of several entries, in words."""
    text = corrections.text_of(told)[:QUOTED]
    if became.refused:
        return Answer("", text, False, became.refused.message)
    return Answer("", text, True, done if became.fact else UNCHANGED)
