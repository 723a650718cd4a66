"""
What an older version left behind, brought up to date by the worker, bit by bit and beside everything else: facts get
the numbers of their ranks, what an older version of a fold found is folded again, and what incidents are found by is
written by our own words.

It can be interrupted anywhere: facts and rows say themselves what is still to be done. Nothing is sent and nobody is
called for it. Not here: folding everything again by hand (dashboard.rebuilding).
"""

from collections.abc import Callable, Collection
from datetime import datetime

import structlog
from django.db import InterfaceError, OperationalError, models, transaction

from config import faults, rows
from dashboard.rebuilding import VERSIONS, subjects
from incidents import keeper as incident_keeper
from monitors import keeper as resource_keeper
from timeline import renumbering
from timeline.chronology import Link
from timeline.events import INCIDENT

log = structlog.get_logger(__name__)

DOUBTED = faults.point("renumbering: what facts are about marked, before the facts")
RENUMBERED = faults.point("renumbering: some done, before the next")
REWORDED = faults.point("rewording: some done, before the next")
REFOLDED = faults.point("refolding: folded and written, before the commit")

FACTS_AT_ONCE = 2_000
# Folded in one go are so many subjects at most, and no more once they have so many facts together.
SUBJECTS_AT_ONCE = 100
FACTS_FOLDED_AT_ONCE = 1_000
REWORDED_AT_ONCE = 200
# So many ids are looked through at a time.
STRETCH = 20_000

Run = Callable[[datetime], int]


class Renumbering:
    """
    Facts get the numbers of their ranks. Nothing is applied before all have theirs, for events of the same moment must
    be compared; what staff do meanwhile is later than all that is there.
    """

    def __init__(self) -> None:
        self.after = 0
        self.done = False

    def run(self, at: datetime) -> int:
        """The next facts; how many there were, or 1 to begin once more with what was left."""
        some = renumbering.next_of(self.after, FACTS_AT_ONCE)
        if not some.facts:
            self.done = self.done or not self.after
            again, self.after = int(bool(self.after)), 0
            return again
        doubt(some.subjects)
        DOUBTED()
        renumbering.renumber(some.facts)
        RENUMBERED()
        self.after = some.facts[-1]
        return len(some.facts)

    def before(self, run: Run, meanwhile: int = 0) -> Run:
        """A run that waits until all facts have their numbers; `meanwhile` is what it answers until then."""
        return lambda at: run(at) if self.done else meanwhile


def doubt(subjects: Collection[Link]) -> None:
    """
    Let those of some subjects be folded again that were folded by this version: an older one, still running, told facts
    of them. Theirs are few, or none.
    """
    with transaction.atomic():
        incidents = folded_now(INCIDENT, {identity for kind, identity in subjects if kind == INCIDENT})
        resources = {
            (kind, identity)
            for kind in resource_keeper.MODELS
            for identity in folded_now(kind, {identity for each, identity in subjects if each == kind})
        }
        if incidents or resources:
            incident_keeper.lock(incidents, resources)
            incident_keeper.doubt(incidents)
            resource_keeper.doubt(resources)


def folded_now(kind: str, ids: Collection[int]) -> list[int]:
    """Those of some subjects of a kind that no older version folded."""
    found = rows.select(known()[kind], ("id", "fold_version"), ids)
    return [identity for identity, version in found if version > 0]


def known() -> dict[str, type[models.Model]]:
    """The models of all that is folded, by kind."""
    return dict(subjects())


class Rewording:
    """What incidents are found by is written by our words, where an older version left it to PostgreSQL."""

    def __init__(self) -> None:
        self.after = 0

    def run(self, at: datetime) -> int:
        """The next incidents; how many there were, or 1 to begin once more with what was left."""
        done = incident_keeper.reword(self.after, REWORDED_AT_ONCE)
        REWORDED()
        again, self.after = int(bool(self.after)), done[-1] if done else 0
        return len(done) or again


class Refolding:
    """Folds again what an older version found, incidents first, in the order of their ids."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Look through everything from the beginning."""
        self.kinds = [kind for kind, _ in subjects()]
        self.after = 0

    def run(self, at: datetime) -> int:
        """The next bit; how many ids it came further, and 0 at the end, where the next run begins once more."""
        if not self.kinds:
            self.begin()
            return 0
        kind = self.kinds[0]
        first = known()[kind]._default_manager.filter(pk__gt=self.after).aggregate(first=models.Min("pk"))["first"]
        if first is None:
            self.kinds, self.after = self.kinds[1:], 0
            return 1
        some, reached = behind(kind, first)
        if some:
            fold_anew(kind, some)
        came, self.after = reached - self.after, reached
        return came


def behind(kind: str, first: int) -> tuple[list[int], int]:
    """The next few subjects of a kind, from an id on, that an older version folded; and how far that was looked for."""
    end = first + STRETCH - 1
    found = known()[kind]._default_manager.filter(
        pk__gte=first, pk__lte=end, fold_version__lt=VERSIONS[kind], facts__gt=0
    )
    some: list[int] = []
    facts = 0
    for identity, number in found.order_by("pk").values_list("pk", "facts")[: SUBJECTS_AT_ONCE + 1]:
        if len(some) == SUBJECTS_AT_ONCE or facts >= FACTS_FOLDED_AT_ONCE:
            return some, some[-1]
        some.append(identity)
        facts += number
    return some, end


def fold_anew(kind: str, ids: list[int]) -> None:
    """Fold some subjects of a kind again, all at once or else each by itself; one that can't be is logged and left."""
    try:
        with transaction.atomic():
            fold_together(kind, ids)
            REFOLDED()
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        if len(ids) == 1:
            log.exception("could not be folded again", kind=kind, id=ids[0])
            return
        for each in ids:
            fold_anew(kind, [each])


def fold_together(kind: str, ids: list[int]) -> None:
    """Lock some subjects of a kind, and fold them again."""
    if kind == INCIDENT:
        incident_keeper.lock(ids, corrected_ids=ids)
        incident_keeper.fold_anew(ids)
    else:
        resource_keeper.lock([(kind, identity) for identity in ids])
        resource_keeper.fold_anew(kind, ids)
