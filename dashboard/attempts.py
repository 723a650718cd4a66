"""
Doing what a form asks for, if what its sender saw is still so; else somebody was first, and the other is told who, and
when, and how it stands now. Nothing is written then.

Not here: the forms (dashboard.acts).
"""

from datetime import datetime

from django.db import transaction

from config.seen import Deed, unless_overtaken
from dashboard.acts import Act, Escalate, Move
from incidents import lifecycle
from incidents.models import Incident
from incidents.moves import actor_of, did, last_change
from teams.models import User
from timeline.models import TimelineEvent


def attempt(form: Act, incident: Incident, *, by: User, at: datetime) -> TimelineEvent | None:
    """Do what a valid form asks for. Raises Overtaken if what its sender saw is no longer so, and what verbs raise."""
    with transaction.atomic():
        lifecycle.locked(incident)
        present = form.standing(incident)
        now = f"; it is {Move.standing(incident)} now" if isinstance(form, Move | Escalate) else ""
        unless_overtaken(form.cleaned_data["seen"], present, lambda: first(form, incident), at, by=by.email, now=now)
        return form.do(incident, by=by, at=at)


def first(form: Act, incident: Incident) -> Deed | None:
    """What somebody else did to what the sender of a form saw."""
    fact = last_change(incident, form.changing, form.changing_of)
    return Deed(actor_of(fact), did(fact, form.changed), fact.done_at, fact.user_email) if fact else None
