"""
The corpus of rubbish, sent: each case as real bytes to a real server, and what differs from what it says.

tests/corpus/rubbish/README.md says what a case is. How its bytes are made is tests/made.py's affair, how they go over
the wire tests/wire.py's; this room compares answers and what was kept.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.made import Maker, written
from tests.running import HOST, Running, eventually
from tests.wire import PIECE, Answer, Heard, exchange

CORPUS = Path(__file__).parent / "corpus" / "rubbish"
OPEN_DOOR = "/api/webhooks/incident-log"
OF_A_DOOR = ("{door}", "{token}", "{key}")
# What a case has as a whole; everything else its steps may have of their own.
OF_THE_CASE = {"id", "note", "let", "steps", "kept", "counted", "integration", "key"}
KNOWN = OF_THE_CASE | {
    "method", "path", "version", "headers", "body", "event", "events", "json", "form", "size", "pad", "chunks", "sign",
    "head", "raw", "cut", "then", "status", "statuses", "code", "fields", "says", "contains", "lacks", "ignored",
    "answer_headers", "take", "applied", "pace", "patience",
}  # fmt: skip
BODIES = ("body", "event", "events", "json", "form")
# How often somebody asks who is told to come again in a moment, as all are where the machine has no time for anybody.
TRIES = 4


@dataclass(frozen=True)
class Case:
    """A line of the corpus: `file/id`, and what it says."""

    id: str
    said: dict[str, Any]

    @property
    def steps(self) -> list[dict[str, Any]]:
        """Its requests, one after another, each with what is expected of its answer."""
        shared = {key: value for key, value in self.said.items() if key not in OF_THE_CASE}
        steps = self.said.get("steps", [{}])
        whole = [without_other_bodies(shared, step) | step for step in steps]
        # Null says: not so, whatever the defaults are. A code that is null says something.
        return [{key: value for key, value in step.items() if value is not None or key == "code"} for step in whole]

    @property
    def has_a_door(self) -> bool:
        """Whether it needs an integration of its own."""
        text = json.dumps(self.said)
        return any(name in text for name in OF_A_DOOR)


def without_other_bodies(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """What is shared, without the bodies if there is a body of its own."""
    replaced = BODIES if any(key in own for key in BODIES) else ()
    return {key: value for key, value in shared.items() if key not in replaced}


def load(pattern: str) -> list[Case]:
    """The cases of all files with such a name (`door-*.jsonl`)."""
    cases = [case for path in sorted(CORPUS.glob(pattern)) for case in cases_of(path)]
    ids = [case.id for case in cases]
    assert len(set(ids)) == len(ids), f"twice: {sorted({one for one in ids if ids.count(one) > 1})}"
    return cases


def cases_of(path: Path) -> Iterator[Case]:
    defaults: dict[str, Any] = {}
    for number, line in enumerate(path.read_text().split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            said = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from None
        if "defaults" in said:
            defaults = said["defaults"]
            continue
        said = without_other_bodies(defaults, said) | said
        unknown = set().union(said, *said.get("steps", [])) - KNOWN
        assert not unknown, f"{path.name}, line {number}: {unknown}"
        yield Case(f"{path.stem}/{said['id']}", said)


@dataclass
class Outcome:
    """What a case's requests came to: what differed, and what was sent, for looking at what was kept."""

    case: Case
    problems: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


