"""What the trust tests share: a Watchkeeper that runs as it does in earnest, with a team, and fault points to arm."""

import http.client
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.running import HOST, Running
from tests.trust.parcels import COUNTED_NAME, Parcel
from tests.trust.senders import Ledger, Senders, verdict

FULL = os.environ.get("WATCHKEEPER_TEST_FULL") == "1"


@dataclass
class House:
    """A running Watchkeeper, the folder of its fault points, the two ways to a team's door, and all it was sent."""

    running: Running
    faults: Path
    api_key: str
    webhook_path: str
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def ways(self) -> list[tuple[str, dict[str, str]]]:
        return [(self.webhook_path, {}), ("/api/webhooks/incident-log", {"X-API-Key": self.api_key})]

    def senders(self, pause: float) -> Senders:
        """Eight connections that send while the block runs."""
        return Senders(self.running.port, self.ways, pause, self.ledger)

    def send(self, parcel: Parcel, way: int = 0) -> str:
        """Send one event, once; what became of it, or the status and code of a refusal."""
        path, headers = self.ways[way]
        self.ledger.send(parcel.tags)
        connection = http.client.HTTPConnection(HOST, self.running.port, timeout=10)
        try:
            connection.request("POST", path, parcel.body, headers | parcel.headers)
            answer = connection.getresponse()
            said = json.loads(answer.read())
        finally:
            connection.close()
        return verdict(said) if said["success"] else f"{answer.status} {verdict(said)}"


def settled(running: Running, faults: Path) -> House:
    """A house with a team whose door only counts one kind of event."""
    team = running.create_team("Trust")
    with running.connect() as connection:
        connection.execute("UPDATE integrations_integration SET count_only = %s", [[COUNTED_NAME]])
    return House(running, faults, team["api_key"], team["webhook_path"])


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for all tests here that leave it well."""
    folder = tmp_path_factory.mktemp("trust")
    faults = folder / "faults"
    (faults / "taken").mkdir(parents=True)
    environ = {"WATCHKEEPER_FAULTS": str(faults), "WATCHKEEPER_WEBHOOK_NETWORKS": "127.0.0.0/8"}
    with Running(folder / "data", environ) as running:
        yield settled(running, faults)
