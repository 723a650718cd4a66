"""
The outbound half: what happens is told to endpoints while everything is killed, and afterwards one can say of every
message what became of it.

Two endpoints take all that happens, what integrations tell included: one whose receiver is well, and one whose receiver
is flaky (errors, cut connections, slow). At a third, which takes what happens to monitors, nobody listens. A fourth
takes tests alone, so that somebody has it to lease again. `complaints` is pure, so that it can be shown to find what is
wrong; the rest gathers what it looks at.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.receivers import Receiver, Request, answering
from tests.running import HOST, Running, eventually, free_port

WELL, FLAKY, DEAD, QUIET = "well", "flaky", "dead", "quiet"
STUCK_AFTER = 30.0  # seconds in which nothing arrives; a killed worker's leases alone last 10


@dataclass(frozen=True)
class Told:
    """A message as it stands in the database."""

    endpoint: str
    webhook_id: str
    subject: tuple[str, int]
    status: str
    body: str


@dataclass(frozen=True)
class Arrival:
    """A message that was read by a receiver, whatever was answered."""

    endpoint: str
    webhook_id: str
    body: str


def complaints(told: Sequence[Told], arrivals: Iterable[Arrival], unsaid: Iterable[str]) -> list[str]:
    """Everything that is not as it has to be, in sentences. `told` in order of birth, `arrivals` as they came."""
    known = {(each.endpoint, each.webhook_id): each for each in told}
    found = [f"{each} was never told" for each in unsaid]
    came: dict[tuple[str, str], str] = {}
    for arrival in arrivals:
        key = (arrival.endpoint, arrival.webhook_id)
        if key not in known:
            found.append(f"{arrival.webhook_id} came to {arrival.endpoint} and is no message")
        elif known[key].body != arrival.body or came.setdefault(key, arrival.body) != arrival.body:
            found.append(f"{arrival.webhook_id} came to {arrival.endpoint} with another body")
    for each in told:
        if each.endpoint == DEAD:
            continue
        if each.status != "delivered":
            found.append(f"{each.webhook_id} to {each.endpoint} is {each.status}")
        elif (each.endpoint, each.webhook_id) not in came:
            found.append(f"{each.webhook_id} to {each.endpoint} is delivered and never came")
    return sorted(found + out_of_order(told, list(came)))


def out_of_order(told: Iterable[Told], came: Sequence[tuple[str, str]]) -> list[str]:
    """Where the first arrivals of an endpoint and a subject came in another order than the messages were born in."""
    place = {key: number for number, key in enumerate(came)}
    last: dict[tuple[str, tuple[str, int]], int] = defaultdict(lambda: -1)
    found = []
    for each in told:
        at = place.get((each.endpoint, each.webhook_id))
        if at is None:
            continue
        if at < last[each.endpoint, each.subject]:
            found.append(f"{each.webhook_id} came to {each.endpoint} before one of {each.subject} that is older")
        last[each.endpoint, each.subject] = max(last[each.endpoint, each.subject], at)
    return found


class Flaky:
    """Why a receiver does not take a message when it comes first: an error, a cut connection, or it takes its time."""

    def __init__(self) -> None:
        self.random = random.Random(4)
        self.seen: set[str] = set()
        self.is_well = False

    def slams(self) -> bool:
        return not self.is_well and self.random.random() < 0.02

    def answer(self, request: Request) -> Any:
        name = request.headers["webhook-id"]
        if name in self.seen or self.is_well or self.random.random() < 0.9:
            return answering(200)
        self.seen.add(name)
        how = self.random.randrange(4)
        return self.slowly() if how == 0 else [answering(500, b"no"), answering(429, Retry_After="1"), None][how - 1]

    async def slowly(self) -> bytes:
        await asyncio.sleep(self.random.random())
        return answering(202)


class Telling:
    """The receivers, as a context: while the block runs, the newest team's endpoints lead to them."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.flaky = Flaky()
        self.well = Receiver()
        self.unsteady = Receiver(self.flaky.answer, slams=self.flaky.slams)

    def __enter__(self) -> "Telling":
        self.well.__enter__()
        self.unsteady.__enter__()
        urls = {
            WELL: self.well.url(f"/{WELL}"),
            FLAKY: self.unsteady.url(f"/{FLAKY}"),
            DEAD: f"http://{HOST}:{free_port()}/{DEAD}",
            QUIET: self.well.url(f"/{QUIET}"),
        }
        with self.running.connect() as connection:
            [[self.since]] = connection.execute("SELECT coalesce(max(id), 0) FROM timeline_timelineevent")
        said = self.running.manage("shell", "--no-imports", "-c", OPEN.format(urls=urls))
        self.names = {int(number): name for name, number in (pair.split("=") for pair in said.split())}
        return self

    def __exit__(self, *_: object) -> None:
        with self.running.connect() as connection:
            connection.execute("UPDATE timeline_endpoint SET disabled_at = now() WHERE disabled_at IS NULL")
        self.unsteady.__exit__()
        self.well.__exit__()

    def look(self) -> list[str]:
        """All complaints, after as much time as is needed; the flaky receiver is well from now on."""
        self.flaky.is_well = True
        while (left := self.undelivered()) and self.goes_on(left):
            pass
        arrivals = [arrival(request) for receiver in (self.well, self.unsteady) for request in list(receiver.requests)]
        return complaints(self.told(), arrivals, self.unsaid())

    def goes_on(self, left: int) -> bool:
        """Whether anything more arrives."""
        return eventually(lambda: self.undelivered() < left, STUCK_AFTER)

    def undelivered(self) -> int:
        """
        How many messages have not arrived that can. What waits for its next try waits no longer, as if the time had
        passed.
        """
        time.sleep(0.3)  # who asks all the time keeps the others from working
        with self.running.connect() as connection:
            connection.execute(
                "UPDATE timeline_message SET due_at = now() "
                "WHERE status = 'due' AND due_at > now() AND endpoint_id <> %s",
                [self.number(DEAD)],
            )
            [[left]] = connection.execute(
                "SELECT count(*) FROM timeline_message WHERE status <> 'delivered' AND endpoint_id <> %s",
                [self.number(DEAD)],
            )
        return int(left)

    def number(self, name: str) -> int:
        """The id of an endpoint."""
        return next(number for number, called in self.names.items() if called == name)

    def told(self) -> list[Told]:
        """All messages in order of birth."""
        query = (
            "SELECT endpoint_id, webhook_id, subject_kind, subject_id, status, body FROM timeline_message ORDER BY id"
        )
        with self.running.connect() as connection:
            rows = connection.execute(query.encode()).fetchall()
        return [
            Told(self.names[endpoint], webhook_id, (kind, subject), status, body)
            for endpoint, webhook_id, kind, subject, status, body in rows
        ]

    def unsaid(self) -> list[str]:
        """Facts since the endpoints are there which not both were told that take everything."""
        with self.running.connect() as connection:
            rows = connection.execute(
                "SELECT f.id, f.event, count(m.id) FROM timeline_timelineevent AS f "
                "LEFT JOIN timeline_message AS m ON m.fact_id = f.id AND m.endpoint_id = ANY(%s) WHERE f.id > %s "
                "AND f.team_id = (SELECT max(team_id) FROM timeline_endpoint) GROUP BY 1, 2 HAVING count(m.id) <> 2",
                [[self.number(WELL), self.number(FLAKY)], self.since],
            ).fetchall()
        return [f"fact {number} ({event}), of which {count} messages and not 2," for number, event, count in rows]


def arrival(request: Request) -> Arrival:
    """A request as the arrival of a message."""
    return Arrival(request.path.removeprefix("/"), request.headers["webhook-id"], request.body.decode())


# Said to the application itself, which knows how a secret is sealed.
OPEN = """
from config import clock
from teams.models import Team
from timeline.outbound.lifecycle import create_endpoint
for name, url in {urls}.items():
    wishes = {{
        "quiet": dict(event_types=["incident.grouped"]),
        "dead": dict(relay=True, event_types=["monitor.down", "monitor.paused", "monitor.unpaused"]),
    }}.get(name, dict(further=True, relay=True))
    made, _ = create_endpoint(Team.objects.latest("id"), at=clock.now(), url=url, description=name, **wishes)
    print(f"{{name}}={{made.pk}}")
"""
