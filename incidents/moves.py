"""
How an incident came to stand as it stands, in words: who changed it last and when, and what may follow.

For those who come second: two people press at once, one wins, and the other is told. Not here: the table of legal moves
(incidents.fold), making one (incidents.lifecycle).
"""

from collections.abc import Collection
from datetime import datetime

from config.errors import Conflict
from incidents.fold import CLOSED, OPEN, steps_from
from incidents.models import Incident
from timeline.corrections import CORRECTED
from timeline.events import INCIDENT, said
from timeline.models import Effect, TimelineEvent

# What brings an incident to where it stands, as people say it.
SAID = {
    "incident.acknowledged": "acknowledged it",
    "incident.resolved": "resolved it",
    "incident.closed": "closed it",
    "incident.reopened": "reopened it",
    "incident.destroyed": "deleted it",
}
# What of an incident these change.
MOVED = ("status", "destroyed_at")
STEPS = {"acknowledged": "acknowledged", "resolved": "resolved", "closed": "closed"}


class IllegalMove(Conflict):
    """A move that the present status does not allow. `details`: fromStatus, toStatus, validTransitions."""

    def __init__(self, incident: Incident, to: str, at: datetime) -> None:
        super().__init__(
            " ".join(
                filter(None, (f"It is {incident.status}; {may_become(incident.status)}.", last_said(incident, at)))
            ),
            details={"fromStatus": incident.status, "toStatus": to, "validTransitions": steps_from(incident.status)},
        )


def may_become(status: str) -> str:
    """What an incident of a status can become."""
    steps = [*steps_from(status), *([] if status == OPEN else ["reopened"])]
    alone = "it can only be reopened" if status == CLOSED else ""
    return alone or f"it can be {' or '.join(filter(None, (', '.join(steps[:-1]), steps[-1])))}"


def deleted(incident: Incident, at: datetime) -> Conflict:
    """The refusal of any work on a deleted incident."""
    return Conflict(" ".join(filter(None, ("It is deleted; only notes can be added.", last_said(incident, at)))))


def last_move(incident: Incident) -> TimelineEvent | None:
    """The fact that brought the incident where it stands; None while nothing moved it since it started."""
    return last_change(incident, SAID, MOVED)


def last_change(incident: Incident, events: Collection[str], columns: Collection[str]) -> TimelineEvent | None:
    """
    The fact that made some columns of an incident what they are: the last of the events that change them, as far as it
    had an effect; or a correction that changed them later, when that was recorded already.
    """
    facts = TimelineEvent.objects.filter(subject_kind=INCIDENT, subject_id=incident.pk)
    effective = facts.filter(event__in=events, effect=Effect.APPLIED)
    last = effective.order_by("-occurred_at", "-rank", "-identity").first()
    corrections = facts.filter(event=CORRECTED, payload__changes__has_any_keys=list(columns))
    corrected = corrections.order_by("-id").first()
    return corrected if corrected and (last is None or corrected.pk > last.pk) else last


def last_said(incident: Incident, at: datetime) -> str:
    """Who moved the incident last, and when: "Bob Smith acknowledged it at 10:02:13 UTC."; empty if nobody did."""
    fact = last_move(incident)
    return "" if fact is None else f"{actor_of(fact)} {did(fact)} {when(fact.done_at, at)}."


def did(fact: TimelineEvent, otherwise: str = "changed it") -> str:
    """What somebody did, as people say it; `otherwise` where it neither moved the incident nor corrected it."""
    return "corrected its history" if fact.event == CORRECTED else SAID.get(fact.event, otherwise)


def actor_of(fact: TimelineEvent) -> str:
    """Who made a move, as far as it is known."""
    named = fact.user_name or fact.user_email or said(fact.payload, "integration_name")
    return named or ("Watchkeeper" if fact.integration_id is None else "Its source")


def when(moment: datetime, at: datetime) -> str:
    """A moment in words: the time of day, and the day unless it is today's."""
    day = "" if moment.date() == at.date() else f"on {moment.day} {moment:%B %Y} "
    return f"{day}at {moment:%H:%M:%S} UTC"
