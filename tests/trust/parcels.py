"""
What the trust tests send: events that each carry a tag of their own, so that afterwards one can say of every single one
what became of it.

Nothing is sent here: that is tests/trust/senders.py. A tag's first letter says what has to become of it; FATES tells.
"""

import itertools
import json
import random
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from timeline.events import VENDOR_EVENTS

# What has to become of an acknowledged tag: is it kept in the inbox, and how many facts are made of it.
KEPT, NOT_KEPT = True, False
FATES: dict[str, tuple[bool, set[int]]] = {
    "e": (KEPT, {1}),  # an event
    "w": (KEPT, {1}),  # an event that came ill written first
    "c": (KEPT, {0, 1}),  # a conflict; somebody may replay it
    "u": (KEPT, {0}),  # of a kind that we don't know
    "q": (KEPT, {0}),  # with a wrong field
    "r": (KEPT, {0}),  # no JSON
    "n": (NOT_KEPT, {0}),  # only counted
    "k": (NOT_KEPT, {1}),  # a comment of ours
}
TAG = re.compile(r"tag=([a-z][0-9]+-[0-9]+);")

COUNTED_NAME = "monitor.pinged"
UNKNOWN_NAME = "monitor.checked"
DESTROYED = [name for name in VENDOR_EVENTS if name.endswith("destroyed")]
NAMES = [name for name in VENDOR_EVENTS if name not in DESTROYED]
INCIDENTS, MONITORS, HEARTBEATS = range(1, 13), range(1, 7), range(1, 4)


@dataclass
class Parcel:
    """
    One request: its body, the tags in it, and which answers are right. `first` is a request that has to be answered
    before this one is sent.
    """

    body: bytes
    tags: list[str]
    right: set[str]
    headers: dict[str, str] = field(default_factory=dict)
    first: "Parcel | None" = None


class Packer:
    """Makes parcels, of all kinds in turn, no two with the same tag. `number` is the packer's own."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.random = random.Random(number)
        self.serial = itertools.count(1)
        self.old: list[Parcel] = []

    def tag(self, letter: str) -> str:
        return f"{letter}{self.number}-{next(self.serial)}"

    def parcel(self) -> Parcel:
        """The next one: mostly a single event, and now and then anything else."""
        kinds = [self.single] * 10 + [self.array, self.array, self.again, self.named]
        rare = [self.conflict, self.ill_then_well, self.wrong, self.unknown, self.counted, self.rubbish]
        made: Parcel = self.random.choice(kinds if self.random.random() < 0.85 else rare)()
        if made.right == {"accepted", "duplicate"}:
            self.old = [*self.old[-20:], made]
        return made

    def event(self, tag: str, name: str | None = None) -> dict[str, Any]:
        """An event about one of a few subjects, now or, often enough, long ago."""
        chance = self.random
        name = name or chance.choice(NAMES if chance.random() < 0.99 else DESTROYED)
        now = datetime.now(UTC)
        # Late by so many seconds at most: mostly not at all, often a little, now and then by an hour.
        ago = timedelta(seconds=chance.uniform(0, chance.choices([0, 30, 3600], [85, 14, 1])[0]))
        event: dict[str, Any] = {
            "dt": (now - ago).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "event": name,
            "message": f"{name} tag={tag};",
            "organization_id": "org_trust",
            "team_id": "team_trust",
        }
        subject = name.partition(".")[0]
        if subject == "incident":
            number = chance.choice(INCIDENTS) if chance.random() < 0.95 else chance.randrange(100, 10**6)
            event |= {"incident_id": number, "incident_name": f"Incident {number}", "resource_type": "monitor"}
            event |= {"resource_id": 1 + number % len(MONITORS), "resource_name": f"Monitor {1 + number % 6}"}
        elif subject == "monitor":
            number = chance.choice(MONITORS)
            event |= {"monitor_id": number, "monitor_name": f"Monitor {number}", "monitor_url": "https://example.com"}
        else:
            event |= {"heartbeat_id": chance.choice(HEARTBEATS), "heartbeat_name": "Backup"}
        return event

    def single(self, letter: str = "e", name: str | None = None, right: str = "accepted") -> Parcel:
        tag = self.tag(letter)
        return Parcel(json.dumps(self.event(tag, name)).encode(), [tag], {right, "duplicate"})

    def array(self) -> Parcel:
        tags = [self.tag("e") for _ in range(self.random.choice([1, 2, 5, 20]))]
        events = [self.event(tag) for tag in tags]
        counted = self.event(self.tag("n")) | {"event": COUNTED_NAME, "monitor_id": 1}
        # The same event twice in one array is one event; one that is only counted leaves no other trace.
        body = json.dumps([*events, *events[:1], *([counted] if self.random.random() < 0.3 else [])])
        return Parcel(body.encode(), tags, {"accepted", "duplicate", "unrecognized"})

    def again(self) -> Parcel:
        """One that was sent before, as senders do that are not sure."""
        return self.random.choice(self.old) if self.old else self.single()

    def named(self) -> Parcel:
        """With a webhook-id, which is an identity too."""
        made = self.single()
        made.headers["webhook-id"] = f"msg_{made.tags[0]}"
        return made

    def conflict(self) -> Parcel:
        """Another event under a webhook-id that was used."""
        first = self.named()
        other = self.single("c", right="conflict")
        return Parcel(other.body, other.tags, {"conflict", "duplicate"}, first.headers, first)

    def ill_then_well(self) -> Parcel:
        """The same event twice: first with an id that is no integer, then in good order."""
        well = self.single("w", "monitor.down")
        ill = well.body.replace(b'"monitor_id": ', b'"monitor_id": 1.0e0, "was": ')
        well.body = well.body.replace(b'"monitor_id": ', b'"monitor_id": 1, "was": ')
        return Parcel(well.body, well.tags, well.right, first=Parcel(ill, [], {"VALIDATION_ERROR"}))

    def wrong(self) -> Parcel:
        made = self.single("q", "monitor.down", "VALIDATION_ERROR")
        made.body = made.body.replace(b'"monitor_id": ', b'"monitor_id": null, "was": ')
        return made

    def unknown(self) -> Parcel:
        tag = self.tag("u")
        event = self.event(tag) | {"event": UNKNOWN_NAME}
        return Parcel(json.dumps(event).encode(), [tag], {"unrecognized", "duplicate"})

    def counted(self) -> Parcel:
        tag = self.tag("n")
        return Parcel(json.dumps(self.event(tag) | {"event": COUNTED_NAME}).encode(), [tag], {"unrecognized"})

    def rubbish(self) -> Parcel:
        tag = self.tag("r")
        return Parcel(b'{"message": "tag=' + tag.encode() + b';", and then it breaks off', [tag], {"MALFORMED_JSON"})
