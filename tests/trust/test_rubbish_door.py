"""
Rubbish at the inbound door, over sockets to a running Watchkeeper: every answer is the right one, what is kept is what
came, none is a 5xx, afterwards everything can be read, and no process has taken up more memory than it may.

The cases are data (tests/corpus/rubbish/door-*.jsonl); those about fields of the wrong type are made here, from the
documented examples. A sample sends every second case; in the full run each oddity that was accepted has a sweep behind
it, and slow senders are waited for.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from config.numbers import LARGEST_ID
from tests import readers, sweep
from tests.made import COMMON, EXAMPLES, NOON, Maker, example, written
from tests.rubbish import Case, Ground, load
from tests.running import Running
from tests.trust.conftest import FULL
from tests.wire import exchange
from timeline.events import COMMON as COMMON_FIELDS
from timeline.events import VENDOR_EVENTS

# What is odd in the first is the request; in the others what is kept of it, and read again.
REQUESTS, CONTENTS = ("framing", "gzip", "keys", "signatures"), ("again", "ids", "json", "sizes", "text", "times")
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with Running(tmp_path_factory.mktemp("rubbish-door")) as running:
        ground = Ground(running)
        with ground.database:
            yield ground


@pytest.fixture(scope="module")
def swept(ground: Ground) -> Iterator[sweep.Ground]:
    """The same for sweeps, which read at most so many records of a kind, from the first to the last."""
    most = 30 if FULL else 8
    who = readers.entered(ground.running.manage, ground.team["team_id"])

    def ask(sql: str, *parameters: object) -> list[tuple[object, ...]]:
        rows = ground.database.execute(sql, parameters).fetchall()
        return rows[:: len(rows) // most + 1]

    with closing(readers.OverHTTP(ground.running.port, who)) as get:
        yield sweep.Ground(get, ask, who.team, at_once=3)


@pytest.fixture(scope="module")
def problems(ground: Ground, swept: sweep.Ground) -> dict[str, list[str]]:
    """What went wrong with each case."""
    requests = [case for name in REQUESTS for case in chosen(name)]
    contents = [case for name in CONTENTS for case in chosen(name)]
    ground.open_doors([*requests, *contents])
    return ground.run(requests) | ground.run(contents, sweeping(swept) if FULL else None)


def chosen(name: str) -> list[Case]:
    """The cases of a file that are sent."""
    return load(f"door-{name}.jsonl")[:: 1 if FULL else 2]


def sweeping(swept: sweep.Ground) -> Callable[[Case], list[str]]:
    """What to do after a case: read what it left, if it left anything."""
    read = sweep.marks(swept)

    def after(case: Case) -> list[str]:
        nonlocal read
        before, read = read, sweep.marks(swept)
        return [] if before == read else sweep.sweep(swept, before)

    return after


def test_every_answer_is_the_right_one_and_what_came_is_kept(problems: dict[str, list[str]]) -> None:
    assert len(problems) > (1400 if FULL else 700)
    assert {case: wrong for case, wrong in problems.items() if wrong} == {}


@pytest.mark.skipif(not FULL, reason="takes as long as our patience with slow senders")
def test_senders_that_stall_are_answered_or_left(ground: Ground) -> None:
    found = ground.run(load("door-slow.jsonl"), at_once=40)
    assert {case: wrong for case, wrong in found.items() if wrong} == {}


# --- each documented field with each wrong type ---------------------------------------------------------------


class Missing:
    """Not there at all."""


# Each of JSON's types, in several spellings where they are judged differently.
VALUES = [
    Missing, None, True, False, 0, 1, -1, LARGEST_ID, LARGEST_ID + 1, 1.5, 1.0, "", " ", "x", "1", NOON,
    [], ["x"], ["x", 1], [None], [[]], [{}], [{"id": 1, "name": "N", "type": "user"}], [{"id": "1"}], {}, {"id": 1},
]  # fmt: skip


def is_id(value: Any) -> bool:
    return value == "1" or (type(value) is int and 0 <= value <= LARGEST_ID)


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_target(value: Any) -> bool:
    checks = {"id": is_id, "name": is_text, "type": is_text}
    return isinstance(value, dict) and all(
        check(value[name]) for name, check in checks.items() if value.get(name) is not None
    )


def fits(field: str, documented: Any, value: Any) -> bool:
    """Whether a value has the type that a field has in the documented example, or is read so."""
    if field == "dt":
        return value == NOON
    if field == "escalation_targets":
        return isinstance(value, list) and all(map(is_target, value))
    if field == "regions":
        return is_text(value) or (isinstance(value, list) and all(map(is_text, value)))
    if field in COMMON and type(value) is int:
        return True
    return is_id(value) if isinstance(documented, int) else is_text(value)


def verdict(name: str, field: str, value: Any) -> str:
    """What the door has to say of an example in which a field has another value."""
    required = field in {"dt", "event", "message", *COMMON, f"{name.partition('.')[0]}_id"}
    if value is Missing or value is None or (required and isinstance(value, str) and not value.strip()):
        return "quarantined" if required else "accepted"
    if field == "event":
        return "unrecognized" if is_text(value) else "quarantined"
    return "quarantined" if required and not fits(field, example(name)[field], value) else "accepted"


def ignored(name: str, field: str, value: Any) -> list[str] | None:
    """Which field the door has to say that it ignores."""
    sound = value is None or value is Missing or fits(field, example(name)[field], value)
    return [field] if verdict(name, field, value) == "accepted" and not sound else None


def wrongly_typed() -> list[tuple[str, str, Any]]:
    return [(name, field, value) for name in EXAMPLES for field in example(name) for value in VALUES]


def test_the_examples_are_those_of_the_whole_vocabulary() -> None:
    assert {name: set(example(name)) for name in EXAMPLES} == {
        name: {*COMMON_FIELDS, *kind.fields} for name, kind in VENDOR_EVENTS.items()
    }


def with_value(name: str, field: str, value: Any, number: int) -> dict[str, Any]:
    whole = example(name) | {"number": number, field: value}
    return {key: one for key, one in whole.items() if one is not Missing}


def in_arrays(ground: Ground, door: Case, events: list[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    """Send events in arrays of a size; the answer to each."""
    answers: list[dict[str, Any]] = []
    for start in range(0, len(events), size):
        step = {"path": "{door}", "body": json.dumps(events[start : start + size])}
        request, _ = written(step, Maker(ground.names_of(door)))
        [answer] = exchange(ground.running.port, request, patience=60).answers
        assert answer.status == 202, answer
        answers += json.loads(answer.body)["data"]
    return answers


def test_every_documented_field_is_judged_by_its_documented_type(ground: Ground) -> None:
    door = Case("wrong types", {"id": "wrong types", "path": "{door}"})
    ground.open_doors([door])
    cases = wrongly_typed()
    answers = in_arrays(ground, door, [with_value(*case, number) for number, case in enumerate(cases)], 1000)
    wrong = [
        (case, answer)
        for case, answer in zip(cases, answers, strict=True)
        if answer["status"] != verdict(*case)
        or answer.get("ignored") != ignored(*case)
        or set(answer.get("error", {}).get("details", {}).get("fields", {case[1]})) != {case[1]}
    ]
    assert len(cases) > 4500
    assert wrong[:20] == []
    ground.wait_until_applied()
    applied = {"accepted": "applied"}
    expected = Counter(applied.get(verdict(*case), verdict(*case)) for case in cases)
    assert statuses(ground, door) == expected


def statuses(ground: Ground, door: Case) -> Counter[str]:
    """How many deliveries of a door have each status."""
    query = "SELECT status, count(*) FROM integrations_inbounddelivery WHERE integration_id = %s GROUP BY status"
    return Counter(dict(ground.database.execute(query, [ground.doors[door.id]["integration"]]).fetchall()))


# --- memory ---------------------------------------------------------------------------------------------------

needs_proc = pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="asks Linux for peaks")
# Of one process each. The web's: what it may hold of bodies (96 MiB), what is made of them for a moment, and itself.
MOST_FOR_WEB, MOST_FOR_WORKER = 640 * MIB, 320 * MIB


def forget_peaks(pids: list[int]) -> None:
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> int:
    """The most memory that a process has taken up since its peak was forgotten, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def floods() -> dict[str, dict[str, Any]]:
    """Requests that are too much, by name."""
    endless = {"path": "{door}", "body": {"$repeat": "x", "times": 24 * MIB}, "chunks": [100_000]}
    return {
        "chunks without an end": endless,
        "chunks without an end for nobody": endless | {"path": "{open}/wrong"},
        "16 MiB": {"path": "{door}", "body": {"$repeat": " ", "times": 16 * MIB}},
        "4 MiB of nonsense": {"path": "{door}", "body": {"$repeat": "}", "times": 4 * MIB}},
        "4 MiB of one text": {"path": "{door}", "body": ['"', {"$repeat": "x", "times": 4 * MIB - 2}, '"']},
        "4 MiB that never end": {
            "path": "{door}",
            "body": {"$repeat": "x", "times": 4 * MIB},
            "cut": -1,
            "patience": 2,
        },
        "a million small things": {"path": "{door}", "body": ["[[", {"$repeat": "{},", "times": 600_000}, "0]]"]},
        "a page's form of 16 MiB": {"path": "/login", "method": "POST", "body": {"$repeat": "a=b&", "times": 4 * MIB}},
    }


