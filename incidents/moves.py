"""
How an incident came to stand where it stands, in words: who moved it last and when, and what may follow.

For those who come second: two people press at once, one wins, and the other is told. Not here: the table of legal moves
(incidents.fold), making one (incidents.lifecycle).
"""

from datetime import datetime

from config.errors import Conflict
from incidents.fold import CLOSED, OPEN, steps_from
from incidents.models import Incident
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
    facts = TimelineEvent.objects.filter(
        subject_kind=INCIDENT, subject_id=incident.pk, event__in=SAID, effect=Effect.APPLIED
    )
    return facts.order_by("-occurred_at", "-rank", "-identity").first()


def last_said(incident: Incident, at: datetime) -> str:
    """Who moved the incident last, and when: "Bob Smith acknowledged it at 10:02:13 UTC."; empty if nobody did."""
    fact = last_move(incident)
    return "" if fact is None else f"{actor_of(fact)} {SAID[fact.event]} {when(fact.occurred_at, at)}."


def actor_of(fact: TimelineEvent) -> str:
    """Who made a move, as far as it is known."""
    named = fact.user_name or fact.user_email or said(fact.payload, "integration_name")
    return named or ("Watchkeeper" if fact.integration_id is None else "Its source")


def when(moment: datetime, at: datetime) -> str:
    """A moment in words: the time of day, and the day unless it is today's."""
    day = "" if moment.date() == at.date() else f"on {moment.day} {moment:%B %Y} "
    return f"{day}at {moment:%H:%M:%S} UTC"
