"""
Many events at once: how tests tell an integration a long history without a request for each event.
"""

import json
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from config.times import parse_rfc3339
from integrations import applying, ingest
from integrations.models import Integration
from tests.conftest import NOON
from timeline.chronology import Fact

RECEIVED = NOON + timedelta(hours=1)


def tell_together(
    integration: Integration, events: Sequence[dict[str, Any]], at: datetime | None = None
) -> list[ingest.Answer]:
    """
    Let a vendor send events in one array, and the worker apply them in as few batches as it does, at 13:00 if no other
    time is said, or when the last of them occurs.
    """
    at = at or max(RECEIVED, *(parse_rfc3339(event["dt"]) for event in events))
    answers = ingest.receive_from(integration, json.dumps(list(events)).encode(), {}, at)
    apply_all(at)
    assert isinstance(answers, list)
    return answers


def tell_in_batches(integration: Integration, events: Sequence[dict[str, Any]], chance: random.Random) -> None:
    """Let a vendor send events in arrays of any size, each applied before the next."""
    left = list(events)
    while left:
        size = chance.choice((1, 7, 60, 200))
        tell_together(integration, left[:size])
        left = left[size:]


def apply_all(at: datetime = RECEIVED) -> None:
    """What the worker does until nothing is due."""
    while applying.apply_due(at):
        pass


def unfolded(facts: Sequence[Fact]) -> None:
    """What facts do is not asked for: for tests of how they are kept."""
