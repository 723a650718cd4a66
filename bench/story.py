"""
The data that reading is measured on: many incidents with ten facts each, in some teams of very different size.

`./watchkeeper bench story [10k|100k|1m]` makes so many incidents, once; later runs find them. What bench.prototypes let
Watchkeeper record is copied by the database, set by set, with other times, titles, owners and identities. Most are
closed, few are live, a few have thousands of facts; what hardly ever occurs (a severity, an assignee, a kind of
resource) occurs three times.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bench import ground
from config.console import CannotStart, say
from config.embedded import Cluster

SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000}
RECORD = "from bench import prototypes; prototypes.record()"

# Ids of copies begin behind those of the prototypes.
FIRST = 1_000_000

# Tables that are filled without their indexes, which are made afterwards.
LARGE = ("timeline_timelineevent", "incidents_incident", "integrations_inbounddelivery")


@dataclass(frozen=True)
class Story:
    """A database with so many incidents: `told` is what bench.prototypes says of its teams, keys and people."""

    incidents: int
    events: int
    url: str
    told: dict[str, Any]

    def connect(self) -> "psycopg.Connection[dict[str, Any]]":
        """A connection to it, whose rows are dicts."""
        return psycopg.connect(self.url, row_factory=dict_row, autocommit=True)

    def key(self, team: str = "Large") -> str:
        """A team's API key."""
        return str(self.told["teams"][team]["key"])


def main(arguments: list[str]) -> None:
    """Make the data of the sizes that are named."""
    with ground.cluster() as cluster:
        for size in arguments or list(SIZES):
            story = made(cluster, size)
            say(f"{size}: {story.incidents:,} incidents with {story.events:,} events")


def made(cluster: Cluster, size: str) -> Story:
    """The story of a size; made first if it isn't there."""
    if size not in SIZES:
        raise CannotStart(f"there is no size {size!r}; there are {', '.join(SIZES)}")
    database = f"story_{size}"
    if not (ground.has(cluster, database) and is_whole(ground.url_of(cluster, database))):
        make(cluster, database, SIZES[size])
    url = ground.url_of(cluster, database)
    ground.manage(url, "migrate", "--no-input", "--verbosity=0")
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT incidents, events, told FROM bench_story").fetchone()
    assert row
    return Story(row[0], row[1], url, row[2])


def is_whole(url: str) -> bool:
    """Whether a database was made to its end."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT to_regclass('bench_story') IS NOT NULL").fetchone()
    return row == (True,)


def make(cluster: Cluster, database: str, incidents: int) -> None:
    """Make a story. It takes about 10 minutes for a million incidents."""
    begun = time.monotonic()
    with step(f"{database}: tables and prototypes"):
        url = ground.fresh(cluster, database)
        told = json.loads(ground.manage(url, "shell", "--no-imports", "--verbosity=0", "-c", RECORD))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # what we copy is sound: no foreign key is asked
        connection.execute("SET synchronous_commit = off; SET work_mem = '512MB'; SET maintenance_work_mem = '1GB'")
        connection.execute("SET max_parallel_maintenance_workers = 2; SET jit = off")
        connection.execute(
            "SET enable_nestloop = off; SET enable_mergejoin = off"
        )  # hash joins keep what order there is
        Copying(connection, incidents, told).run()
        events = connection.execute("SELECT count(*) FROM timeline_timelineevent").fetchone()
        assert events
        connection.execute("CREATE TABLE bench_story (incidents bigint, events bigint, told jsonb)")
        connection.execute("INSERT INTO bench_story VALUES (%s, %s, %s)", [incidents, events[0], json.dumps(told)])
        connection.execute("CHECKPOINT")
    say(f"{database}: made in {time.monotonic() - begun:,.0f} s")


@contextmanager
def step(words: str) -> Iterator[None]:
    """Say what is done, and how long it took."""
    begun = time.monotonic()
    yield
    say(f"{words}: {time.monotonic() - begun:,.0f} s")


# Statements


FUNCTIONS = """
CREATE FUNCTION dice(n bigint, seed int, sides bigint) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (((hashint8extended(n, seed) >> 1) & 9223372036854775807) % sides)::int;
CREATE FUNCTION word(k int) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN substr(translate(md5(k::text), '0123456789', 'ghijklmnop'), 1, 8);
"""

# Of twenty resources twelve are the large team's and five the middle one's; the last monitor is the tiny team's. The
# prototype is the source's id of the monitor or heartbeat that is copied: one that is up, is down, or is paused.
RESOURCES = """
CREATE UNLOGGED TABLE bench_resource AS
SELECT kind, k, %(first)s + k AS id, (t.row ->> 0)::bigint AS team_id, (t.row ->> 1)::bigint AS integration_id,
    initcap(word(k)) || ' ' || kind AS name,
    CASE WHEN kind = 'heartbeat' THEN 1 WHEN k %% 97 = 5 THEN 2 WHEN k %% 50 = 7 THEN 3 ELSE 1 END AS prototype
