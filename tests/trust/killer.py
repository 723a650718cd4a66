"""
The killer: kills every part of a running Watchkeeper, at random or at a named fault point, and sees to it that it is
back in time.

Whatever is killed, the deadlines are promises: the worker applies again within 5 seconds, the database and the web
server answer again within 15.
"""

import contextlib
import http.client
import json
import os
import random
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings

from tests.running import Running, eventually, is_alive
from tests.trust.hand import Hand
from tests.trust.senders import Ledger

WORKER_BACK = 5.0  # seconds
DATABASE_BACK = WEB_BACK = 15.0
START_PATIENCE = 60.0  # for what nobody promised: a whole start
BROUGHT_ABOUT = 20.0  # within which a fault point has to be passed


class Killer:
    """Kills, and writes down what it killed and how long it took to be back. While it does, senders have to send."""

    def __init__(self, running: Running, faults: Path, ledger: Ledger, api_key: str, hand: Hand) -> None:
        self.running, self.faults, self.ledger, self.api_key, self.hand = running, faults, ledger, api_key, hand
        self.random = random.Random(8)
        self.kills: list[tuple[str, float]] = []
        self.comments = 0
        self.seen = 0

    # --- parts ------------------------------------------------------------------------------------------------

    def worker(self) -> None:
        """Kill the worker."""
        self.kill("the worker", self.running.pids.worker, self.worker_is_back, WORKER_BACK)

    def worker_and_its_parent(self) -> None:
        """Kill the process from which the worker is forked, and it with it: all has to be loaded again."""
        self.kill("the worker's parent", self.running.pids.worker_main, self.worker_is_back, WEB_BACK)

    def web_worker(self) -> None:
        """Kill one of the web server's processes."""
        victim = self.random.choice(self.running.pids.web_workers)
        self.kill("a web worker", victim, self.web_is_back, WEB_BACK)

    def web(self) -> None:
        """Kill the web server's parent."""
        self.kill("the web server's parent", self.running.pids.web, self.web_is_back, WEB_BACK)

    def database(self) -> None:
        """Kill the whole database."""
        self.kill("the database", self.running.pids.postmaster, self.all_is_back, DATABASE_BACK)

    def backend(self) -> None:
        """Kill one of the database's processes, upon which it ends all others and recovers."""
        self.kill("a backend", self.random.choice(self.backends()), self.all_is_back, DATABASE_BACK)

    def end_backend(self) -> None:
        """Let the database end one of its processes."""
        victim = self.random.choice(self.backends())
        with self.running.connect() as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", [victim])
        self.note("a backend, politely", victim, self.all_is_back, DATABASE_BACK)

    def supervisor(self) -> None:
        """Kill the supervisor, with whom all goes, and start anew."""
        begun = time.monotonic()
        self.running.kill()
        self.running.start()
        assert eventually(lambda: self.all_is_back(begun, self.seen), START_PATIENCE)
        self.kills.append(("the supervisor", time.monotonic() - begun))

    def several(self) -> None:
        """Kill some of all at once."""
        pids = self.running.pids
        parts = [pids.worker, pids.worker_main, pids.web, *pids.web_workers, pids.postmaster, *self.backends()]
        victims = self.random.sample([pid for pid in parts if pid], 3)
        for victim in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        for victim in victims:
            self.note("one of several", victim, self.all_is_back, DATABASE_BACK + WEB_BACK)

    # --- named points -----------------------------------------------------------------------------------------

    def at(self, point: str, what: str = "kill") -> None:
        """Do something to whoever passes a fault point next, and bring its passing about."""
        before = len(self.taken(point))
        self.arm(point, what)
        assert self.bring_about(point, lambda: len(self.taken(point)) > before), f"nobody passed {point!r}"
        if what == "kill":
            victim = int(self.taken(point)[-1].name.split(".")[-2])
            self.note(f"at {point}", victim, self.all_is_back, WEB_BACK)

    def arm(self, point: str, *lines: str) -> None:
        """Say what is to happen at a fault point; a line for each passing."""
        draft = self.faults / "draft"
        draft.write_text("\n".join(lines))
        draft.rename(self.faults / point)

    def taken(self, point: str) -> list[Path]:
        """What was done at a fault point, in order."""
        done = [path for path in (self.faults / "taken").iterdir() if path.name.startswith(f"{point}.")]
        return sorted(done, key=lambda path: path.stat().st_mtime_ns)

    def bring_about(self, point: str, passed: Callable[[], object]) -> bool:
        """See to it that somebody passes a point. Most are passed by what is sent all the time."""
        room = point.partition(":")[0]
        causes: dict[str, Callable[[], object]] = {
            "act": self.comment,
            "idempotency": self.comment_until_answered,
            "replay": lambda: self.hand.do("replay_all" if "quarantine" in point else "replay"),
            "rebuild": lambda: self.hand.do("rebuild"),
            "recognize": self.come_to_know,
            "waiting": self.believe,
            "renumbering": lambda: self.be_of_before(RANKS_OF_BEFORE),
            "refolding": lambda: self.be_of_before(FOLD_OF_BEFORE),
            "rewording": lambda: self.be_of_before(WORDS_OF_BEFORE),
            "sending": lambda: self.hand.do("tell"),
        }
        if point in FAILING:
            causes["applying"] = self.fail_to_apply
        deadline = time.monotonic() + BROUGHT_ABOUT
        while not passed() and time.monotonic() < deadline:
            causes.get(room, lambda: None)()
            eventually(passed, 0.5)
        (self.faults / BEFORE_IT_FAILS).unlink(missing_ok=True)
        return bool(passed())

    def fail_to_apply(self) -> None:
        """Let the next batch fail, and its parts, down to a single delivery."""
        self.arm(BEFORE_IT_FAILS, *["fail"] * 12)

    def comment(self) -> None:
        """Add a note to an incident, once: nobody knows whether one without an answer was taken."""
        with self.running.connect() as connection:
            row = connection.execute("SELECT uuid FROM incidents_incident ORDER BY id LIMIT 1").fetchone()
        self.comments += 1
        tag = f"k0-{self.comments}"
        self.ledger.send([tag])
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            said = self.ask(f"/api/incidents/{row and row[0]}/updates", {"message": f"tag={tag};"})
            assert said["success"]
            self.ledger.acknowledge([tag], 0)

    def comment_until_answered(self) -> None:
        """Add a note under an Idempotency-Key, again and again until it is answered: it is to be there once."""
        with self.running.connect() as connection:
            row = connection.execute("SELECT uuid FROM incidents_incident ORDER BY id LIMIT 1").fetchone()
        self.comments += 1
        tag = f"k0-{self.comments}"
        self.ledger.send([tag])
        deadline = time.monotonic() + WEB_BACK
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                self.ask(
                    f"/api/incidents/{row and row[0]}/updates", {"message": f"tag={tag};"}, {"Idempotency-Key": tag}
                )
                self.ledger.acknowledge([tag], 0)
                return
            time.sleep(0.2)

    def ask(self, path: str, body: Any = None, further: dict[str, str] | None = None) -> Any:
        """What the API says."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-API-Key": self.api_key, "Content-Type": "application/json"} | (further or {})
        request = urllib.request.Request(self.running.base + path, data, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def come_to_know(self) -> None:
        """
        Make an ill written event one that an older version did not know, and let a new worker begin, which looks for
        such. (Not one whose well written twin may be under way: an old version would have taken that one at once.)
        """
        self.be_of_before(
            "UPDATE integrations_inbounddelivery SET status = 'unrecognized', event = 'monitor.down' WHERE id = "
            "(SELECT id FROM integrations_inbounddelivery WHERE status = 'quarantined' AND is_event "
            "AND position('tag=w'::bytea IN body) = 0 LIMIT 1)"
        )

    def be_of_before(self, made_so: str) -> None:
        """Make something what an older version would have left, and let a new worker begin, which looks for such."""
        with self.running.connect() as connection:
            connection.execute(made_so)
        if pid := self.running.pids.worker:  # whose successor may be killed in turn, at the point
            self.kill("the worker", pid, self.worker_is_back, 2 * WORKER_BACK)

    def believe(self) -> None:
        """Let an ill written event be one that waited until now; it is put aside again, when it is looked at."""
        with self.running.connect() as connection:
            connection.execute(
                "UPDATE integrations_inbounddelivery SET status = 'waiting', due_at = now() WHERE id = "
                "(SELECT id FROM integrations_inbounddelivery WHERE status = 'quarantined' AND is_event "
                "AND position('tag=w'::bytea IN body) = 0 LIMIT 1)"
            )

    # --- being back -------------------------------------------------------------------------------------------

    def kill(self, name: str, victim: int | None, is_back: Callable[[float, int], bool], deadline: float) -> None:
        """Kill a process, and see the house well again."""
        assert victim, f"{name} does not run"
        os.kill(victim, signal.SIGKILL)
        self.note(name, victim, is_back, deadline)

    def note(self, name: str, victim: int, is_back: Callable[[float, int], bool], deadline: float) -> None:
        """Wait until a victim is gone and the house is well again; write down how long that took."""
        begun = time.monotonic()
        assert eventually(lambda: not is_alive(victim), deadline), f"{name} (process {victim}) does not die"
        self.seen = seen = self.newest_fact() or self.seen
        back = eventually(lambda: is_back(begun, seen), deadline)
        assert back, f"{name}: not back {deadline} s after its death\n{self.running.said()[-3000:]}"
        self.kills.append((name, time.monotonic() - begun))

    def worker_is_back(self, begun: float, seen: int) -> bool:
        """Whether a fact was recorded after the newest that was seen before."""
        return self.running.pids.worker is not None and self.newest_fact() > seen

    def web_is_back(self, begun: float, seen: int) -> bool:
        """Whether all processes of the web server are there, and a request begun since was answered well."""
        return len(self.running.pids.web_workers) == settings.PROCESSES and self.ledger.begun > begun

    def all_is_back(self, begun: float, seen: int) -> bool:
        """Whether events are acknowledged and applied."""
        return self.web_is_back(begun, seen) and self.worker_is_back(begun, seen)

    def newest_fact(self) -> int:
        """The highest id of a fact; 0 while the database does not answer."""
        with contextlib.suppress(psycopg.Error, OSError), self.running.connect(connect_timeout=2) as connection:
            row = connection.execute("SELECT max(id) FROM timeline_timelineevent").fetchone()
            return int(row[0]) if row and row[0] else 0
        return 0

    def backends(self) -> list[int]:
        """The database's processes that serve Watchkeeper."""
        with contextlib.suppress(psycopg.Error), self.running.connect() as connection:
            query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'watchkeeper'"
            return [pid for (pid,) in connection.execute(query)]
        return []


# What an older version would have left: places for ranks, an incident that its fold found, one without words.
RANKS_OF_BEFORE = """
    UPDATE timeline_timelineevent SET rank = rank / 100 - 1 WHERE id IN (
        SELECT id FROM timeline_timelineevent WHERE rank >= 100 AND rank % 100 = 0 ORDER BY id LIMIT 5)
"""
FOLD_OF_BEFORE = "UPDATE incidents_incident SET fold_version = 0 WHERE id = (SELECT min(id) FROM incidents_incident)"
WORDS_OF_BEFORE = (
    "UPDATE incidents_incident SET words_version = NULL WHERE id = (SELECT min(id) FROM incidents_incident)"
)

# Passed only where applying a batch fails.
FAILING = {
    "applying: a batch failed, before its parts",
    "applying: a part applied, before the next",
    "applying: one postponed, before the commit",
}
BEFORE_IT_FAILS = "applying: records locked, before the facts"
