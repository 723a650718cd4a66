import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

from config import lifeline

ROOT = Path(__file__).parents[2]
# A parent starts a child that holds on to it, tells its own parent (us) the child's id, and is then killed.
FAMILY = """
import multiprocessing, os, sys, time
from config.lifeline import die_with_parent
def child():
    die_with_parent()
    print(os.getpid(), flush=True)
    time.sleep(60)
multiprocessing.get_context("fork").Process(target=child).start()
time.sleep(60)
"""


def start_family(supervised: str) -> tuple[subprocess.Popen[bytes], int]:
    parent = subprocess.Popen(
        [sys.executable, "-c", FAMILY],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env=os.environ | {"WATCHKEEPER_SUPERVISED": supervised},
    )
    assert parent.stdout
    return parent, int(parent.stdout.readline())


def test_a_web_servers_process_dies_with_its_main_process() -> None:
    parent, _ = start_family("1")
    parent.kill()
    assert parent.communicate()[0] == b""  # ends only when the child, too, has let go of the pipe


def test_it_is_inert_unless_supervised() -> None:
    parent, child = start_family("")
    parent.kill()
    parent.wait()
    os.kill(child, signal.SIGKILL)  # raises if it is gone
    parent.communicate()


def test_it_is_inert_outside_of_a_worker_process(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("WATCHKEEPER_SUPERVISED", "1")
    assert multiprocessing.parent_process() is None
    lifeline.die_with_parent()
