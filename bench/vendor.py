"""
What a vendor tells while much goes wrong: the incident log of many monitors, without end, event by event.

Each monitor goes down, has an incident that is escalated, acknowledged, grouped and resolved, and goes down again; all
of them mixed, in the order of time but for some that come late. The same for every seed.
"""

import itertools
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

COMMON = {"organization_id": "org_123", "team_id": "team_456"}
WHO = {
    "user_email": "alice@example.com",
    "user_name": "Alice Johnson",
    "integration_name": None,
    "integration_type": None,
}
STARTED = {"incident_cause": "Status 503 Service Unavailable", "regions": ["eu", "us"], "escalation_policy_id": 7}
CALLED = {"escalation_targets": [{"type": "user", "id": 5, "name": "Bob"}, {"type": "slack", "id": 6, "name": "#ops"}]}
STORY: list[tuple[str, dict[str, Any]]] = [
    ("monitor.down", {"cause": "Status 503 Service Unavailable", "regions": ["eu", "us"]}),
    ("incident.started", STARTED),
    ("incident.escalated", CALLED),
    ("incident.acknowledged", WHO),
    ("incident.grouped", {"incident_group_id": 12}),
    ("monitor.verifying_recovery", {}),
    ("incident.resolved", WHO),
]


def events(seed: int = 1, *, monitors: int = 200, late: float = 0.01) -> Iterator[dict[str, Any]]:
    """New events without end. `late`: which part of them comes up to ten minutes after it occurred."""
    chance = random.Random(seed)  # noqa: S311 - the same each time is what is wanted
    begun = datetime.now(UTC) - timedelta(minutes=10)
    chapters = [0] * monitors
    for number in itertools.count():
        which = chance.randrange(monitors)
        at = begun + timedelta(milliseconds=number // 4)
        if chance.random() < late:
            at -= timedelta(seconds=chance.randrange(1, 600))
        round_, chapter = divmod(chapters[which], len(STORY))
        chapters[which] += 1
        name, further = STORY[chapter]
        yield event(name, at, which, seed * 1_000_000_000 + round_ * monitors + which, number) | further


def event(name: str, at: datetime, monitor: int, incident: int, number: int) -> dict[str, Any]:
    """One event with the fields that all of its kind have."""
    called = f"Shop {monitor}"
    about: dict[str, Any] = {
        "monitor_id": monitor,
        "monitor_url": f"https://shop{monitor}.example/health",
        "monitor_name": called,
        "monitor_type": "status",
    }
    if name.startswith("incident."):
        about = {
            "incident_id": incident,
            "incident_name": f"{called} is down",
            "resource_type": "monitor",
            "resource_id": monitor,
            "resource_name": called,
        }
    told = {"dt": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "event": name}
    return told | {"message": f"{called}: {name}, event {number}"} | COMMON | about


def bodies(seed: int = 1, *, together: int = 1) -> Iterator[bytes]:
    """Requests' bodies: single events, or arrays of so many."""
    told = events(seed)
    while True:
        some = list(itertools.islice(told, together))
        yield json.dumps(some[0] if together == 1 else some).encode()
