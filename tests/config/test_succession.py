import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import succession

ROOT = Path(__file__).parents[2]
# Each child says who it is; then it does what it was asked for.
PROGRAM = """
import os, signal, sys, time
import structlog
from config import succession
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

def work():
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    print(os.getpid(), os.getppid(), flush=True)
    if sys.argv[1] == "fail":
        raise ValueError("boom")
    while sys.argv[1] == "wait" and not stopping:
        time.sleep(0.01)
    print("done", flush=True)

succession.keep_at(work)
print("over", flush=True)
"""


@pytest.fixture
def begun() -> Iterator[list["subprocess.Popen[str]"]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def begin(begun: list["subprocess.Popen[str]"], how: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PROGRAM, how]
    begun.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    return begun[-1]


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def child_of(process: "subprocess.Popen[str]") -> int:
    child, parent = map(int, line(process).split())
    assert parent == process.pid
    return child


def test_work_that_is_finished_is_not_begun_again(begun: list["subprocess.Popen[str]"]) -> None:
    process = begin(begun, "once")
    assert child_of(process) != process.pid
    assert (line(process), line(process), process.wait(10)) == ("done", "over", 0)


def test_a_killed_child_has_a_successor_as_often_as_it_takes(begun: list["subprocess.Popen[str]"]) -> None:
    process = begin(begun, "wait")
    children = []
    for _ in range(4):
        children.append(child_of(process))
        os.kill(children[-1], signal.SIGKILL)
    children.append(child_of(process))
    assert len(set(children)) == 5
    process.terminate()
    assert (line(process), line(process), process.wait(10)) == ("done", "over", 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_lets_the_child_finish(begun: list["subprocess.Popen[str]"], number: int) -> None:
    process = begin(begun, "wait")
    child_of(process)
    process.send_signal(number)
    assert (line(process), line(process), process.wait(10)) == ("done", "over", 0)


def test_a_child_that_fails_is_told_of_and_has_a_successor(begun: list["subprocess.Popen[str]"]) -> None:
    process = begin(begun, "fail")
    assert child_of(process) != child_of(process)
    process.kill()
    _, said = process.communicate()
    assert "ValueError: boom" in said
    assert "another takes over" in said


@pytest.mark.parametrize(("status", "longest"), [(9, 0.5), (3 << 8, 30.0)])
def test_who_was_killed_is_soon_replaced_and_who_fails_by_itself_not_all_the_time(
    monkeypatch: pytest.MonkeyPatch, status: int, longest: float
) -> None:
    pauses: list[float] = []

    class Short(succession.Line):
        def beget(self) -> None:
            self.child = 1

        def rest(self, seconds: float) -> None:
            pauses.append(seconds)
            self.stopping = len(pauses) == 20

    monkeypatch.setattr("config.succession.signal.signal", lambda *_: None)
    monkeypatch.setattr("config.succession.os.waitpid", lambda *_: (1, status))
    Short(lambda: None).run()
    assert (pauses[0], pauses[-1]) == (0.1, longest)


def test_a_child_dies_with_its_parent(begun: list["subprocess.Popen[str]"]) -> None:
    process = begin(begun, "wait")
    child = child_of(process)
    process.kill()
    process.communicate()  # ends only when the child, too, has let go of the pipe
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text()
