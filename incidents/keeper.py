"""
Keeps incidents equal to the fold of their facts: the only writer of their fold columns, status among them.

What an incident's facts mean for the resource it is about is handed on to monitors.keeper in the same transaction.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

from django.db import transaction

from config import rows
from incidents.fold import IncidentState, step
from incidents.models import Incident
from monitors import keeper as resource_keeper
from timeline import kept
from timeline.chronology import Fact, Folded, Link, Outcome, Standing, take_in
from timeline.events import INCIDENT

COLUMNS = [field.name for field in fields(IncidentState)]

# What a resource's fold reads on an incident's fact.
Bearing = tuple[Link | None, int, str]


def lock(incident_ids: Iterable[int], resources: Iterable[Link] = ()) -> None:
    """Lock resources, then incidents, in the order everybody does: those given and those the incidents are about."""
    ids = sorted(set(incident_ids))
    links = resources_of(ids) | set(resources)
    while True:
        before = transaction.savepoint()
        resource_keeper.lock(links)
        locked = Incident.objects.filter(id__in=ids).order_by("id").select_for_update(no_key=True)
        list(locked.values_list("id", flat=True))
        missing = resources_of(ids) - links
        if not missing:
            transaction.savepoint_commit(before)
            return
        # What an incident is about became known while we waited for it. To lock that now would be out of order, and
        # three could wait in a circle: let go of all, and begin again.
        transaction.savepoint_rollback(before)
        links |= missing


def resources_of(incident_ids: list[int]) -> set[Link]:
    """The monitors and heartbeats that incidents are about."""
    about = Incident.objects.filter(
        id__in=incident_ids, resource_type__in=resource_keeper.MODELS, resource_id__isnull=False
    )
    links = about.values_list("resource_type", "resource_id")
    return {(kind, identity) for kind, identity in links if kind and identity is not None}


def take_in_facts(arrived: Sequence[Fact]) -> None:
    """
    Fold new facts into their incidents and resources, each once. All of their rows are locked, and the facts recorded
    in this transaction.
    """
    changed: dict[Link, list[Fact]] = defaultdict(list)
    by_incident: dict[int, list[Fact]] = defaultdict(list)
    for fact in arrived:
        if fact.subject[0] == INCIDENT:
            by_incident[fact.subject[1]].append(fact)
        else:
            changed[fact.subject].append(fact)
    for link, fact in take_in_incidents(by_incident):
        changed[link].append(fact)
    resource_keeper.take_in_facts(changed, {fact.identity for fact in arrived})


def take_in_incidents(by_incident: dict[int, list[Fact]]) -> list[tuple[Link, Fact]]:
    """Fold facts into their incidents; the answer has each (resource, fact) that a resource must read anew."""
    written, read, bearings = [], [], []
    for identity, standing in standings(by_incident).items():
        subject = (INCIDENT, identity)
        folded = take_in(kept.KeptChronicle(subject, standing, IncidentState()), by_incident[identity], step)
        kept.keep_checkpoints(subject, folded, standing.last)
        bearings += [pair for fact, outcome in folded.read for pair in reread(fact, outcome)]
        read += folded.read
        written.append(written_row(identity, folded))
    kept.keep_outcomes(read)
    rows.update(Incident, written)
    return bearings


def reread(fact: Fact, outcome: Outcome) -> list[tuple[Link, Fact]]:
    """
    The resources that must read a fact anew, for it means something else to them; the fact carries the new meaning.
    """
    was: Bearing = (fact.resource, fact.hold, fact.presses)
    now: Bearing = (outcome.resource, outcome.hold, outcome.presses)
    fact.resource, fact.hold, fact.presses = now
    if was == now:
        return []
    return [(link, fact) for link in {was[0], now[0]} if link is not None]


def standings(ids: Iterable[int]) -> dict[int, Standing[IncidentState]]:
    """Where the folds of incidents stand, by id."""
    names = ["id", "facts", "updated_at", "last_rank", "last_identity", *COLUMNS]
    found = Incident.objects.filter(id__in=list(ids)).order_by("id").values(*names)
    return {row["id"]: standing_of(row) for row in found}


def standing_of(row: dict[str, Any]) -> Standing[IncidentState]:
    """Where a fold stands, from its row; a row without facts is at the beginning, whatever its defaults say."""
    if row["facts"] == 0:
        return Standing(IncidentState())
    last = (row["updated_at"], row["last_rank"], bytes(row["last_identity"]))
    return Standing(kept.state_from(IncidentState, row), last, row["facts"])


def fold_again(identity: int) -> Folded[IncidentState]:
    """Fold the whole history of an incident, writing nothing."""
    subject = (INCIDENT, identity)
    return kept.fold_all(kept.KeptChronicle(subject, Standing(IncidentState()), IncidentState()), step)


def written_row(identity: int, folded: Folded[IncidentState]) -> rows.Row:
    """The row that says what the fold found and where it stands."""
    at, rank, last = folded.standing.last or (None, None, None)
    return {
        "id": identity,
        **asdict(folded.standing.state),
        "is_live": folded.standing.state.is_live,
        "facts": folded.standing.facts,
        "updated_at": at,
        "last_rank": rank,
        "last_identity": last,
    }
