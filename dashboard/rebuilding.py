"""
Folding everything again: whether what is shown equals what the facts say, and making it so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection, models, transaction

from config import faults, rows
from incidents import fold as incident_fold
from incidents import keeper as incident_keeper
from incidents import words
from incidents.fold import IncidentState
from incidents.models import Incident
from integrations.models import InboundDelivery, Verdict
from monitors import fold as resource_fold
from monitors import keeper as resource_keeper
from timeline import checkpoints, chronology, corrected, kept
from timeline.chronology import Fact, Folded, Link, Outcome
from timeline.events import INCIDENT
from timeline.models import Checkpoint, Effect, TimelineEvent
from timeline.renumbering import put_ranks_right

HOME = faults.point("rebuild: own facts brought home")
REREAD = faults.point("rebuild: outcomes written, before the checkpoints")
CLEARED = faults.point("rebuild: checkpoints dropped, before the new")
CHECKED = faults.point("rebuild: checkpoints written, before the row")
WRITTEN = faults.point("rebuild: row written, before the commit")
COMMITTED = faults.point("rebuild: one committed, before the next")

SOME = 500


@dataclass(frozen=True)
class Difference:
    """Something shown that is not what its facts say."""

    subject: Link
    what: str
    shown: Any
    folded: Any

    def __str__(self) -> str:
        kind, identity = self.subject
        return f"{kind} {identity}: {self.what} is {self.shown!r}, its facts say {self.folded!r}"


def check() -> Iterator[Difference]:
    """Fold everything again in one snapshot of the database, and tell every difference. Nothing is written."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for kind, model in subjects():
            for some in in_batches(model):
                for row in some:
                    yield from differences((kind, row["id"]), row)


def rebuild() -> Iterator[Link]:
    """Fold everything again and write it; the answer names each subject when it is done. Others may work meanwhile."""
    for kind, model in subjects():
        for some in in_batches(model):
            for row in some:
                rebuild_one((kind, row["id"]))
                yield (kind, row["id"])


def subjects() -> list[tuple[str, type[models.Model]]]:
    """Everything that is folded; incidents first, for what they mean to resources is found by their folds."""
    return [(INCIDENT, Incident), *resource_keeper.MODELS.items()]


# Which version each kind's fold is.
VERSIONS = {INCIDENT: incident_fold.VERSION, **dict.fromkeys(resource_keeper.MODELS, resource_fold.VERSION)}


def in_batches(model: type[models.Model]) -> Iterator[list[dict[str, Any]]]:
    """All rows of a model, some at a time."""
    last = 0
    while some := list(model._default_manager.filter(id__gt=last).order_by("id").values()[:SOME]):
        yield some
        last = some[-1]["id"]


def folded_again(subject: Link) -> Folded[Any]:
    """The fold of a subject's whole history."""
    if subject[0] == INCIDENT:
        return incident_keeper.fold_again(subject[1])
    return resource_keeper.fold_again(subject)


def is_behind(kind: str, shown: dict[str, Any]) -> bool:
    """Whether a row was found by an older version of its fold; the worker folds those again (dashboard.refolding)."""
    return bool(shown["fold_version"] < VERSIONS[kind] and shown["facts"])


def behind() -> int:
    """What is still to be folded again; of a kind at most 10,000 are counted."""
    return sum(
        model._default_manager.filter(fold_version__lt=VERSIONS[kind], facts__gt=0)[:10_000].count()
        for kind, model in subjects()
    )


def row_of(subject: Link, folded: Folded[Any]) -> rows.Row:
    """The row that a fold says a subject has."""
    if subject[0] == INCIDENT:
        return incident_keeper.written_row(subject[1], folded)
    return resource_keeper.written_row(*subject, folded)


def differences(subject: Link, shown: dict[str, Any]) -> Iterator[Difference]:
    """What is shown of a subject and its facts, against what folding them again says."""
    if is_behind(subject[0], shown):
        return
    folded = folded_again(subject)
    # Which version wrote them is no difference; nor are words that an older one wrote.
    skipped = {"fold_version", "words_version"}
    if subject[0] == INCIDENT and shown["words_version"] != words.VERSION:
        skipped.add("search")
    for column, value in row_of(subject, folded).items():
        # A row without facts has none to have been folded.
        if column not in skipped and comparable(shown[column]) != comparable(value):
            yield Difference(subject, column, shown[column], value)
    stored = stored_readings(subject)
    # A fact that the fold did not read at all has strayed from its subject's chronology.
    read = {fact.id: reading(fact, outcome) for fact, outcome in own(subject, folded)}
    for fact_id in sorted(stored.keys() | read.keys()):
        if stored.get(fact_id) != read.get(fact_id):
            yield Difference(subject, f"fact {fact_id}", stored.get(fact_id), read.get(fact_id))
    yield from checkpoint_differences(subject, folded)


