"""
The SQL with which bench.story multiplies prototypes: what is copied where, and how indexes are made again.

`dice(n, seed, sides)` is chance that comes out the same each time; `moved` is by how much a copy is later than its
prototype.
"""

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
