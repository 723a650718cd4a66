"""
Messages are born with the fact that they tell, in its transaction: one for each endpoint that is to hear of it.

Also their births after the fact, where somebody asks for a time range again. Not here: sending them (engine, sender).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import QuerySet

from config import faults, rows
from config.statements import fetch
from teams.models import Team
from timeline.chronology import Fact, Link
from timeline.events import INCIDENT
from timeline.outbound.installation import this_installation
from timeline.outbound.models import OVER, Endpoint, Message, Progress
from timeline.outbound.shapes import Sent, Whose, Wishes, told, written

BORN = faults.point("messages: born, before the commit")

# What is said of a monitor or heartbeat after its incidents are resolved.
LAST = {"monitor.destroyed", "heartbeat.destroyed"}

NEW = "ON CONFLICT (endpoint_id, webhook_id) DO NOTHING"


@dataclass(slots=True)
class Happened:
    """A stored fact of a team."""

    fact: Fact
    team_id: int


def announce(happened: Sequence[Happened]) -> None:
    """Let the endpoints of the teams be told of new facts."""
    endpoints = listening(happened)
    if not endpoints:
        return
    whose = names_of(endpoints)
    born = [
        row(endpoint, each.fact.subject, each.fact.id, sent, recorded_at(each.fact))
        for each in happened
        for endpoint in endpoints[each.team_id]
        for sent in told(each.fact, whose[each.team_id], wishes_of(endpoint), ended=ended_live(each.fact))
    ]
    put_last_words_last(rows.insert(Message, born, on_conflict=NEW, returning=("id", "event")))
    if born:
        BORN()


# Locked against nothing but being deleted meanwhile, which would leave a message behind that nobody gives up.
ENABLED = """
SELECT id, team_id, event_types, further, relay FROM timeline_endpoint
WHERE team_id = ANY(%(teams)s::bigint[]) AND disabled_at IS NULL AND deleted_at IS NULL ORDER BY id FOR KEY SHARE
"""


def listening(happened: Iterable[Happened]) -> dict[int, list[Endpoint]]:
    """The enabled endpoints of teams, by team; of those where integrations alone spoke, the ones that pass it on."""
    teams, spoke = (
        {each.team_id for each in happened},
        {each.team_id for each in happened if each.fact.native or each.fact.taken},
    )
    found: dict[int, list[Endpoint]] = defaultdict(list)
    for endpoint in Endpoint.objects.raw(ENABLED, {"teams": rows.as_array(teams)}):
        if endpoint.relay or endpoint.team_id in spoke:
            found[endpoint.team_id].append(endpoint)
    return found


def names_of(team_ids: Iterable[int]) -> dict[int, Whose]:
    """In whose name each team's messages go."""
    installation = this_installation().public_id
    found = Team.objects.filter(pk__in=list(team_ids)).values_list("pk", "organization__public_id", "public_id")
    return {pk: Whose(organization, team, installation) for pk, organization, team in found}


def wishes_of(endpoint: Endpoint) -> Wishes:
    """What an endpoint is to be sent."""
    return Wishes(tuple(endpoint.event_types), endpoint.further, endpoint.relay)


def recorded_at(fact: Fact) -> datetime:
    """When we came to know of a fact."""
    return fact.recorded_at or fact.occurred_at


def row(endpoint: Endpoint, subject: Link, fact_id: int | None, sent: Sent, at: datetime) -> rows.Row:
    """A new message as its row."""
    return {
        "team_id": endpoint.team_id,
        "endpoint_id": endpoint.pk,
        "webhook_id": sent.webhook_id,
        "event": sent.event,
        "subject_kind": subject[0],
        "subject_id": subject[1],
        "fact_id": fact_id,
        "body": written(sent.payload),
        "created_at": at,
        "status": Progress.NEW,
        "tries": 0,
        "why": "",
    }


