"""
Keeps incidents equal to the fold of their facts: the only writer of their fold columns, status among them.

What an incident's facts mean for the resource it is about is handed on to monitors.keeper in the same transaction.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from django.db import transaction

from config import faults, rows
from incidents import words
from incidents.fold import VERSION, IncidentState, step
from incidents.models import Incident
from monitors import keeper as resource_keeper
from timeline import corrected, kept
from timeline.chronology import DOUBTED, Fact, Folded, Link, Outcome, Standing, fold
from timeline.corrections import CORRECTED, correct_all
from timeline.events import INCIDENT
from timeline.ranks import rank_now
from timeline.renumbering import renumbered

READ = faults.point("incidents: outcomes kept, before the rows")
WRITTEN = faults.point("incidents: rows written, before their resources")

COLUMNS = [field.name for field in fields(IncidentState)]
STANDING_COLUMNS = ["id", "facts", "updated_at", "last_rank", "last_identity", "fold_version", *COLUMNS]
BEGINNING = Standing(IncidentState(), version=VERSION)
ABOUT = ("resource_type", "resource_id")
FOUND_BY = ("title", "error_message", "resource_name")

# What a resource's fold reads on an incident's fact.
Bearing = tuple[Link | None, int, str]


def lock(incident_ids: Iterable[int], resources: Iterable[Link] = (), corrected_ids: Iterable[int] = ()) -> None:
    """
    Lock resources, then incidents, in the order everybody does: those given and those the incidents are about. One that
    is about to be corrected may come to be about any resource that its facts ever named.
    """
    ids, corrected_ids = set(incident_ids), set(corrected_ids)
    links = about(rows.select(Incident, ABOUT, ids)) | set(resources) | corrected.resources_named(corrected_ids)
    while True:
        before = transaction.savepoint()
        resource_keeper.lock(links)
        found = about(rows.select(Incident, ABOUT, ids, lock=True))
        missing = (found | corrected.resources_named(corrected_ids)) - links
        if not missing:
            transaction.savepoint_commit(before)
            return
        # What an incident is about became known while we waited for it. To lock that now would be out of order, and
        # three could wait in a circle: let go of all, and begin again.
        transaction.savepoint_rollback(before)
        links |= missing


def about(found: Iterable[tuple[str | None, int | None]]) -> set[Link]:
    """The monitors and heartbeats among what incidents are about."""
    return {(kind, identity) for kind, identity in found if kind in resource_keeper.MODELS and identity is not None}


def take_in_facts(arrived: Sequence[Fact]) -> None:
    """
    Fold new facts into their incidents and resources, each once. All of their rows are locked; the facts are written
    afterwards, with what they did (timeline.record).
    """
    new = {fact.id for fact in arrived}
    changed: dict[Link, list[Fact]] = defaultdict(list)
    by_incident: dict[int, list[Fact]] = defaultdict(list)
    for fact in arrived:
        if fact.subject[0] == INCIDENT:
            by_incident[fact.subject[1]].append(fact)
        else:
            changed[fact.subject].append(fact)
    for link, fact in take_in_incidents(by_incident, new):
        changed[link].append(fact)
    resource_keeper.take_in_facts(changed, new)


def take_in_incidents(by_incident: dict[int, list[Fact]], new: Collection[int]) -> list[tuple[Link, Fact]]:
    """Fold facts into their incidents; the answer has each (resource, fact) that a resource must read anew."""
    if not by_incident:
        return []
    stood = standings(by_incident)
    changed, bearings = with_corrected(by_incident, corrected_by(by_incident, stood))
    return bearings + written(kept.take_in_all(INCIDENT, stood, changed, BEGINNING, step, new=new), new)


def fold_anew(incident_ids: Collection[int]) -> None:
    """
    Fold incidents again as this version does, all of their histories; they are locked, and whatever their facts name.
    """
    bearings = written(kept.fold_anew(INCIDENT, standings(incident_ids), BEGINNING, step))
    # Not taken in one by one: what a resource makes of them is found once, when it is folded again.
    resource_keeper.doubt({link for link, _ in bearings})


def doubt(ids: Collection[int]) -> None:
    """Let incidents, which are locked, be folded again whole: by the worker, or with their next fact."""
    Incident.objects.filter(pk__in=ids).update(fold_version=DOUBTED)


def written(folds: Mapping[int, Folded[IncidentState]], new: Collection[int] = ()) -> list[tuple[Link, Fact]]:
    """Write what folds of incidents found; the answer has each (resource, fact) that a resource must read anew."""
    read = [pair for folded in folds.values() for pair in folded.read]
    bearings = [pair for fact, outcome in read for pair in reread(fact, outcome)]
    kept.keep_outcomes(read, new)
    READ()
    rows.update(Incident, [written_row(identity, folded) for identity, folded in folds.items()])
    WRITTEN()
    return bearings


def corrected_by(
    by_incident: Mapping[int, Sequence[Fact]], stood: Mapping[int, Standing[IncidentState]]
) -> list[tuple[Fact, Fact]]:
    """
    Let the facts of incidents be as corrections say, those arriving included; the answer has each stored one that
    changes, as it was and as it is. Most incidents have no corrections, and nothing is asked for them.
    """
    concerned = {
        identity: facts
        for identity, facts in by_incident.items()
        if stood[identity].state.corrections or any(fact.event == CORRECTED for fact in facts)
    }
    return corrected.apply(concerned) if concerned else []


def with_corrected(
    by_incident: Mapping[int, Sequence[Fact]], amended: Sequence[tuple[Fact, Fact]]
) -> tuple[dict[int, list[Fact]], list[tuple[Link, Fact]]]:
    """
    All facts that incidents must read, corrected ones among them; and each (resource, fact) that a resource must read
    anew since the fact moved. What moved is to be read from where it was, and from where it is.
    """
    again = {now.id for _, now in amended}
    changed = {id_: [each for each in facts if each.id not in again] for id_, facts in by_incident.items()}
    bearings = []
    for was, now in amended:
        both = [now] if was.position == now.position else [was, now]
        changed[now.subject[1]] += both
        if was.resource:
            bearings += [(was.resource, each) for each in both]
    return changed, bearings


def reread(fact: Fact, outcome: Outcome) -> list[tuple[Link, Fact]]:
    """
    The resources that must read a fact anew, for it means something else to them; the fact carries the new meaning.
    """
    was: Bearing = (fact.resource, fact.hold, fact.presses)
    now: Bearing = (outcome.resource, outcome.hold, outcome.presses)
    fact.read_as(outcome)
    if was == now:
        return []
    return [(link, fact) for link in {was[0], now[0]} if link is not None]


def standings(ids: Collection[int]) -> dict[int, Standing[IncidentState]]:
    """Where the folds of incidents stand, by id."""
    found = (dict(zip(STANDING_COLUMNS, row, strict=True)) for row in rows.select(Incident, STANDING_COLUMNS, ids))
    return {row["id"]: standing_of(row) for row in found}


def standing_of(row: dict[str, Any]) -> Standing[IncidentState]:
    """Where a fold stands, from its row; a row without facts is at the beginning, whatever its defaults say."""
    if row["facts"] == 0:
        return BEGINNING
    last = (row["updated_at"], rank_now(row["last_rank"]), bytes(row["last_identity"]))
    return Standing(kept.state_from(IncidentState, row), last, row["facts"], row["fold_version"])


def fold_again(identity: int) -> Folded[IncidentState]:
    """Fold the whole history of an incident, corrected anew, writing nothing."""
    return fold(BEGINNING, correct_all(renumbered(kept.facts_of((INCIDENT, identity)))), step)


def searched_for(title: str, error_message: str | None, resource_name: str | None) -> str:
    """What an incident is found by. Vendor text has no bound; what can be searched has."""
    return words.vector(title[:1000], (error_message or "")[:1000], (resource_name or "")[:200])


def reword(after: int, most: int) -> list[int]:
    """
    Let the next few incidents behind an id be found by our words, where an older version wrote them; their ids. Those
    that somebody else is changing are left to them, who write them, too.
    """
    with transaction.atomic():
        found = Incident.objects.filter(words_version=None, pk__gt=after).order_by("pk")
        some = list(found.select_for_update(skip_locked=True, no_key=True).values_list("id", *FOUND_BY)[:most])
        rows.update(
            Incident,
            [{"id": pk, "search": searched_for(*texts), "words_version": words.VERSION} for pk, *texts in some],
        )
    return [pk for pk, *_ in some]


def written_row(identity: int, folded: Folded[IncidentState]) -> rows.Row:
    """The row that says what the fold found and where it stands."""
    at, rank, last = folded.standing.last or (None, None, None)
    state = folded.standing.state
    return {
        "id": identity,
        **vars(state),
        "search": searched_for(state.title, state.error_message, state.resource_name),
        "words_version": words.VERSION,
        "is_live": folded.standing.state.is_live,
        "facts": folded.standing.facts,
        "updated_at": at,
        "last_rank": rank,
        "last_identity": last,
        "fold_version": min(folded.standing.version, VERSION),
    }
