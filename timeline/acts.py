"""
Our own acts as facts: what a verb records when somebody of ours does something.

A verb builds the very payload that a vendor would have sent; this room adds what all of them have: the common fields,
the actor, the moment. Not here: what may be done when (the lifecycles), and what it does (the folds).
"""

from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from config import faults
from config.clock import milliseconds
from config.times import rfc3339
from teams.models import Team, User
from timeline.chronology import Fact, Link
from timeline.events import ACTED_AT, EARLIEST, EVENTS, Payload
from timeline.identity import event_identity
from timeline.models import TimelineEvent
from timeline.record import NewFact, number

COMMITTED = faults.point("act: committed, before the answer")

APART = timedelta(milliseconds=1)
# An act that stands so much later than it was done says when that was.
NOTABLY = timedelta(seconds=1)
# Clocks differ: what is told of so much ahead is told of now.
AHEAD = timedelta(seconds=60)
PAST = "Must be from 2000-01-01 to now."


def told_moment(told: datetime, at: datetime) -> datetime | None:
    """When something occurred that is told to have been then: a minute ahead at most is now; None for what can't be."""
    return min(told, at) if EARLIEST <= told <= at + AHEAD else None


@dataclass(frozen=True, slots=True)
class Act:
    """
    What one of us does, at a moment: the event, what it says, and the event's own fields. `by` is None where the system
    itself acts; `named` is the resource that is meant; `occurred_at` is given where it lies in the past, told after the
    fact.
    """

    event: str
    message: str
    _: KW_ONLY
    by: User | None
    at: datetime
    fields: Payload = field(default_factory=dict)
    named: Link | None = None
    occurred_at: datetime | None = None


def new_fact(team: Team, subject: Link, act: Act) -> NewFact:
    """
    An act of ours on a locked subject as a new fact, numbered, at its moment or just after the last fact there. The
    caller records it.
    """
    acted_at = milliseconds(act.at)
    occurred_at = milliseconds(act.occurred_at) if act.occurred_at else after_last(subject, acted_at)
    while not number([new := told_at(team, subject, act, acted_at, occurred_at)]):
        # The very same was said at that moment before, and was corrected to have occurred at another.
        occurred_at += APART
    transaction.on_commit(COMMITTED)
    return new


def told_at(team: Team, subject: Link, act: Act, acted_at: datetime, occurred_at: datetime) -> NewFact:
    """An act as a fact that occurs at a moment."""
    payload = {
        "dt": rfc3339(occurred_at),
        "event": act.event,
        "message": act.message,
        "organization_id": team.organization.public_id,
        "team_id": team.public_id,
        **act.fields,
        **({ACTED_AT: rfc3339(acted_at)} if occurred_at - acted_at >= NOTABLY else {}),
    }
    fact = Fact(
        event=act.event,
        occurred_at=occurred_at,
        recorded_at=acted_at,
        rank=EVENTS[act.event].rank,
        identity=event_identity(payload),
        payload=payload,
        subject=subject,
        named=act.named,
        native=True,
        user_email=act.by.email if act.by else None,
        user_name=act.by.get_full_name() if act.by else None,
    )
    return NewFact(fact, team.pk, user_id=act.by.pk if act.by else None)


def after_last(subject: Link, at: datetime) -> datetime:
    """
    The moment, or a millisecond after the subject's last fact where that is later.

    So two acts of ours are never at once; and what somebody did on seeing what a source with a fast clock told takes
    effect after it, not before. What is hidden is out of the way.
    """
    facts = TimelineEvent.objects.filter(subject_kind=subject[0], subject_id=subject[1]).order_by("-occurred_at")
    last = facts.exclude(correction__hidden=True).values_list("occurred_at", flat=True).first()
    return at if last is None else max(at, last + APART)


def who(by: User | None) -> Payload:
    """The log's four fields that say who acted."""
    return {
        "user_email": by.email if by else None,
        "user_name": by.get_full_name() if by else None,
        "integration_name": None,
        "integration_type": None,
    }
