"""
The data that reading is measured on: many incidents with ten facts each, in some teams of very different size.

`./watchkeeper bench story [10k 100k 1m …]` makes so many incidents, once; later runs find them. What bench.prototypes
let Watchkeeper record is copied by the database, set by set, with other times, titles, owners and identities. Most are
closed, few are live, a few have thousands of facts; what hardly ever occurs (a severity, an assignee, a kind of
resource) occurs three times.
"""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bench import ground
from bench.copies import COLUMNS, COPIES, FACTS, FUNCTIONS, INDEXES, NEXT_ID, PAYLOAD, RESOURCES
from config.console import CannotStart, say
from config.embedded import Cluster
from incidents.words import vector
from tests.running import Running

SIZES = ("10k", "100k", "1m")
THOUSANDS = {"k": 1_000, "m": 1_000_000}
SIZE = re.compile(r"[1-9][0-9]{0,3}[km]").fullmatch
LARGER = "--incidents="
RECORD = "from bench import prototypes; prototypes.record()"

# Ids of copies begin behind those of the prototypes.
FIRST = 1_000_000

# What of a fact is its copy's own.
COPIED_FACT = {
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
}

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
        for size in arguments or SIZES:
            story = made(cluster, size)
            say(f"{size}: {story.incidents:,} incidents with {story.events:,} events")


def made(cluster: Cluster, size: str) -> Story:
    """The story of a size; made first if it isn't there."""
    incidents, database = incidents_of(size), f"story_{size}"
    if not (ground.has(cluster, database) and is_whole(ground.url_of(cluster, database))):
        make(cluster, database, incidents)
    url = ground.kept(cluster, database)
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT incidents, events, told FROM bench_story").fetchone()
    assert row
    return Story(row[0], row[1], url, row[2])


def incidents_of(size: str) -> int:
    """How many incidents a size means; raises CannotStart for what is none."""
    if not SIZE(size) or int(size[:-1]) * THOUSANDS[size[-1]] < 10_000:
        raise CannotStart(f"there is no size {size!r}; there are {', '.join(SIZES)}, and others like 300k")
    return int(size[:-1]) * THOUSANDS[size[-1]]


@contextmanager
def two_served(arguments: list[str]) -> Iterator[list[tuple[Story, Running]]]:
    """
    A story and one of ten times its size, each with a Watchkeeper that runs on it: 100 k incidents and 1 M, fewer with
    `--small` or with `--incidents=300k`, which is the larger's size.
    """
    larger = next((each.removeprefix(LARGER) for each in arguments if each.startswith(LARGER)), "1m")
    larger = "100k" if "--small" in arguments else larger
    with ground.cluster() as cluster, ExitStack() as stack:
        stories = [made(cluster, size) for size in (tenth_of(larger), larger)]
        yield [(one, stack.enter_context(ground.watchkeeper(one.url))) for one in stories]


def tenth_of(size: str) -> str:
    """The size that is a tenth of another."""
    return f"{incidents_of(size) // 10_000}k"


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
    with connected(url) as connection:
        Copying(url, connection, incidents, told).run()
        events = connection.execute("SELECT count(*) FROM timeline_timelineevent").fetchone()
        assert events
        connection.execute("CREATE TABLE bench_story (incidents bigint, events bigint, told jsonb)")
        connection.execute("INSERT INTO bench_story VALUES (%s, %s, %s)", [incidents, events[0], json.dumps(told)])
        connection.execute("CHECKPOINT")
    say(f"{database}: made in {time.monotonic() - begun:,.0f} s")


def connected(url: str) -> "psycopg.Connection[Any]":
    """A connection for making much at once."""
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("SET session_replication_role = replica")  # what we copy is sound: no foreign key is asked
    connection.execute("SET synchronous_commit = off; SET work_mem = '512MB'; SET maintenance_work_mem = '1GB'")
    connection.execute("SET max_parallel_maintenance_workers = 2; SET jit = off")
    connection.execute("SET enable_nestloop = off; SET enable_mergejoin = off")  # hash joins keep what order there is
    return connection


@contextmanager
def step(words: str) -> Iterator[None]:
    """Say what is done, and how long it took."""
    begun = time.monotonic()
    yield
    say(f"{words}: {time.monotonic() - begun:,.0f} s")


FILLED = (*LARGE, "timeline_checkpoint", "monitors_monitor", "monitors_heartbeat")


class Copying:
    """Multiplies the prototypes of a database."""

    def __init__(self, url: str, connection: "psycopg.Connection[Any]", incidents: int, told: dict[str, Any]) -> None:
        self.url = url
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
            ("what incidents are found by", self.write_words),
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
        self.connection.execute("DROP TABLE bench_copy, bench_fact, bench_resource, bench_words")
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

    def write_words(self) -> None:
        """What each copy is found by, as the product's own words have it."""
        self.connection.execute("CREATE UNLOGGED TABLE bench_words (n bigint PRIMARY KEY, search tsvector)")
        with connected(self.url) as reading, reading.transaction(), reading.cursor("copies") as found:
            found.execute("SELECT n, title, cause, resource_name FROM bench_copy")
            with self.connection.cursor() as writing, writing.copy("COPY bench_words FROM STDIN") as lines:
                for n, *texts in found:
                    lines.write_row((n, vector(*(text or "" for text in texts))))
        self.connection.execute("ANALYZE bench_words")

    def copy_incidents(self) -> None:
        """The incidents, each folded as its prototype is."""
        seldom = self.told["seldom"]["id"]
        people = self.told["people"][:-1]
        self.copy(
            "incidents_incident",
            "bench_copy c JOIN bench_words w USING (n) JOIN incidents_incident p ON p.id = c.prototype",
            {
                "id": "c.id",
                "search": "w.search",
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
        """The facts: they are most of the work, and two processors share it."""
        with ThreadPoolExecutor(2) as threads:
            for done in [threads.submit(self.copy_half_of_facts, half) for half in (0, 1)]:
                done.result()

    def copy_half_of_facts(self, half: int) -> None:
        """Every other thousand of the facts, so that those of one time stand together all the same."""
        source = (
            "bench_fact k JOIN bench_copy c ON c.n = k.n JOIN timeline_timelineevent p ON p.id = k.fact "
            f"AND p.id < {FIRST} WHERE k.id / 1000 % 2 = {half}"
        )
        with connected(self.url) as connection:
            self.copy("timeline_timelineevent", source, COPIED_FACT, "c.moved", connection)

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

    def copy(
        self,
        table: str,
        source: str,
        changed: dict[str, str],
        moved: str = "interval '0'",
        connection: "psycopg.Connection[Any] | None" = None,
    ) -> None:
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
        (connection or self.connection).execute(text.encode())
