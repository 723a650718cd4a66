"""Declaring an incident by hand. Not here: the form (dashboard.declaration), what declaring does (incidents)."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from config.clock import now
from config.errors import Conflict, ValidationFailed
from config.formfields import blame
from dashboard.access import TeamRequest, settle, team_page
from dashboard.declaration import DeclarationForm
from dashboard.doubled import done_once
from dashboard.frame import show
from incidents.declaring import declare
from incidents.models import Incident
from teams.models import Role


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
@done_once
def new(request: TeamRequest) -> HttpResponse:
    """`/incidents/new`: a form, which `?monitor=` may fill in; POST declares an incident."""
    settle(request, Role.RESPONDER)
    sent = request.POST if request.method == "POST" else None
    form = DeclarationForm(request.team, sent, monitor=request.GET.get("monitor", ""))
    made = declared(request, form) if form.is_valid() else None
    if made is not None:
        messages.success(request, "Declared.")
        return redirect("incident", uuid=made.uuid)
    return show(request, "incidents/new.html", {"form": form}, status=400 if form.is_bound else 200)


def declared(request: TeamRequest, form: DeclarationForm) -> Incident | None:
    """The new incident; None where the form says what was wrong."""
    try:
        return declare(request.team, form.declaration(), by=request.user, at=now())
    except ValidationFailed as refused:
        blame(form, refused)
    except Conflict as refused:
        link = format_html('<a href="/incidents/{}">Go to it</a>', (refused.details or {}).get("incident_id", ""))
        form.add_error("monitor_id", format_html("{} {}", refused.message, link if refused.details else ""))
    return None
