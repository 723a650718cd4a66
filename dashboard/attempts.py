"""
Doing what a form asks for, if what its sender saw is still so; else somebody was first, and the other is told who, and
when, and how it stands now. Nothing is written then.

Not here: the forms (dashboard.acts).
"""

from datetime import datetime

from django.db import transaction

from config.errors import Conflict
from dashboard.acts import Act, Escalate, Move
from dashboard.templatetags.moments import on_the_clock
from incidents import lifecycle
from incidents.models import Incident
from incidents.moves import actor_of, did, last_change
from teams.models import User
from timeline.models import TimelineEvent


class Overtaken(Conflict):
    """Somebody was first: what the sender of a form saw is no longer so. The message says who, and when."""


def attempt(form: Act, incident: Incident, *, by: User, at: datetime) -> TimelineEvent | None:
    """Do what a valid form asks for. Raises Overtaken if what its sender saw is no longer so, and what verbs raise."""
    with transaction.atomic():
        lifecycle.locked(incident)
        seen = form.cleaned_data["seen"]
        if seen and seen != form.standing(incident):
            raise Overtaken(overtaken(form, incident, at))
        return form.do(incident, by=by, at=at)


def overtaken(form: Act, incident: Incident, at: datetime) -> str:
    """Who was first, and when, and how it stands now."""
    first = last_change(incident, form.changing, form.changing_of)
    what = first_said(form, first, at) if first else "It was changed meanwhile"
    now = f"; it is {form.standing(incident)} now" if isinstance(form, Move | Escalate) else ""
    return f"{what}{now}. Nothing was changed by you."


def first_said(form: Act, first: TimelineEvent, at: datetime) -> str:
    """What somebody else did just now."""
    return f"{actor_of(first)} {did(first, form.changed)} {at_time(first.occurred_at, at)}"


def at_time(moment: datetime, at: datetime) -> str:
    """`at 10:02`, `yesterday 10:02` or `13 May, 10:02`, by the reader's clock."""
    words = on_the_clock(moment, at)
    return f"at {words}" if words[0].isdigit() and words[2:3] == ":" else words