FROM (VALUES ('monitor'), ('heartbeat')) kinds (kind), generate_series(1, %(resources)s) k,
    LATERAL (SELECT %(teams)s::jsonb -> CASE WHEN k = %(resources)s THEN 'Tiny' WHEN k %% 20 < 12 THEN 'Large'
        WHEN k %% 20 < 17 THEN 'Middle' ELSE 'Small ' || 1 + k / 20 %% 10 END AS row) t
"""

# Which prototype an incident copies, and about which resource it is; the team is the resource's.
COPIES = """
CREATE UNLOGGED TABLE bench_copy AS
WITH chosen AS (
    SELECT n, CASE
        WHEN n > %(incidents)s - %(incidents)s / 1000 AND dice(n, 3, 3) = 0
            THEN CASE dice(n, 4, 2) WHEN 0 THEN 'open' ELSE 'acknowledged' END
        WHEN n %% (%(incidents)s / 3) = %(incidents)s / 6 THEN 'rare'
        WHEN n %% 20000 = 10007 AND n < %(incidents)s * 0.9 THEN 'endless'
        ELSE CASE WHEN d < 1 THEN 'workflow' WHEN d < 2 THEN 'deleted' WHEN d < 30 THEN 'declared' WHEN d < 300
            THEN 'blip' WHEN d < 500 THEN 'usual' WHEN d < 830 THEN 'worked'
            WHEN d < 950 THEN 'flapping' ELSE 'long' END
        END AS what,
        CASE WHEN dice(n, 1, 10) = 0 THEN 'heartbeat' ELSE 'monitor' END AS kind,
        CASE WHEN n %% (%(incidents)s / 20) = 3 THEN %(resources)s
            WHEN n %% (%(incidents)s / 3) = %(incidents)s / 6 THEN 1
            ELSE 1 + floor((%(resources)s - 1) * power(dice(n, 2, 1000000) / 1e6, 2)) END AS k
    FROM generate_series(1, %(incidents)s::bigint) n, LATERAL (SELECT dice(n, 5, 1000) AS d) thrown
)
SELECT n, %(first)s + n AS id, (%(prototypes)s::jsonb ->> what)::bigint AS prototype, r.team_id,
    CASE WHEN what <> 'declared' THEN r.integration_id END AS integration_id,
    CASE what WHEN 'rare' THEN 'pipeline' WHEN 'workflow' THEN what ELSE r.kind END AS resource_type,
    CASE WHEN what IN ('rare', 'workflow') THEN n %% 5 ELSE r.id END AS resource_id, r.name AS resource_name,
    what NOT IN ('rare', 'workflow') AS is_ours, what = 'rare' AS is_rare,
    date_trunc('minute', now()) - timestamptz '2025-01-01 00:00Z' + CASE
        WHEN what IN ('open', 'acknowledged') THEN -interval '1 second' * (600 + dice(n, 12, 80000))
        ELSE interval '-3 days' - interval '3 years' * (1 - n / %(incidents)s::float) END AS moved,
    concat_ws(' ', initcap(word(floor(2000 * power(dice(n, 13, 1000000) / 1e6, 3))::int)),
        CASE WHEN dice(n, 6, 10) < 6 THEN 'is down' WHEN dice(n, 6, 10) < 7 THEN 'is slow' ELSE 'fails' END,
        CASE WHEN n < %(incidents)s / 4 AND dice(n, 7, 10) < 4 THEN 'legacy' END,
        CASE WHEN r.team_id = (%(teams)s::jsonb #>> '{Large,0}')::bigint AND dice(n, 8, 10) = 0 THEN 'foreign' END,
        CASE WHEN what = 'rare' THEN 'unicorn' END) AS title,
    concat((ARRAY['Connection refused', 'HTTP 503 from upstream', 'Timeout after 30000 ms'])[1 + dice(n, 14, 3)],
        ' at ', word(dice(n, 15, 2000)), '.example.com', CASE WHEN dice(n, 16, 5) = 0
        THEN ', request ' || md5(n::text) END
    ) AS cause
FROM chosen JOIN bench_resource r USING (kind, k)
"""

# Facts of many incidents stand mixed in the table, in the order in which they were recorded.
FACTS = """
CREATE UNLOGGED TABLE bench_fact AS
SELECT %(first)s + row_number() OVER () AS id, n, fact FROM (
    SELECT c.n, f.id AS fact FROM bench_copy c
    JOIN timeline_timelineevent f ON f.subject_kind = 'incident' AND f.subject_id = c.prototype
    ORDER BY f.recorded_at + c.moved
) ordered
"""

PAYLOAD = """
{fact}.payload || jsonb_build_object('dt',
    to_char(({fact}.occurred_at + c.moved) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'incident_id', c.n,
    'incident_name', c.title, 'resource_type', c.resource_type, 'resource_id', c.resource_id, 'resource_name',
    c.resource_name)
"""

# The indexes of a table but its primary key: name, whether it belongs to a constraint, how it is made.
INDEXES = """
SELECT i.relname, c.oid IS NOT NULL, coalesce(pg_get_constraintdef(c.oid), pg_get_indexdef(x.indexrelid))
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
LEFT JOIN pg_constraint c ON c.conindid = x.indexrelid AND c.contype = 'u'
WHERE x.indrelid = %(table)s::regclass AND NOT x.indisprimary
"""

COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'
ORDER BY ordinal_position
"""

NEXT_ID = "SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"

FILLED = (*LARGE, "timeline_checkpoint", "monitors_monitor", "monitors_heartbeat")


class Copying:
    """Multiplies the prototypes of a database."""

    def __init__(self, connection: "psycopg.Connection[Any]", incidents: int, told: dict[str, Any]) -> None:
        self.connection = connection
        self.incidents = incidents
        self.told = told
        self.later: list[str] = []

    def run(self) -> None:
        """All of it, in order."""
        for words, action in (
            ("dropping indexes", self.drop_indexes),
            ("what is copied where", self.plan),
            ("monitors and heartbeats", self.copy_resources),
            ("incidents", self.copy_incidents),
            ("which fact when", self.order_facts),
            ("facts", self.copy_facts),
            ("deliveries", self.copy_deliveries),
            ("checkpoints", self.copy_checkpoints),
            ("indexes", self.make_indexes),
            ("vacuum", self.tidy_up),
        ):
            with step(f"  {words}"):
                action()

    # Indexes

    def drop_indexes(self) -> None:
        """Drop all indexes of the large tables but their primary keys, and remember how they are made."""
        for table in LARGE:
            found = self.connection.execute(INDEXES, {"table": table}).fetchall()
            for name, constraint, definition in found:
                kind = f'ALTER TABLE "{table}" DROP CONSTRAINT' if constraint else "DROP INDEX"
                self.connection.execute(f'{kind} "{name}"'.encode())
                again = f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" {definition}' if constraint else definition
                self.later.append(again)

    def make_indexes(self) -> None:
        """Make them again."""
        for statement in self.later:
            self.connection.execute(statement.encode())

    def tidy_up(self) -> None:
        """What autovacuum would do in its own time; and the next ids."""
        self.connection.execute("DROP TABLE bench_copy, bench_fact, bench_resource")
        for table in FILLED:
            self.connection.execute(NEXT_ID.format(table=table).encode())
        self.connection.execute("VACUUM (FREEZE, ANALYZE)")

    # Rows

    def plan(self) -> None:
        """The tables of resources and of copies, a row for each to be made."""
        resources = max(100, self.incidents // 200)
        teams = {name: [row["id"], row["integration"]] for name, row in self.told["teams"].items()}
        values = {
            "first": FIRST,
            "resources": resources,
            "incidents": self.incidents,
            "teams": json.dumps(teams),
            "prototypes": json.dumps(self.told["prototypes"]),
        }
        self.connection.execute(FUNCTIONS)
        self.connection.execute(RESOURCES, values)
        self.connection.execute(COPIES, values)
        self.connection.execute("ANALYZE bench_copy, bench_resource")

    def copy_resources(self) -> None:
        """Monitors and heartbeats; most are up."""
        for kind in ("monitor", "heartbeat"):
            self.copy(
                f"monitors_{kind}",
                f"bench_resource r JOIN monitors_{kind} p ON p.source_id = r.prototype WHERE r.kind = '{kind}'",
                {
                    "id": "r.id",
                    "team_id": "r.team_id",
                    "integration_id": "r.integration_id",
                    "source_id": "r.id",
                    "source_key": "sha256(int8send(r.id) || 'r')",
                    "name": "r.name",
                },
            )

    def copy_incidents(self) -> None:
        """The incidents, each folded as its prototype is."""
        seldom = self.told["seldom"]["id"]
        people = self.told["people"][:-1]
        self.copy(
            "incidents_incident",
            "bench_copy c JOIN incidents_incident p ON p.id = c.prototype",
            {
                "id": "c.id",
                "uuid": "gen_random_uuid()",
                "team_id": "c.team_id",
                "integration_id": "c.integration_id",
                "source_id": "CASE WHEN c.integration_id IS NOT NULL THEN c.n END",
                "source_key": "CASE WHEN c.integration_id IS NOT NULL THEN sha256(int8send(c.n)) END",
                "title": "c.title",
                "error_message": "c.cause",
                "resource_id": "c.resource_id",
                "resource_name": "c.resource_name",
                "resource_type": "c.resource_type",
                "assignee_id": (
                    f"CASE WHEN c.is_rare THEN {seldom} WHEN p.assignee_id IS NOT NULL "
                    f"THEN (ARRAY{people})[1 + dice(c.n, 9, {len(people)})] END"
                ),
                "last_identity": "sha256(p.last_identity || int8send(c.n))",
            },
            moved="c.moved",
        )

    def order_facts(self) -> None:
        """Which fact of which copy is recorded when: facts of many incidents stand mixed in the table, by arrival."""
        self.connection.execute(FACTS, {"first": FIRST})
        self.connection.execute("ANALYZE bench_fact")

    def copy_facts(self) -> None:
        """The facts."""
        self.copy(
            "timeline_timelineevent",
            "bench_fact k JOIN bench_copy c ON c.n = k.n JOIN timeline_timelineevent p ON p.id = k.fact",
            {
                "id": "k.id",
                "team_id": "c.team_id",
                "integration_id": "CASE WHEN p.integration_id IS NOT NULL THEN c.integration_id END",
                "subject_id": "c.id",
                "named_kind": "CASE WHEN c.is_ours THEN c.resource_type END",
                "named_id": "CASE WHEN c.is_ours THEN c.resource_id END",
                "resource_kind": "CASE WHEN c.is_ours THEN c.resource_type END",
                "resource_id": "CASE WHEN c.is_ours THEN c.resource_id END",
                "identity": "sha256(p.identity || int8send(c.n))",
                "payload": PAYLOAD.format(fact="p"),
            },
            moved="c.moved",
        )

    def copy_deliveries(self) -> None:
        """The deliveries of a tenth of the incidents, and what was put aside."""
        source = (
            "bench_fact k JOIN bench_copy c ON c.n = k.n JOIN timeline_timelineevent f ON f.id = k.fact "
            "JOIN integrations_inbounddelivery p ON p.fact_id = k.fact WHERE dice(c.n, 10, 10) = 0"
        )
        status = "CASE dice(k.id, 11, 2000) WHEN 0 THEN 'quarantined' WHEN 1 THEN 'unrecognized' ELSE p.status END"
        event = "CASE WHEN dice(k.id, 11, 2000) = 1 THEN 'monitor.checked' ELSE p.event END"  # not one we come to know
        error = 'CASE WHEN dice(k.id, 11, 2000) = 0 THEN \'{"code": "VALIDATION_ERROR", "message": "No."}\' END'
        self.copy(
            "integrations_inbounddelivery",
            source,
            {
                "id": f"{FIRST} + row_number() OVER ()",
                "team_id": "c.team_id",
                "integration_id": "c.integration_id",
                "body": f"convert_to(({PAYLOAD.format(fact='f')})::text, 'UTF8')",
                "identity": "sha256(f.identity || int8send(c.n))",
                "status": status,
                "event": event,
                "error": f"{error}::jsonb",
                "fact_id": "k.id",
                "incident_id": "c.id",
            },
            moved="c.moved",
        )

    def copy_checkpoints(self) -> None:
        """The checkpoints of incidents that have some."""
        self.copy(
            "timeline_checkpoint",
            "bench_copy c JOIN timeline_checkpoint p ON p.subject_kind = 'incident' AND p.subject_id = c.prototype",
            {
                "id": f"{FIRST} + row_number() OVER ()",
                "subject_id": "c.id",
                "identity": "sha256(p.identity || int8send(c.n))",
            },
            moved="c.moved",
        )

    def copy(self, table: str, source: str, changed: dict[str, str], moved: str = "interval '0'") -> None:
        """
        Insert into a table what `source` selects from the table itself, called p: all columns as they are but those
        `changed`, and every moment moved.
        """
        columns = self.connection.execute(COLUMNS, [table]).fetchall()
        names, values = [], []
        for name, kind in columns:
            names.append(f'"{name}"')
            as_is = f'p."{name}" + {moved}' if kind == "timestamp with time zone" else f'p."{name}"'
            values.append(changed.get(name, as_is))
        text = f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {source}"  # noqa: S608 - names of our own
        self.connection.execute(text.encode())
