"""
The log of messages: which of them a list shows, page by page, and what of sending its managers have to see to.

Lists are walked from the newest message, and what no index serves looks only so far at a time: a page may then be
shorter than it could be, and still have a next one. Not here: doors, and what a message looks like there.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from config import paging
from config.statements import fetch
from teams.models import Team
from timeline.events import INCIDENT
from timeline.outbound.models import STANDINGS, WAITING, Attempt, Endpoint, Message, Progress, Standing

NEWEST: paging.Order = [("id", "desc")]
# So many messages are looked at for a page where no index helps.
LOOKED_THROUGH = 20_000
# Counting further than this would cost time and tell nobody anything.
COUNT_UP_TO = 99
# So many attempts of a message are shown.
ATTEMPTS_SHOWN = 100


@dataclass(frozen=True)
class Narrowed:
    """What a list of messages is narrowed to; None: by that not at all. `incident_id` is the incident's number."""

    standings: Iterable[Standing] | None = None
    event: str | None = None
    endpoint_id: int | None = None
    incident_id: int | None = None

    @property
    def served(self) -> Q:
        """What indexes serve."""
        asked = Q()
        if self.standings is not None and Standing.DELIVERED not in self.standings:
            asked &= among(self.standings)
        if self.endpoint_id is not None:
            asked &= Q(endpoint_id=self.endpoint_id)
        if self.incident_id is not None:
            asked &= Q(subject_kind=INCIDENT, subject_id=self.incident_id)
        return asked

    @property
    def looked_for(self) -> Q:
        """What has to be looked for, message by message."""
        asked = Q()
        if self.standings is not None and Standing.DELIVERED in self.standings:
            asked &= among(self.standings)
        if self.event is not None:
            asked &= Q(event=self.event)
        return asked


def among(standings: Iterable[Standing]) -> Q:
    """Messages that stand so or so."""
    return Q(status__in=[status for each in standings for status in STANDINGS[each]])


def messages(team: Team, narrowed: Narrowed, limit: int, cursor: str | None) -> paging.Page:
    """
    A page of a team's messages, the newest first, without their bodies. Raises ValidationFailed for a cursor that is
    none.
    """
    found = team.messages.filter(narrowed.served).defer("body")
    if not narrowed.looked_for:
        return paging.page(found, NEWEST, limit, cursor)
    floor = beyond_window(found, cursor)
    within = found.filter(narrowed.looked_for, *([Q(pk__gt=floor)] if floor is not None else []))
    rows, after = paging.page(within, NEWEST, limit, cursor)
    if after is None and floor is not None:
        after = paging.cursor_after({"id": floor + 1}, NEWEST)
    return paging.Page(rows, after)


def beyond_window(found: QuerySet[Message], cursor: str | None) -> int | None:
    """The id of the first message that is too far behind the cursor to be looked at; None: there is none."""
    if cursor:
        found = found.filter(pk__lt=paging.position(found, NEWEST, cursor)[0])
    return found.order_by("-pk").values_list("pk", flat=True)[LOOKED_THROUGH : LOOKED_THROUGH + 1].first()


def attempts(message: Message) -> list[Attempt]:
    """What was tried to deliver a message, the newest first."""
    return list(message.attempts.order_by("-id")[:ATTEMPTS_SHOWN])


# --- what there is to see to ------------------------------------------------------------------------------------------


def live(team: Team) -> QuerySet[Endpoint]:
    """A team's endpoints, without the deleted ones."""
    return team.endpoints.filter(deleted_at=None)


def waiting(endpoint: Endpoint) -> int:
    """How many messages of an endpoint wait; counted to one more than COUNT_UP_TO."""
    return endpoint.messages.filter(status__in=WAITING).order_by()[: COUNT_UP_TO + 1].count()


def dead(endpoint: Endpoint) -> int:
    """How many messages of an endpoint were given up; counted to one more than COUNT_UP_TO."""
    return endpoint.messages.filter(status=Progress.DEAD).order_by()[: COUNT_UP_TO + 1].count()


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
