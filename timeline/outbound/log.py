"""
What became of sending: an endpoint's newest messages, a message's attempts, and what managers have to see to.

Not here: the lists of messages (filters), and what a message looks like there (doors).
"""

from dataclasses import dataclass

from django.db.models import QuerySet

from config.statements import fetch
from teams.models import Team
from timeline.outbound.models import WAITING, Attempt, Endpoint, Message, Progress

# So many attempts of a message are shown.
ATTEMPTS_SHOWN = 100


def newest(endpoint: Endpoint, at_most: int) -> list[Message]:
    """An endpoint's newest messages, without their bodies."""
    return list(endpoint.messages.defer("body").order_by("-id")[:at_most])


def attempts(message: Message) -> list[Attempt]:
    """What was tried to deliver a message, the newest first."""
    return list(message.attempts.order_by("-id")[:ATTEMPTS_SHOWN])


# --- what there is to see to ------------------------------------------------------------------------------------------


def live(team: Team) -> QuerySet[Endpoint]:
    """A team's endpoints, without the deleted ones."""
    return team.endpoints.filter(deleted_at=None)


def waiting(endpoint: Endpoint) -> QuerySet[Message]:
    """The messages of an endpoint that wait."""
    return endpoint.messages.filter(status__in=WAITING)


def dead(endpoint: Endpoint) -> QuerySet[Message]:
    """The messages of an endpoint that were given up."""
    return endpoint.messages.filter(status=Progress.DEAD)


@dataclass(frozen=True)
class Trouble:
    """What keeps a team's messages from being sent: why all sending is paused, and an endpoint that failed."""

    paused_why: str | None = None
    endpoint_id: int | None = None


TROUBLE = """
SELECT (SELECT paused_why FROM timeline_installation WHERE paused_at IS NOT NULL),
    (SELECT max(id) FROM timeline_endpoint WHERE deleted_at IS NULL AND disabled_why <> '' AND team_id = %s)
"""


def trouble(team: Team) -> Trouble | None:
    """What a team's managers have to see to; None: nothing. One statement, for every page asks."""
    found = Trouble(*fetch(TROUBLE, [team.pk])[0])
    return found if found != Trouble() else None