class Ground:
    """
    A running Watchkeeper with a team, and a door for each case that needs one. `names` is what `{name}` stands for in
    the corpus, beyond what each case has of its own.
    """

    def __init__(self, running: Running, names: dict[str, str] | None = None, patience: float = 10.0) -> None:
        self.running = running
        self.team = running.create_team("Rubbish")
        self.patience = patience
        self.doors: dict[str, dict[str, Any]] = {}
        self.names = {"host": f"{HOST}:{running.port}", "port": str(running.port), "open": OPEN_DOOR} | (names or {})
        self.names.setdefault("api_key", self.team["api_key"])
        self.database = running.connect()

    def open_doors(self, cases: Iterable[Case]) -> None:
        """Make the integrations of cases."""
        wishes = {
            case.id: {"integration": case.said.get("integration", {}), "key": case.said.get("key", {})}
            for case in cases
            if case.has_a_door
        }
        path = self.running.data / "doors.json"
        path.write_text(json.dumps(wishes))
        code = f"from tests.doors import make; make({self.team['team_id']!r}, {str(path)!r})"
        self.running.manage("shell", "-v", "0", "--no-imports", "-c", code)
        self.doors |= json.loads(path.read_text())

    def run(
        self, cases: Sequence[Case], after: Callable[[Case], list[str]] | None = None, at_once: int = 1
    ) -> dict[str, list[str]]:
        """
        What differed, by case. `after` is called after each case that was answered with a 2xx, when the worker has
        applied it; what it finds is added. `at_once`: how many cases at a time.
        """
        self.open_doors(case for case in cases if case.id not in self.doors)

        def one(case: Case) -> Outcome:
            outcome = self.send(case)
            if after and self.is_accepted(case):
                self.wait_until_applied()
                outcome.problems += after(case)
            return outcome

        if at_once == 1:
            outcomes = [one(case) for case in cases]
        else:
            with ThreadPoolExecutor(at_once) as pool:
                outcomes = list(pool.map(one, cases))
        self.wait_until_applied()
        for outcome in outcomes:
            outcome.problems += self.kept_otherwise(outcome)
        return {outcome.case.id: outcome.problems for outcome in outcomes}

    # --- sending --------------------------------------------------------------------------------------------------

    def names_of(self, case: Case) -> dict[str, str]:
        """What `{name}` stands for in a case."""
        door = self.doors.get(case.id)
        own = {"door": f"{OPEN_DOOR}/{door['token']}", "token": door["token"], "key": door["key"]} if door else {}
        names = self.names | own
        return names | {name: Maker(names).text(said).decode() for name, said in case.said.get("let", {}).items()}

    def send(self, case: Case) -> Outcome:
        """Send a case's requests and compare their answers."""
        outcome = Outcome(case)
        maker = Maker(self.names_of(case))
        kept = case.said.get("kept") is not None and case.said.get("counted", 0) is not None
        counted = self.counted(None) if kept else {}
        for number, step in enumerate(case.steps):
            where = f"step {number + 1}: " if "steps" in case.said else ""
            if step.get("applied"):
                self.wait_until_applied()
            request, body = written(step, maker)
            outcome.bodies.append(body)
            heard = self.ask(step, request)
            outcome.problems += [where + problem for problem in differences(step, heard, maker)]
            take(step, heard, maker)
        if kept:
            expected = case.said.get("counted", {}).get("unauthorized", 0)
            nobodys = self.counted(None).get("unauthorized", 0) - counted.get("unauthorized", 0)
            if nobodys != expected:
                outcome.problems.append(f"counted {nobodys} unauthorized, not {expected}")
        return outcome

    def ask(self, step: dict[str, Any], request: bytes) -> Heard:
        """What comes back of a step's request."""
        for tries_left in reversed(range(TRIES)):
            heard = exchange(
                self.running.port,
                request,
                step.get("then", "read"),
                answers=expected_answers(step),
                patience=step.get("patience", self.patience),
                head=step.get("method") == "HEAD",
                pace=tuple(step.get("pace", (PIECE, 0))),
            )
            if not (tries_left and is_to_come_again(heard)):
                break
            time.sleep(1)
        return heard

    # --- what was kept --------------------------------------------------------------------------------------------

    def wait_until_applied(self) -> None:
        """Wait until the worker has nothing of ours to do."""
        waiting = """
            SELECT NOT EXISTS (
                SELECT FROM integrations_inbounddelivery d JOIN teams_team t ON t.id = d.team_id
                WHERE d.status = 'received' AND t.public_id = %s
            )
        """
        team = [self.team["team_id"]]
        done = eventually(lambda: self.database.execute(waiting, team).fetchone()[0], 60)
        assert done, "the worker doesn't come to an end"

    def is_accepted(self, case: Case) -> bool:
        """Whether a case leaves anything that can be read."""
        statuses = [status for step in case.steps for status in as_list(step.get("status", step.get("statuses", 0)))]
        return any(isinstance(status, int) and 200 <= status < 300 for status in statuses)

    def kept_otherwise(self, outcome: Outcome) -> list[str]:
        """How what was kept of a case differs from what it says."""
        said, door = outcome.case.said, self.doors.get(outcome.case.id)
        if said.get("kept") is None or door is None:
            return []
        query = "SELECT status, body, is_event FROM integrations_inbounddelivery WHERE integration_id = %s ORDER BY id"
        rows = self.database.execute(query, [door["integration"]]).fetchall()
        expected, found = sorted(as_list(said["kept"])), sorted(status for status, _, _ in rows)
        problems = [] if expected == found else [f"kept {found}, not {expected}"]
        problems += [
            f"other bytes were kept: {bytes(body)[:200]!r}"
            for _, body, _ in rows
            if not any(bytes(body) in sent for sent in outcome.bodies)
        ]
        counted = {name: number for name, number in (said.get("counted") or {}).items() if name != "unauthorized"}
        if (numbers := self.counted(door["integration"])) != counted:
            problems.append(f"counted {numbers}, not {counted}")
        return problems

    def counted(self, integration: int | None) -> dict[str, int]:
        """What the door only counted, of an integration's or of nobody's, in all days."""
        query = """
            SELECT reason, sum(count)::bigint FROM integrations_doorcount WHERE integration_id IS NOT DISTINCT FROM %s
            GROUP BY reason
        """
        return dict(self.database.execute(query, [integration]).fetchall())


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- an answer ------------------------------------------------------------------------------------------------