def own(subject: Link, folded: Folded[Any]) -> list[tuple[Fact, Outcome]]:
    """The facts that a subject's own fold reads; an incident's facts are read by the incident's."""
    return [(fact, outcome) for fact, outcome in folded.read if fact.subject == subject]


def reading(fact: Fact, outcome: Outcome) -> tuple[Any, ...]:
    """What corrections and the fold say of a fact, in the order of READING."""
    kind, identity = outcome.resource or (None, None)
    effect = Effect.NONE if outcome.why else Effect.APPLIED
    read = (kind, identity, effect, outcome.why, outcome.entries, outcome.hold, outcome.presses)
    return (fact.occurred_at, fact.rank, fact.correction, *read)


READING = (
    "occurred_at", "rank", "correction", "resource_kind", "resource_id", "effect", "why", "entries", "hold", "presses",
)  # fmt: skip


def stored_readings(subject: Link) -> dict[int, tuple[Any, ...]]:
    """What is stored of each fact of a subject, by the fact's id."""
    facts = TimelineEvent.objects.filter(subject_kind=subject[0], subject_id=subject[1])
    return {row[0]: row[1:] for row in facts.values_list("id", *READING)}


def checkpoint_differences(subject: Link, folded: Folded[Any]) -> Iterator[Difference]:
    """Checkpoints that are not what the fold passed."""
    # One of before a state had all that it has now is read with the defaults.
    blank = checkpoints.as_json(IncidentState() if subject[0] == INCIDENT else resource_keeper.BLANK)
    shown = {
        checkpoints.position_of(each): plain(each.facts, blank | each.state)
        for each in checkpoints.checkpoints_of(subject)
    }
    passed = {
        position: plain(number * chronology.CHECKPOINT_EVERY, checkpoints.as_json(state))
        for number, (position, state) in enumerate(folded.checkpoints, start=1)
    }
    for position in sorted(shown.keys() | passed.keys()):
        there, said = shown.get(position), passed.get(position)
        if there != said:
            yield Difference(subject, f"checkpoint {position[0]}", there, said)


def plain(facts: int, state: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint says, with lists for tuples."""
    return {"facts": facts} | {name: comparable(value) for name, value in state.items()}


def comparable(value: Any) -> Any:
    """A value in the form in which both sides are compared."""
    if isinstance(value, memoryview):
        return bytes(value)
    return list(value) if isinstance(value, tuple) else value


def rebuild_one(subject: Link) -> None:
    """Fold one subject again and write what it found."""
    with transaction.atomic():
        if subject[0] == INCIDENT:
            incident_keeper.lock([subject[1]])
        else:
            resource_keeper.lock([subject])
            bring_home(subject)
            HOME()
        put_ranks_right(subject)
        folded = folded_again(subject)
        mine = own(subject, folded)
        corrected.keep([fact for fact, _ in mine])
        kept.keep_outcomes(mine)
        REREAD()
        Checkpoint.objects.filter(subject_kind=subject[0], subject_id=subject[1]).delete()
        CLEARED()
        checkpoints.keep_checkpoints(subject[0], {subject[1]: folded})
        CHECKED()
        model = dict(subjects())[subject[0]]
        rows.update(model, [row_of(subject, folded)])
        WRITTEN()
    COMMITTED()


def bring_home(resource: Link) -> None:
    """Put a resource's own facts back into its chronology, should one have strayed."""
    kind, identity = resource
    facts = TimelineEvent.objects.filter(subject_kind=kind, subject_id=identity)
    facts.exclude(resource_kind=kind, resource_id=identity).update(resource_kind=kind, resource_id=identity)


def unapplied() -> int:
    """How many deliveries are to be applied yet, those dated ahead included; at most 10,000 of each are counted."""
    of_each = [InboundDelivery.objects.filter(status=each) for each in (Verdict.RECEIVED, Verdict.WAITING)]
    return sum(found[:10_000].count() for found in of_each)
