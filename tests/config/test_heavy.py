"""Tests of config.heavy: who asks for much at a time is told to come again, and nobody else."""

import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from config import heavy
from config.errors import RateLimited

MUCH = heavy.LIGHT + 1


@pytest.fixture(autouse=True)
def asked(tmp_path, settings):
    settings.DATA_DIR = tmp_path
    yield heavy.note_asker
    heavy.forget_asker()


def refused(team: int, who: str, size: int = MUCH) -> bool:
    """Whether somebody is refused, asked in another thread."""
    found = []

    def ask():
        heavy.note_asker(team, who)
        try:
            with heavy.heavy(size):
                found.append(False)
        except RateLimited as error:
            found.append(error.status == 429 and int(error.headers["Retry-After"]) >= 1)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return found[0]


def test_one_who_asks_has_one_place_and_others_have_theirs(asked):
    asked(1, "key 1")
    with heavy.heavy(MUCH):
        assert refused(1, "key 1")
        assert not refused(1, "key 2")
        assert not refused(2, "key 3")
    assert not refused(1, "key 1")


def test_a_team_has_two_places(asked):
    with ExitStack() as working:
        for who in ("key 1", "key 2"):
            asked(1, who)
            working.enter_context(heavy.heavy(MUCH))
        assert refused(1, "user 3")
        assert not refused(2, "user 3")
    assert not refused(1, "user 3")


def test_what_is_light_is_never_refused(asked):
    asked(1, "key 1")
    with heavy.heavy(MUCH):
        assert not refused(1, "key 1", heavy.LIGHT)


def test_the_last_thread_is_for_what_is_light(asked, monkeypatch):
    monkeypatch.setattr(heavy, "_threads", threading.BoundedSemaphore(1))
    asked(1, "key 1")
    with heavy.heavy(MUCH):
        assert refused(2, "key 2")
    assert not refused(2, "key 2")


def test_what_is_heavy_within_is_part_of_it_and_its_error_gives_the_place_back(asked):
    asked(1, "key 1")
    with pytest.raises(ZeroDivisionError), heavy.heavy(MUCH), heavy.heavy(MUCH):
        raise ZeroDivisionError
    assert not refused(1, "key 1")


def test_a_command_is_nobodys_request():
    with heavy.heavy(MUCH), heavy.heavy(MUCH):
        pass


HOLDS = """
import os, sys
sys.path.insert(0, {root!r})
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
from config import heavy
heavy.note_asker(1, "key 1")
with heavy.heavy(heavy.LIGHT + 1):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_places_are_those_of_all_processes_and_end_with_one_that_dies(settings):
    root = str(settings.BASE_DIR)
    environ = {"WATCHKEEPER_DATA": str(settings.DATA_DIR), "WATCHKEEPER_SECRET_KEY": "x" * 60}
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS.format(root=root)], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with other:
        assert other.stdout.readline() == b"held\n"
        assert refused(1, "key 1")
        assert not refused(1, "key 2")
        other.kill()
        other.wait()
    assert not refused(1, "key 1")