def is_to_come_again(heard: Heard) -> bool:
    """Whether the one answer is that there was no time just now."""
    return [answer.status for answer in heard.answers] == [503] and "retry-after" in heard.answers[0].headers


def expected_answers(step: dict[str, Any]) -> int | None:
    """How many answers end the listening before the server ends the connection; None: it is the server's affair."""
    if "statuses" in step:
        return len(step["statuses"])
    return 1 if "raw" in step or "head" in step else None


def differences(step: dict[str, Any], heard: Heard, maker: Maker) -> list[str]:
    """How what came back differs from what a step says."""
    statuses = [answer.status for answer in heard.answers]
    problems = [f"a 5xx: {answer}" for answer in heard.answers if answer.status >= 500]
    if step.get("then") in ("close", "reset"):
        return problems
    if "statuses" in step:
        expected = step["statuses"]
        return problems if statuses == expected else [*problems, f"answered {statuses}, not {expected}"]
    right = as_list(step["status"])
    first = heard.answers[0] if heard.answers else None
    if (first.status if first else "none") not in right:
        what = str(first) if first else f"nothing ({heard.ending})"
        problems.append(f"answered {what}, not {step['status']}")
    if first is None and heard.ending == "open":
        problems.append("it waits for ever")
    if len(statuses) > 1:
        problems.append(f"answered {len(statuses)} times: {statuses}")
    return problems + (answered_otherwise(step, first, maker) if first else [])


def answered_otherwise(step: dict[str, Any], answer: Answer, maker: Maker) -> list[str]:
    """How one answer differs in what it says."""
    is_json = answer.headers.get("content-type", "").startswith("application/json")
    said = json_of(answer) if is_json else None
    problems = error_otherwise(step, answer, said) if answer.status >= 400 else []
    if "says" in step:
        data = (said or {}).get("data")
        verdicts = [each["status"] for each in data] if isinstance(data, list) else (data or {}).get("status")
        if verdicts != step["says"]:
            problems.append(f"says {verdicts}, not {step['says']}")
    if "ignored" in step and ((said or {}).get("data") or {}).get("ignored") != step["ignored"]:
        problems.append(f"what was ignored is not {step['ignored']}: {answer.body[:200]!r}")
    problems += [f"lacks {text!r}" for text in texts(step, "contains", maker) if text not in answer.body]
    problems += [f"contains {text!r}" for text in texts(step, "lacks", maker) if text in answer.body]
    for name, part in step.get("answer_headers", {}).items():
        value = answer.headers.get(name.lower())
        if (value is not None) if part is None else (value is None or maker.named(part) not in value):
            problems.append(f"the header {name} is {value!r}, not {part!r}")
    return problems


def error_otherwise(step: dict[str, Any], answer: Answer, said: Any) -> list[str]:
    """How an error differs from what a step says, and from what all errors of the API have to be."""
    problems = []
    codes = as_list(step.get("code", "any" if is_of_the_api(step) else None))
    if None not in codes or said is not None:
        problems += envelope_problems(answer, said)
        code = (said or {}).get("error", {}).get("code")
        if code not in codes and codes not in (["any"], [None]):
            problems.append(f"the code is not {step['code']}: {answer}")
    if "fields" in step:
        named = ((said or {}).get("error", {}).get("details") or {}).get("fields", {})
        if sorted(named) != sorted(step["fields"]):
            problems.append(f"names {sorted(named)}, not {step['fields']}")
    return problems


def is_of_the_api(step: dict[str, Any]) -> bool:
    """Whether a step's errors have to have the envelope, if it doesn't say itself."""
    return isinstance(step.get("path"), str) and step["path"].startswith(("/api", "{door}", "{open}"))


def json_of(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def envelope_problems(answer: Answer, said: Any) -> list[str]:
    """What of an API's error is not as errors have to be."""
    error = said.get("error") if isinstance(said, dict) and said.get("success") is False else None
    if not isinstance(error, dict) or not {"code", "message"} <= error.keys() <= {"code", "message", "details"}:
        return [f"no envelope: {answer}"]
    sound = isinstance(error["code"], str) and isinstance(error["message"], str) and error["message"]
    return [] if sound and said.keys() == {"success", "error"} else [f"an odd envelope: {answer}"]


def texts(step: dict[str, Any], key: str, maker: Maker) -> list[bytes]:
    return [maker.text(text) for text in as_list(step.get(key, []))]


def take(step: dict[str, Any], heard: Heard, maker: Maker) -> None:
    """Keep values of the answer under names, for the steps after it."""
    for name, path in step.get("take", {}).items():
        value = json_of(heard.answers[0]) if heard.answers else None
        for part in path.split("."):
            value = value[int(part)] if isinstance(value, list) else (value or {}).get(part)
        maker.names = maker.names | {name: str(value)}
