"""
Two Watchkeepers that run as they do in earnest, each with an endpoint that leads to the other's door: what happens at
one is shown by the other, signed on its way, and nothing goes round in circles.
"""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.running import Running, eventually
from tests.trust.conftest import FULL

pytestmark = pytest.mark.skipif(not FULL, reason="two whole instances: in the full run")

INSIDE = {"WATCHKEEPER_WEBHOOK_NETWORKS": "127.0.0.0/8"}
# Longer than anything under way takes.
QUIET = 3.0


@dataclass
class Party:
    """One of the two: its process and its team."""

    running: Running
    team: dict[str, Any]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The data of an API call that succeeds."""
        sent = None if body is None else json.dumps(body).encode()
        headers = {"X-API-Key": self.team["api_key"], "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.running.base}{path}", sent, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())["data"]

    def points_at(self, other: "Party") -> None:
        """Send everything to the other, whose integration asks for the signature."""
        url = f"{other.running.base}{other.team['webhook_path']}"
        made = self.ask("POST", "/api/endpoints", {"url": url, "further": True, "relay": True})
        other.running.manage("shell", "-c", SIGNED.format(secret=made["secret"]))

    def incidents(self) -> list[dict[str, Any]]:
        return list(self.ask("GET", "/api/incidents")["incidents"])

    def count(self, table: str) -> int:
        with self.running.connect() as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """Everything in a table."""
        with self.running.connect() as connection:
            return connection.execute(f"SELECT * FROM {table}").fetchall()

    def hurry(self) -> None:
        """Let what failed be tried again now."""
        with self.running.connect() as connection:
            connection.execute("UPDATE timeline_message SET due_at = now() WHERE status = 'due' AND due_at > now()")

    def waits(self) -> bool:
        """Whether a message or a delivery is on its way."""
        with self.running.connect() as connection:
            sent = "SELECT 1 FROM timeline_message WHERE status NOT IN ('delivered', 'dead')"
            heard = "SELECT 1 FROM integrations_inbounddelivery WHERE status = 'received'"
            return connection.execute(f"{sent} UNION ALL {heard} LIMIT 1").fetchone() is not None


SIGNED = """
from integrations.models import Integration
from integrations.lifecycle import set_signing_secret
found = Integration.objects.get()
Integration.objects.update(type="watchkeeper", may_act=True)
set_signing_secret(found, "{secret}")
"""


@pytest.fixture
def parties(tmp_path: Path) -> Iterator[tuple[Party, Party]]:
    with Running(tmp_path / "one", INSIDE) as one, Running(tmp_path / "two", INSIDE) as two:
        first, second = Party(one, one.create_team("One")), Party(two, two.create_team("Two"))
        first.points_at(second)
        second.points_at(first)
        yield first, second


def settle(parties: tuple[Party, Party]) -> list[int]:
    """
    How many messages and facts there are at both, once nothing is on its way any more. On a busy machine an attempt may
    fail; the next is not waited for as long as in earnest.
    """

    def is_still() -> bool:
        for party in parties:
            party.hurry()
        return not any(party.waits() for party in parties)

    assert eventually(is_still, 60), [
        (party.rows("timeline_message"), party.rows("timeline_attempt")) for party in parties
    ]
    return [party.count(table) for party in parties for table in ("timeline_message", "timeline_timelineevent")]


def test_what_happens_at_one_is_shown_by_the_other_and_goes_round_no_further(parties):
    first, second = parties
    body = {"severity": "critical", "type": "timeout", "error_message": "It is away", "title": "Shop is down"}
    made = first.ask("POST", "/api/incidents", body)
    first.ask("PUT", f"/api/incidents/{made['id']}/status", {"status": "acknowledged", "note": "On it."})
    first.ask("PUT", f"/api/incidents/{made['id']}", {"severity": "minor"})
    assert eventually(lambda: [each["severity"] for each in second.incidents()] == ["minor"], 30)
    counted = settle(parties)
    time.sleep(QUIET)
    assert settle(parties) == counted
    [there], [here] = second.incidents(), first.incidents()
    for name in ("title", "status", "severity", "type", "error_message", "started_at", "acknowledged_at", "updated_at"):
        assert there[name] == here[name], name
    updates = [
        party.ask("GET", f"/api/incidents/{each['id']}/updates") for party, each in ((first, here), (second, there))
    ]
    shown = [
        [(each["action"], each["message"], each["old_value"], each["new_value"], each["user_email"]) for each in told]
        for told in updates
    ]
    assert shown[0] == shown[1] != []


SHOWN = ("title", "status", "severity", "error_message", "started_at", "acknowledged_at", "resolved_at", "updated_at")


def test_what_staff_do_to_a_mirrored_incident_is_done_where_it_comes_from(parties):
    """Each of the two acts on the other's incident; there is one at each, and both show the same."""
    for one, two in (parties, parties[::-1]):
        title = f"Shop {one.team['team_id']} is down"
        body = {"severity": "major", "type": "timeout", "error_message": "It is away", "title": title}
        mine = one.ask("POST", "/api/incidents", body)
        there = until_one(two, title, lambda found: not found["provisional"])
        path = f"/api/incidents/{there['id']}"
        two.ask("PUT", f"{path}/status", {"status": "acknowledged", "note": "We look at it."})
        two.ask("PUT", path, {"severity": "critical", "error_message": "A cable"})
        one_here = until_one(one, title, lambda found: found["severity"] == "critical")
        one.ask("PUT", f"/api/incidents/{one_here['id']}/status", {"status": "resolved"})
        until_one(two, title, lambda found: found["status"] == "resolved")
        two.ask("POST", f"{path}/reopen", {})
        until_one(one, title, lambda found: found["status"] == "open")
        assert one_here["id"] == mine["id"]
    counted = settle(parties)
    time.sleep(QUIET)
    assert settle(parties) == counted
    first, second = ({each["title"]: each for each in party.incidents()} for party in parties)
    assert first.keys() == second.keys()
    assert len(first) == 2
    for title, each in first.items():
        assert {name: each[name] for name in SHOWN} == {name: second[title][name] for name in SHOWN}
    for party in parties:
        with party.running.connect() as connection:
            kept = connection.execute("SELECT error FROM integrations_inbounddelivery WHERE status = 'quarantined'")
            assert kept.fetchall() == []


def until_one(party: Party, title: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The party's one incident of that title, once something holds of it."""
    assert eventually(lambda: any(holds(each) for each in party.incidents() if each["title"] == title), 60)
    [found] = [each for each in party.incidents() if each["title"] == title]
    return found
