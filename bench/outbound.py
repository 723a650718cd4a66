"""
S10: signed messages to a receiver on this machine, from one worker, beside one-row commits of pgbench.

Messages of many incidents wait for some endpoints; the whole of Watchkeeper runs, and its worker takes them up, signs
and sends them over kept connections, and writes each attempt down. Counted is from the first attempt to the last
message's end.
"""

import time
from collections.abc import Callable

import psycopg

from bench import ground, measure
from bench.measure import Line, at_least, median
from bench.receiving import receiver
from tests.running import HOST, Running

PATIENCE = 300.0  # seconds for a round
ENDPOINTS = """
from config import clock
from teams.models import Team
from timeline.outbound.lifecycle import create_endpoint
for number in range({number}):
    create_endpoint(Team.objects.get(), at=clock.now(), url="{url}", description=str(number))
"""
# As long as what staff do to an incident is told.
BODY = """
jsonb_build_object('dt', now(), 'event', 'incident.acknowledged', 'message', repeat('It is being looked at. ', 6),
    'organization_id', 'org_0123456789abcdef', 'team_id', 'team_0123456789abcdef', 'incident_id', n,
    'incident_name', 'The shop can not be reached', 'resource_type', 'monitor', 'resource_id', n,
    'resource_name', 'Shop',
    'user_email', 'somebody@example.com', 'user_name', 'Somebody', 'integration_name', null, 'integration_type', null)
"""
BORN = f"""
INSERT INTO timeline_message
    (team_id, endpoint_id, webhook_id, event, subject_kind, subject_id, body, created_at, status, tries, why)
SELECT e.team_id, e.id, 'msg_' || md5(%(round)s || n::text || e.id), 'incident.acknowledged', 'incident',
    n %% %(incidents)s, {BODY}, now(), 'new', 0, ''
FROM generate_series(1, %(messages)s) AS n JOIN LATERAL (
    SELECT * FROM timeline_endpoint ORDER BY id OFFSET n %% %(endpoints)s LIMIT 1
) AS e ON true ORDER BY n
"""  # noqa: S608 - words of our own
SENT = """
SELECT count(*), extract(epoch FROM max(m.ended_at) - min(a.started_at)) FROM timeline_message AS m
JOIN timeline_attempt AS a ON a.message_id = m.id WHERE m.id > %s AND m.status = 'delivered'
"""


def main(arguments: list[str]) -> None:
    """Measure and print."""
    options = measure.asked("outbound", arguments, rounds=3, messages=20_000, endpoints=10, incidents=2_000)
    with ground.cluster() as cluster, receiver() as port:
        url = ground.fresh(cluster, "outbound")
        # What an earlier run sent was sent from another database.
        (ground.home_of(url) / "sending.json").unlink(missing_ok=True)
        watchkeeper = ground.watchkeeper(url)
        watchkeeper.environ["WATCHKEEPER_WEBHOOK_NETWORKS"] = "127.0.0.0/8"
        watchkeeper.create_team("Bench")
        made = ENDPOINTS.format(number=options.endpoints, url=f"http://{HOST}:{port}/")
        watchkeeper.manage("shell", "--no-imports", "-c", made)
        with watchkeeper as served:
            send = sending(served, options.messages, options.endpoints, options.incidents)
            send()  # connections are open, statements planned
            commits, rates = measure.alternate(options.rounds, lambda: ground.pgbench(cluster, 5), send)
    reference = median(commits)
    measure.show(
        f"Sending, {options.messages:,} messages of {options.incidents:,} incidents to {options.endpoints} endpoints; "
        f"pgbench: {reference:,.0f} one-row commits/s at 8 clients",
        [
            at_least("S10  signed messages from one worker, each attempt recorded", median(rates), 5_000, "/s"),
            Line("     of pgbench's commits", f"{100 * median(rates) / reference:.1f} %"),
        ],
    )


def sending(served: Running, messages: int, endpoints: int, incidents: int) -> Callable[[], float]:
    """A measure: so many messages are born at once, and sent; how many a second."""

    def measured() -> float:
        with served.connect() as connection:
            [[before]] = connection.execute("SELECT coalesce(max(id), 0) FROM timeline_message")
            parameters = {"round": before, "messages": messages, "endpoints": endpoints, "incidents": incidents}
            connection.execute(BORN.encode(), parameters)
            return messages / until_sent(connection, before, messages)

    return measured


def until_sent(connection: "psycopg.Connection[tuple[float, ...]]", before: int, messages: int) -> float:
    """How long it took to send all messages after one, in seconds."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        time.sleep(0.5)
        [[sent, seconds]] = connection.execute(SENT, [before])
        if sent == messages:
            return float(seconds)
    raise AssertionError(f"{sent} of {messages} were sent in {PATIENCE:.0f} s")
