"""
The verbs of endpoints and messages, one place each, called alike by dashboard, API and admin.

As elsewhere: None or False where there is nothing to do, Conflict where it is not allowed. Who may call which is the
doors' affair. Not here: what is sent when (engine).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from config import rows
from config.addresses import wrong_url
from config.errors import Conflict, ValidationFailed
from config.seen import digest
from config.signing import new_signing_secret
from config.times import rfc3339
from config.turns import wait_for_turn
from config.vault import new_token, seal
from teams.models import Team
from timeline.events import EVENTS, VENDOR_EVENTS
from timeline.kept import FACT_COLUMNS, fact_of
from timeline.models import TimelineEvent
from timeline.outbound.births import announce_again, begin_anew, names_of, row
from timeline.outbound.models import WAITING, Endpoint, Message, Progress
from timeline.outbound.shapes import TEST, Sent, test_payload

# How long the secret before is good for besides the new one.
BOTH_GOOD = timedelta(hours=24)
# Tests of one endpoint go one after the other, whatever else it is told.
OF_TESTS = "endpoint"
# A time range is asked for again so many facts at a time.
STEP = 1_000
MOST_REPLAYED = 100_000
MOST_ENDPOINTS = 100
DELETED = "This endpoint was deleted."
BY_HAND = "Given up by hand."


def create_endpoint(
    team: Team,
    *,
    at: datetime,
    url: str,
    description: str = "",
    event_types: Sequence[str] = (),
    further: bool = False,
    relay: bool = False,
) -> tuple[Endpoint, str]:
    """
    A new endpoint of a team, and its signing secret, which is shown once. Raises ValidationFailed by field, and
    Conflict where the team has as many as it can.
    """
    sound(url, event_types, further)
    with transaction.atomic():
        Team.objects.select_for_update(no_key=True).get(pk=team.pk)
        if team.endpoints.filter(deleted_at=None).count() >= MOST_ENDPOINTS:
            raise Conflict(f"A team has {MOST_ENDPOINTS} endpoints at most.")
        secret = new_signing_secret()
        made = team.endpoints.create(
            url=url,
            description=description,
            event_types=list(event_types),
            further=further,
            relay=relay,
            secret_ciphertext=seal(secret),
            created_at=at,
        )
    return made, secret


def edit_endpoint(endpoint: Endpoint, **details: object) -> bool:
    """
    Change some of an endpoint's url, description, event_types, further and relay; whether anything is other than it
    was. What waits already is sent as it is. Raises ValidationFailed by field, and Conflict for a deleted one.
    """
    with transaction.atomic():
        locked(endpoint)
        changed = {name: value for name, value in details.items() if getattr(endpoint, name) != value}
        for name, value in changed.items():
            setattr(endpoint, name, value)
        sound(endpoint.url, endpoint.event_types, endpoint.further)
        if changed:
            endpoint.save(update_fields=list(changed))
        return bool(changed)


def sound(url: str, event_types: Sequence[str], further: bool) -> None:
    """Raises ValidationFailed for an endpoint that can't be."""
    wrong = {"url": wrong_url(url, settings.WEBHOOK_NETWORKS), "event_types": wrong_events(event_types, further)}
    problems = {name: [problem] for name, problem in wrong.items() if problem}
    if problems:
        raise ValidationFailed(problems)


def wrong_events(event_types: Sequence[str], further: bool) -> str | None:
    """What is wrong with the names of events."""
    for name in event_types:
        if name not in EVENTS:
            return f"There is no event called {name[:100]}."
        if not further and name not in VENDOR_EVENTS:
            return f"{name} is one of the further events, which are not asked for."
    return "An event is named twice." if len(set(event_types)) < len(event_types) else None


def enable(endpoint: Endpoint, *, at: datetime) -> bool:
    """Send to an endpoint again; whether it was disabled. What waited is sent at once."""
    with transaction.atomic():
        locked(endpoint)
        if endpoint.disabled_at is None:
            return False
        endpoint.disabled_at, endpoint.disabled_why, endpoint.failing_since = None, "", None
        endpoint.save(update_fields=["disabled_at", "disabled_why", "failing_since"])
        endpoint.messages.filter(status=Progress.DUE).update(due_at=at)
        return True


def disable(endpoint: Endpoint, *, at: datetime, why: str = "") -> bool:
    """Send nothing to an endpoint until it is enabled; whether it was. `why`: empty where a person says so."""
    with transaction.atomic():
        locked(endpoint)
        if endpoint.disabled_at is not None:
            return False
        endpoint.disabled_at, endpoint.disabled_why = at, why
        endpoint.save(update_fields=["disabled_at", "disabled_why"])
        return True


def delete_endpoint(endpoint: Endpoint, *, at: datetime) -> bool:
    """Send nothing to an endpoint any more: a tombstone; what was sent stays to be read, what waits is given up."""
    with transaction.atomic():
        wait_for_replays(endpoint)
        Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
        endpoint.refresh_from_db()
        if endpoint.deleted_at is not None:
            return False
        waiting = endpoint.messages.filter(status__in=WAITING)
        # Very many may wait, and what happens meanwhile must not: it is told to the endpoint still.
        give_up(waiting, at=at, why=DELETED)
        # Also against whoever is letting it be told of something just now (births.listening).
        Endpoint.objects.select_for_update().get(pk=endpoint.pk)
        endpoint.deleted_at = at
        endpoint.save(update_fields=["deleted_at"])
        give_up(waiting, at=at, why=DELETED)
        return True


