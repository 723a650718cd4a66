"""
How long a monitor or heartbeat was in which state: read from its chronology, from the nearest checkpoint on.

Not here: how long its incidents took (incidents.reports), and where a state comes from (monitors.fold).
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime

from django.db import transaction

from monitors.fold import DOWN, PAUSED, PENDING, UP, VERIFYING, VERSION, ResourceState, step
from monitors.keeper import BEGINNING
from monitors.models import Resource
from timeline import kept
from timeline.chronology import Standing

# Not yet seen up again is still down.
COUNTED_AS = {UP: UP, DOWN: DOWN, VERIFYING: DOWN, PAUSED: PAUSED, PENDING: PENDING}


def seconds_by_status(resource: Resource, since: datetime, until: datetime) -> dict[str, float]:
    """For how many seconds between two moments it was up, down, paused and pending, as far as it existed then."""
    spent = dict.fromkeys(COUNTED_AS.values(), 0.0)
    last: tuple[datetime, str] | None = None
    with transaction.atomic():  # in which rows come bit by bit, however many there are
        for moment, status in changes(resource, since, until):
            if last:
                spent[last[1]] += (moment - last[0]).total_seconds()
            last = (moment, status) if status else None
    return spent


def changes(resource: Resource, since: datetime, until: datetime) -> Iterator[tuple[datetime, str]]:
    """(when, which state) from one moment to another, both ends included; empty where it is deleted."""
    start = standing_at(resource, since)
    state, moment = start.state, since
    began = start.facts > 0
    with closing(kept.tails(resource.kind, {resource.pk: start})) as tails:
        for _, facts in tails:
            for fact in facts:
                if fact.occurred_at >= until:
                    break
                if began and fact.occurred_at > moment:
                    yield moment, shown(state)
                state, _ = step(state, fact)
                moment, began = max(fact.occurred_at, since), True
    if began:
        yield moment, shown(state)
        yield until, ""


def standing_at(resource: Resource, moment: datetime) -> Standing[ResourceState]:
    """
    Where its fold stood at the last checkpoint before a moment, or the very beginning; there, too, where an older
    version of the fold left the checkpoints.
    """
    if resource.fold_version != VERSION:
        return BEGINNING
    found = kept.checkpoints_before(resource.kind, {resource.pk: (moment, -1, b"")}, BEGINNING)
    return found.get(resource.pk, BEGINNING)


def shown(state: ResourceState) -> str:
    """The state as it is counted; empty once it is deleted."""
    return "" if state.destroyed_at else COUNTED_AS[state.status]
