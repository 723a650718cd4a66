"""
Correcting an incident's history: a page for one entry, and one on which several are hidden at once.

Not here: the forms (dashboard.corrections), what a correction does (incidents.corrections).
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
from config.paging import page
from dashboard.access import TeamRequest, reached, require, team_page
from dashboard.answers import UNCHANGED, Answer, leave, left
from dashboard.corrections import NO_ENTRY, CorrectionForm, HidingForm, reason_field
from dashboard.fields import blame
from dashboard.frame import show
from dashboard.logbook import NEWEST_FIRST, corrected_text, line, lines
from dashboard.views.incidents import integration_names
from dashboard.views.lists import older
from incidents import corrections
from incidents.models import Incident
from incidents.updates import facts_of
from teams.models import Role
from timeline.corrections import CORRECTED
from timeline.models import TimelineEvent

ENTRIES = 100
QUOTED = 160


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def entry(request: TeamRequest, uuid: UUID, pk: int) -> HttpResponse:
    """`/incidents/{uuid}/entries/{id}`: correct one entry (`verb` correct), hide it (hide), show it again (unhide)."""
    found: Incident = reached(request, "incidents", uuid=uuid)
    require(request, Role.RESPONDER)
    told = entries_of(found).filter(pk=pk).first()
    if told is None:
        raise Http404
    forms = {kind: form_class(told) for kind, form_class in FORMS.items()}
    if request.method == "POST":
        kind = VERBS.get(request.POST.get("verb", ""), "correct")
        form = forms[kind] = FORMS[kind](told, request.POST)
        if form.is_valid() and corrected(request, found, told, form):
            return redirect("incident", uuid=found.uuid)
    status = 400 if request.method == "POST" else 200
    shown = line(told, integration_names(request.team))
    context = {"incident": found, "line": shown, "fact": told, **forms}
    return show(request, "incidents/correct.html", context, status=status)


FORMS: dict[str, Any] = {"correct": CorrectionForm, "hide": HidingForm}
VERBS = {"correct": "correct", "hide": "hide", "unhide": "hide"}


def entries_of(incident: Incident) -> QuerySet[TimelineEvent]:
    """The entries of an incident that can be corrected."""
    return facts_of(incident).exclude(event=CORRECTED)


def corrected(request: TeamRequest, found: Incident, told: TimelineEvent, form: Any) -> bool:
    """Whether a correction was made, or there was nothing to do; else the form says what was wrong."""
    try:
        made = corrections.correct(found, told.pk, by=request.user, at=now(), **form.said())
    except ApiError as refused:
        blame(form, refused)
        return False
    if made is None:
        messages.info(request, UNCHANGED)
    else:
        messages.success(request, "Corrected.")
    return True


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
    rows, cursor = page(entries_of(found), NEWEST_FIRST, ENTRIES, request.GET.get("cursor"))
    context = {
        "incident": found,
        "entries": lines(rows, integration_names(request.team)),
        "more": older(request, cursor),
        "answers": left(request),
    }
    return show(request, "incidents/entries.html", context, fragment="incidents/_entries.html")


def hidden(request: TeamRequest, found: Incident) -> list[Answer]:
    """Hides the ticked entries, or shows them again; what became of each."""
    picked = list(dict.fromkeys(request.POST.getlist("pick")))
    try:
        reason = reason_field().clean(request.POST.get("reason"))
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
    ids = [int(each) for each in picked if each.isascii() and each.isdigit() and len(each) < 19]
    rows = {str(row.pk): row for row in entries_of(found).filter(pk__in=ids)}
    chosen = [rows[each].pk for each in picked if each in rows]
    became = corrections.hide(found, chosen, by=request.user, at=now(), reason=reason, hidden=hide)
    done = "Hidden." if hide else "Shown again."
    return [answer(rows[each], became[rows[each].pk], done) if each in rows else MISSING for each in picked]


MISSING = Answer("", "An entry", False, NO_ENTRY)


def answer(told: TimelineEvent, became: corrections.Answer, done: str) -> Answer:
    """What became of one of several entries, in words."""
    text = corrected_text(told)[:QUOTED]
    if became.refused:
        return Answer("", text, False, became.refused.message)
    return Answer("", text, True, done if became.fact else UNCHANGED)
