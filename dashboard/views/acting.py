"""
Working on incidents: the answers to every form on an incident's page, and to those for several on the list.

Without JavaScript an act leads back to the page; asked by htmx the page's content is swapped in place. Either way what
is shown was read after the commit. Not here: the forms (dashboard.acts), who was first (dashboard.attempts), what the
verbs do (incidents.lifecycle and the rooms beside it).
"""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST

from config.clock import now
from config.errors import ApiError, ValidationFailed
from config.formfields import blame
from config.heavy import AN_INCIDENT, heavy
from config.numbers import read_uuid
from dashboard.access import TeamRequest, reached, require, settle, team_page
from dashboard.acts import ACTS, IN_BULK, Act, seen_of
from dashboard.answers import UNCHANGED, Answer, leave
from dashboard.attempts import attempt
from dashboard.doubled import done_once
from dashboard.frame import counts, show
from dashboard.views.incidents import back_to_list, incident_page
from incidents import grouping, lifecycle
from incidents.filters import in_order
from incidents.models import Incident
from teams.models import Role

AT_ONCE = 100


# --- one incident -----------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
@done_once
def act(request: TeamRequest, uuid: UUID) -> HttpResponse:
    """`/incidents/{uuid}/act`: does what the form's `verb` says. What came back and is looked at anew is the page."""
    found: Incident = reached(request, "incidents", uuid=uuid)
    if request.method != "POST":
        return redirect("incident", uuid=found.uuid)
    require(request, Role.RESPONDER)
    kind = ACTS.get(request.POST.get("verb", ""))
    if kind is None:
        messages.error(request, "Choose what is to be done.")
        return incident_page(request, found, status=400)
    form = kind(request.team, request.POST, incident=found)
    if not form.is_valid():
        return incident_page(request, found, sent=form, status=422 if request.htmx else 400)
    try:
        fact = attempt(form, found, by=request.user, at=now())
    except ApiError as refused:
        return came_back(request, found, form, refused)
    if fact is None:
        messages.info(request, UNCHANGED)
    else:
        messages.success(request, form.done)
    return settled(request, found)


def settled(request: TeamRequest, found: Incident) -> HttpResponse:
    """The incident's page as it is after an act."""
    if request.htmx:
        return incident_page(request, reached(request, "incidents", pk=found.pk))
    return redirect("incident", uuid=found.uuid)


def came_back(request: TeamRequest, found: Incident, form: Act, refused: ApiError) -> HttpResponse:
    """The incident's page as it is now, with what was typed, and why nothing was done."""
    found = reached(request, "incidents", pk=found.pk)
    if isinstance(refused, ValidationFailed):
        blame(form, refused)
        return incident_page(request, found, sent=form, status=422 if request.htmx else 400)
    messages.warning(request, with_link(refused))
    form.shown_again(found)
    return incident_page(request, found, sent=form, status=409)


def with_link(refused: ApiError) -> SafeString | str:
    """What a verb answered; where another incident stands in the way, with the way there."""
    details = refused.details if isinstance(refused.details, dict) else {}
    if "incident_id" not in details:
        return refused.message
    link = format_html('<a href="/incidents/{}">Go to it</a>', details["incident_id"])
    return format_html("{} {}", refused.message, link)


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def delete(request: TeamRequest, uuid: UUID) -> HttpResponse:
    """`/incidents/{uuid}/delete`: what deleting it means; POST does it, where the form says that it was asked."""
    found: Incident = reached(request, "incidents", uuid=uuid)
    require(request, Role.RESPONDER)
    if request.POST.get("post") != "yes":
        context = {"incident": found, "source": request.team.integrations.filter(pk=found.integration_id or 0).first()}
        return show(request, "incidents/delete.html", context, status=400 if request.method == "POST" else 200)
    if lifecycle.destroy(found, by=request.user, at=now()) is None:
        messages.info(request, UNCHANGED)
    else:
        messages.success(request, "Deleted. Its history stays.")
    return redirect("incident", uuid=found.uuid)


# --- several ----------------------------------------------------------------------------------------------------------


@require_POST
@team_page
def act_on_several(request: TeamRequest) -> HttpResponse:
    """`/incidents/act`: does the same with each of those that were picked, and says of each what became of it."""
    settle(request, Role.RESPONDER)
    verb, picked = request.POST.get("verb", ""), dict(map(seen, request.POST.getlist("pick")))
    form = ACTS[verb](request.team, request.POST) if verb in IN_BULK else None
    problem = problem_of(form, len(picked))
    if problem or form is None:
        messages.error(request, problem)
        return answered(request, [], [])
    found = {str(each.uuid): each for each in request.team.incidents.filter(uuid__in=filter(read_uuid, picked))}
    with heavy(len(found) * AN_INCIDENT):
        answers = [became(request, form, found.get(uuid), sight) for uuid, sight in picked.items()]
    return answered(request, answers, list(found.values()))


def seen(pick: str) -> tuple[str, str]:
    """What a ticked box says: an incident's UUID, and what its sender saw of it."""
    uuid, _, sight = pick.partition(" ")
    return uuid, sight


def problem_of(form: Act | None, number: int) -> str:
    """Why nothing can be done with any of those picked; "" if something can."""
    if form is None:
        return "Choose what is to be done."
    if not number:
        return "Choose the incidents first."
    if number > AT_ONCE:
        return f"At most {AT_ONCE} incidents at once."
    if form.is_valid():
        return ""
    return " ".join(f"{form.fields[name].label}: {' '.join(map(str, errors))}" for name, errors in form.errors.items())


def became(request: TeamRequest, form: Act, incident: Incident | None, sight: str) -> Answer:
    """What became of one of several."""
    if incident is None:
        return Answer("", "An incident", False, "Not found.")
    form.cleaned_data["seen"] = seen_of(form, sight)
    done = grouping.done(incident, lambda one: attempt(form, one, by=request.user, at=now()))
    title, uuid = str(incident)[:200], str(incident.uuid)
    if done.refused:
        return Answer(uuid, title, False, done.refused.message)
    return Answer(uuid, title, True, form.done if done.fact else UNCHANGED)


def answered(request: TeamRequest, answers: list[Answer], changed: list[Incident]) -> HttpResponse:
    """The list as it was looked at, with the answers; for htmx those and the rows that may have changed."""
    if not request.htmx:
        leave(request, answers)
        return back_to_list(request)
    again = request.team.incidents.filter(uuid__in=[each.uuid for each in changed])
    context = {"answers": answers, "incidents": list(in_order(again).defer("search")), "may_work": True} | counts(
        request
    )
    return show(request, "incidents/page.html", context, fragment="incidents/_answers.html")
