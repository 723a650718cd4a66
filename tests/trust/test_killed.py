"""
Acknowledged means stored once and applied once, whatever is killed; and what happened is told to every endpoint, in
order. A sample in every run; with WATCHKEEPER_TEST_FULL=1
at least 100 kills, at every fault point by name and at random, under at least 5,000 acknowledged events.
"""

import random
from collections import Counter
from collections.abc import Callable
from importlib import import_module

from config import faults
from tests.test_house import modules, name_of
from tests.trust import afterwards
from tests.trust.conftest import FULL, House
from tests.trust.hand import Hand
from tests.trust.killer import Killer
from tests.trust.told import FLAKY, WELL, Telling

Kill = Callable[[Killer], None]

SAMPLE: list[Kill | str] = [
    "ingest: kept, before counting",
    Killer.worker,
    Killer.web_worker,
    "ingest: kept and counted, before the answers",
    "door: kept, before the answer",
    Killer.end_backend,
    "applying: facts recorded, before the verdicts",
    "incidents: rows written, before their resources",
    Killer.backend,
    "applying: verdicts written, before the commit",
    "applying: committed",
    "applying: claimed",
    "waiting: released",
    "applying: one postponed, before the commit",
    "act: recorded, before the commit",
    "idempotency: kept, before the commit",
    "rebuild: row written, before the commit",
    "messages: born, before the commit",
    "sending: endpoints leased",
    "sending: messages taken up, before the commit",
    "sending: handed out",
    "sending: messages settled, before the commit",
    "sending: settled",
    Killer.database,
    Killer.several,
    Killer.web,
]
# Where in a sample the line to the database is cut and where it says it can't; in the whole run, everywhere.
SAMPLE_OF_TROUBLE = [
    "ingest: kept, before counting",
    "applying: facts recorded, before the verdicts",
    "applying: committed",
    "sending: handed out",
    "sending: settled",
]
# Each so often, in the whole run, beside every fault point once.
AT_RANDOM: dict[Kill, int] = {
    Killer.worker: 10,
    Killer.web_worker: 10,
    Killer.end_backend: 10,
    Killer.backend: 6,
    Killer.worker_and_its_parent: 3,
    Killer.database: 4,
    Killer.several: 4,
    Killer.web: 3,
    Killer.supervisor: 2,
}


def points() -> list[str]:
    """All fault points, as the code itself lists them when all of it is imported."""
    for module in modules():
        import_module(name_of(module).removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    return faults.names()


def whole() -> list[Kill | str]:
    """Everything, in an order that is the same in each run."""
    kills: list[Kill | str] = [kill for kill, number in AT_RANDOM.items() for _ in range(number)]
    kills += points()
    random.Random(5).shuffle(kills)
    return kills


def test_what_was_acknowledged_is_stored_once_and_applied_once_whatever_is_killed(house: House) -> None:
    pause = 0.15 if FULL else 0.05
    with Telling(house.running) as telling:
        with Hand(house.running) as hand, house.senders(pause) as ledger:
            killer = Killer(house.running, house.faults, ledger, house.api_key, hand)
            for kill in whole() if FULL else SAMPLE:
                killer.at(kill) if isinstance(kill, str) else kill(killer)
            for point in points() if FULL else SAMPLE_OF_TROUBLE:
                killer.at(point, "cut")
                killer.at(point, "raise")
        untold = telling.look()
        told = Counter((each.endpoint, each.status) for each in telling.told())
    print(*(f"{seconds:6.2f} s  {name}" for name, seconds in killer.kills), sep="\n")
    print(ledger.statuses, ledger.cuts, f"{len(ledger.sent)} sent, {len(ledger.acknowledged)} acknowledged")
    print(told, f"{len(telling.well.requests)} and {len(telling.unsteady.requests)} arrivals")
    assert (afterwards.look(house.running, ledger, house.api_key), ledger.wrong, untold) == ([], [], [])
    assert min(told[WELL, "delivered"], told[FLAKY, "delivered"]) >= 500
    if FULL:
        assert len(ledger.acknowledged) >= 5_000
        assert len(killer.kills) >= 100
        assert [point for point in points() if not killer.taken(point)] == []