# The last message that waits of each incident about what was deleted; those before it go before it anyway.
LAST_WORDS = """
WITH last AS (
    SELECT id, endpoint_id, subject_kind, subject_id FROM timeline_message WHERE id = ANY(%(ids)s::bigint[])
), about AS (
    SELECT DISTINCT last.id, last.endpoint_id, fact.subject_id AS incident_id
    FROM last JOIN timeline_timelineevent AS fact
        ON fact.resource_kind = last.subject_kind AND fact.resource_id = last.subject_id
    WHERE fact.subject_kind = 'incident'
), before AS (
    SELECT about.id, array_agg(message.id) AS ids
    FROM about CROSS JOIN LATERAL (
        SELECT id FROM timeline_message
        WHERE endpoint_id = about.endpoint_id AND subject_kind = 'incident' AND subject_id = about.incident_id
            AND id < about.id AND status IN ('new', 'behind', 'due', 'sending')
        ORDER BY id DESC LIMIT 1
    ) AS message GROUP BY about.id
)
UPDATE timeline_message AS m SET after = before.ids FROM before WHERE m.id = before.id
"""


def put_last_words_last(born: Iterable[tuple[int, str]]) -> None:
    """
    Let messages that a monitor or heartbeat was deleted wait for what is still to be said of its incidents: deleting
    resolves them first.
    """
    last = [identity for identity, event in born if event in LAST]
    if last:
        with connection.cursor() as cursor:
            cursor.execute(LAST_WORDS, {"ids": rows.as_array(last)})


# --- after the fact -------------------------------------------------------------------------------------------


def announce_again(endpoint: Endpoint, facts: Iterable[Fact], *, at: datetime) -> int:
    """
    Have facts told to an endpoint again, or for the first time; how many messages that makes. What is over begins anew;
    what waits still, waits, and is not even locked, for it may be on its way.
    """
    whose = names_of([endpoint.team_id])[endpoint.team_id]
    born = [
        row(endpoint, fact.subject, fact.id, sent, recorded_at(fact)) | {"due_at": at}
        for fact in heard_of(endpoint, facts)
        for sent in told(fact, whose, wishes_of(endpoint), ended=ended_live(fact))
    ]
    told_before = endpoint.messages.filter(webhook_id__in=[each["webhook_id"] for each in born])
    again = begin_anew(told_before, at=at)
    made = rows.insert(Message, born, on_conflict=NEW, returning=("id", "event"))
    put_last_words_last(made)
    return again + len(made)


# Of incidents, those that an integration told us of.
MIRRORED = """
SELECT DISTINCT subject_id FROM timeline_timelineevent
WHERE subject_kind = 'incident' AND subject_id = ANY(%s::bigint[])
    AND integration_id IS NOT NULL AND NOT jsonb_exists(payload, 'incident_origin')
"""


def heard_of(endpoint: Endpoint, facts: Iterable[Fact]) -> list[Fact]:
    """
    Facts without those that were done here to mirrored incidents before they said so, for an endpoint that never heard
    of their start.
    """
    found = list(facts)
    unsaid = {fact.subject[1] for fact in found if fact.native and not fact.taken and fact.subject[0] == INCIDENT}
    if endpoint.relay or not unsaid:
        return found
    mirrored = {identity for (identity,) in fetch(MIRRORED, [rows.as_array(unsaid)])}
    return [fact for fact in found if not fact.native or fact.subject[0] != INCIDENT or fact.subject[1] not in mirrored]


def begin_anew(messages: QuerySet[Message], *, at: datetime) -> int:
    """Let those of some messages that are over be sent once more, as of now; how many that are."""
    over = messages.filter(status__in=OVER)
    return over.update(status=Progress.NEW, due_at=at, tries=0, ended_at=None, why="")


def ended_live(fact: Fact) -> bool:
    """Whether a fact closed an incident that was acknowledged until then, as its fold found."""
    return any(each.get("action") == "closed" and each.get("old") == "acknowledged" for each in fact.entries)
