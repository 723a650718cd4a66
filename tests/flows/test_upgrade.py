"""
An installation of the release before this one goes on: its database, made by its own `up` with the demo, is brought up
to date beside the running system, and shows what it showed.

The release is taken from the repository's history, which a clone has; where there is none (an unpacked archive), there
is nothing to upgrade from.
"""

import io
import subprocess
import tarfile
import urllib.request

import pytest

from dashboard.demo.cast import TEAM_ID
from incidents import fold as incident_fold
from monitors import fold as resource_fold
from tests.running import ROOT, Running, eventually

# The last release. What it stored is what the next one meets.
LAST_RELEASE = "271a73bd6e991acc0c0ed5f7d62105903611a17f"

SHOWN = """
SELECT 'incident', id, status, severity, is_live, started_at, acknowledged_at, resolved_at, closed_at, destroyed_at
FROM incidents_incident
UNION ALL SELECT 'monitor', id, status, '', status_inferred, status_since, destroyed_at, NULL, NULL, NULL
FROM monitors_monitor
UNION ALL SELECT 'heartbeat', id, status, '', status_inferred, status_since, destroyed_at, NULL, NULL, NULL
FROM monitors_heartbeat
ORDER BY 1, 2
"""
BEHIND = """
SELECT (SELECT count(*) FROM timeline_timelineevent WHERE rank < 100)
    + (SELECT count(*) FROM timeline_checkpoint WHERE rank < 100)
    + (SELECT count(*) FROM incidents_incident WHERE facts > 0 AND (last_rank < 100 OR fold_version < %(incidents)s))
    + (SELECT count(*) FROM monitors_monitor WHERE facts > 0 AND (last_rank < 100 OR fold_version < %(resources)s))
    + (SELECT count(*) FROM monitors_heartbeat WHERE facts > 0 AND (last_rank < 100 OR fold_version < %(resources)s))
"""


@pytest.fixture
def release(tmp_path):
    """The folder of the last release's code."""
    archived = subprocess.run(["git", "archive", LAST_RELEASE], cwd=ROOT, capture_output=True, check=False)
    if archived.returncode and not (ROOT / ".git").exists():
        pytest.skip("without the repository's history there is no last release")
    assert not archived.returncode, archived.stderr
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as packed:
        packed.extractall(tmp_path / "release", filter="data")
    return tmp_path / "release"


def rows(running, sql, **parameters):
    with running.connect() as connection:
        return connection.execute(sql, parameters).fetchall()


def behind(running):
    """How much is still to be brought up to date."""
    versions = {"incidents": incident_fold.VERSION, "resources": resource_fold.VERSION}
    [(number,)] = rows(running, BEHIND, **versions)
    return number


def test_the_last_release_s_database_goes_on_and_is_brought_up_to_date(release, tmp_path):
    data = tmp_path / "data"
    with Running(data, root=release, demo=True) as old:
        there = "SELECT count(*) FROM teams_team WHERE public_id = %(demo)s"
        assert eventually(lambda: rows(old, there, demo=TEAM_ID) == [(1,)], 300), old.said()
        assert eventually(
            lambda: rows(old, "SELECT 1 FROM integrations_inbounddelivery WHERE status = 'received'") == [], 60
        )
        assert rows(old, "SELECT max(rank) < 100 FROM timeline_timelineevent") == [(True,)]
        shown = rows(old, SHOWN)
    assert len(shown) > 100
    with Running(data) as new:
        with urllib.request.urlopen(f"{new.base}/login", timeout=30) as answer:
            assert answer.status == 200
        assert eventually(lambda: behind(new) == 0, 300), new.said()
        assert new.manage("rebuild", "--check").splitlines() == ["0 differences; 0 deliveries not applied yet."]
        assert rows(new, SHOWN) == shown