def give_up(messages: QuerySet[Message], *, at: datetime, why: str) -> int:
    """Deliver messages no more; how many there were."""
    return messages.update(status=Progress.DEAD, due_at=None, ended_at=at, why=why)


def give_up_one(message: Message, *, at: datetime) -> bool:
    """
    Deliver a message no more, so that those behind it come next; False where it is over already. Raises Conflict while
    it is being sent.
    """
    with transaction.atomic():
        Endpoint.objects.select_for_update(no_key=True).get(pk=message.endpoint_id)
        message.refresh_from_db()
        if message.status == Progress.SENDING:
            raise Conflict("This message is just being sent; nobody can say yet whether it arrives.")
        waits = message.endpoint.messages.filter(status__in=WAITING)
        if not give_up(waits.filter(pk=message.pk), at=at, why=BY_HAND):
            return False
        # Whoever was behind it finds a place anew.
        of_its_own = Q(subject_kind=message.subject_kind, subject_id=message.subject_id)
        lane = waits.filter(of_its_own | Q(after__contains=[message.pk]))
        lane.filter(status=Progress.BEHIND).update(status=Progress.NEW)
        message.refresh_from_db()
        return True


def rotate_secret(endpoint: Endpoint, *, at: datetime) -> str:
    """A new signing secret, which is shown once; for a day messages are signed with the one before, too."""
    with transaction.atomic():
        locked(endpoint)
        secret = new_signing_secret()
        endpoint.old_secret_ciphertext, endpoint.old_secret_until = endpoint.secret_ciphertext, at + BOTH_GOOD
        endpoint.secret_ciphertext = seal(secret)
        endpoint.save(update_fields=["secret_ciphertext", "old_secret_ciphertext", "old_secret_until"])
        return secret


def secret_version(endpoint: Endpoint) -> str:
    """Which signing secret an endpoint has, in short and without telling it."""
    return digest(bytes(endpoint.secret_ciphertext).hex())


def send_test(endpoint: Endpoint, *, at: datetime) -> Message:
    """Send an endpoint a message that tells nothing. Raises Conflict for a disabled or deleted one."""
    with transaction.atomic():
        locked(endpoint)
        enabled(endpoint)
        whose = names_of([endpoint.team_id])[endpoint.team_id]
        payload = test_payload(whose, rfc3339(at), str(endpoint))
        sent = Sent(TEST, new_token("msg_", 16), payload)
        [(pk,)] = rows.insert(Message, [row(endpoint, (OF_TESTS, endpoint.pk), None, sent, at)], returning=("id",))
        return Message.objects.get(pk=pk)


def redeliver(message: Message, *, at: datetime) -> bool:
    """
    Send a message once more, under the same webhook-id; False where it waits to be sent already. Raises Conflict for a
    disabled or deleted endpoint.
    """
    with transaction.atomic():
        locked(message.endpoint)
        enabled(message.endpoint)
        again = begin_anew(Message.objects.filter(pk=message.pk), at=at)
        message.refresh_from_db()
        return bool(again)


def replay(endpoint: Endpoint, *, since: datetime, until: datetime, at: datetime) -> int:
    """
    Send everything again that was recorded in a time range (its end left out), and for the first time what was not sent
    then, under the same webhook-ids; how many messages that are. Raises Conflict for a disabled or deleted endpoint,
    and ValidationFailed for a range in which too much happened.
    """
    enabled(endpoint)
    count, last = 0, 0
    facts = TimelineEvent.objects.filter(team_id=endpoint.team_id, recorded_at__gte=since, recorded_at__lt=until)
    if facts.order_by()[: MOST_REPLAYED + 1].count() > MOST_REPLAYED:
        raise ValidationFailed({"since": [f"More than {MOST_REPLAYED:,} events: choose a shorter time."]})
    while True:
        some = list(facts.filter(pk__gt=last).order_by("pk").values(*FACT_COLUMNS)[:STEP])
        if not some:
            return count
        with transaction.atomic():
            one_replay_at_a_time(endpoint)
            enabled(endpoint)
            count += announce_again(endpoint, map(fact_of, some), at=at)
        last = some[-1]["id"]


def locked(endpoint: Endpoint) -> None:
    """Lock the endpoint and read it anew. Raises Conflict for a deleted one."""
    Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    endpoint.refresh_from_db()
    if endpoint.deleted_at is not None:
        raise Conflict(DELETED)


def wait_for_replays(endpoint: Endpoint) -> None:
    """Wait until nobody replays to the endpoint; until the transaction ends, nobody will."""
    wait_for_turn(f"replay {endpoint.pk}")


KEPT = "SELECT id FROM timeline_endpoint WHERE id = %s FOR KEY SHARE"


def one_replay_at_a_time(endpoint: Endpoint) -> None:
    """
    Wait for other replays to the endpoint, let nobody delete it, and read it anew; all until the transaction ends. That
    may be long, so sending to it goes on meanwhile. Raises Conflict for a deleted one.
    """
    wait_for_replays(endpoint)
    list(Endpoint.objects.raw(KEPT, [endpoint.pk]))
    endpoint.refresh_from_db()
    if endpoint.deleted_at is not None:
        raise Conflict(DELETED)


def enabled(endpoint: Endpoint) -> None:
    """Raises Conflict for a disabled endpoint."""
    if endpoint.disabled_at is not None:
        raise Conflict("This endpoint is disabled; enable it first.")