def test_everything_can_be_read_after_all_cases(problems: dict[str, list[str]], swept: sweep.Ground) -> None:
    assert sweep.sweep(swept, None if FULL else sweep.Marks(0, 0)) == []


@needs_proc
@pytest.mark.parametrize("name", floods())
def test_however_much_is_sent_a_web_process_takes_up_no_more_than_it_may(ground: Ground, name: str) -> None:
    door = Case("flood", {"id": "flood", "path": "{door}"})
    if door.id not in ground.doors:
        ground.open_doors([door])
    step = floods()[name]
    request, _ = written(step, Maker(ground.names_of(door)))
    web = ground.running.pids.web_workers
    forget_peaks(web)
    connections = 60 if FULL else 20

    def send(_: int) -> list[int]:
        heard = exchange(ground.running.port, request, patience=step.get("patience", 60))
        return [answer.status for answer in heard.answers]

    with ThreadPoolExecutor(connections) as pool:
        answers = [status for found in pool.map(send, range(connections)) for status in found]
    assert {status for status in answers if status >= 500} <= {503}
    assert max(map(peak, web)) < MOST_FOR_WEB
    assert ground.running.pids.web_workers == web


@needs_proc
@pytest.mark.parametrize("filling", ["one text", "small things"])
def test_however_large_the_events_the_worker_takes_up_no_more_than_it_may(ground: Ground, filling: str) -> None:
    door = Case(f"large events of {filling}", {"id": filling, "path": "{door}"})
    ground.open_doors([door])
    worker = ground.running.pids.worker
    assert worker
    forget_peaks([worker])
    many = (1000 if filling == "one text" else 120) if FULL else 48
    more: Any = "x" * 64_000 if filling == "one text" else [[]] * 15_000
    events = [
        example("incident.started") | {"incident_id": n, "resource_id": n % 50, "more": more} for n in range(many)
    ]
    assert {answer["status"] for answer in in_arrays(ground, door, events, 60)} == {"accepted"}
    ground.wait_until_applied()
    assert peak(worker) < MOST_FOR_WORKER
    assert ground.running.pids.worker == worker
    assert statuses(ground, door) == {"applied": many}


# --- afterwards -----------------------------------------------------------------------------------------------


def test_the_log_tells_of_no_fault_and_of_no_secret(problems: dict[str, list[str]], ground: Ground) -> None:
    lines = ground.running.said().splitlines()
    assert len(lines) > (1400 if FULL else 700)
    assert [line for line in lines if sweep.is_alarming(line) and line.startswith("{")] == []
    # A refusal says how a wrong key began: seven characters, by which pages tell keys apart.
    assert [line for line in lines if re.search(r"whi_|wk_[\w-]{8}", line)] == []
    assert [line for line in lines if "forged" in line or "<script>" in line or "\x1b" in line] == []
