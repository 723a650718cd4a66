"""
Two Watchkeepers that run as they do in earnest, each with an endpoint that leads to the other's door: what happens at
one is shown by the other, signed on its way, and nothing goes round in circles.
"""

import json
import time
import urllib.request
from collections.abc import Iterator
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
Integration.objects.update(type="watchkeeper")
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
