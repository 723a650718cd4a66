import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import OperationalError, connection

from config import faults

ROOT = Path(__file__).parents[2]


@pytest.fixture
def armed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which points are armed, and no point but a test's own."""
    (tmp_path / "taken").mkdir()
    monkeypatch.setattr(faults, "FOLDER", str(tmp_path))
    monkeypatch.setattr(faults, "_names", set())
    return tmp_path


def taken(folder: Path) -> list[str]:
    return [path.name.rpartition(".")[0] for path in sorted((folder / "taken").iterdir())]


def test_in_production_a_point_is_a_call_that_does_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(faults, "FOLDER", None)
    monkeypatch.setattr(faults, "_names", set())
    point = faults.point("here")
    assert point is faults._nothing
    point()
    assert faults.names() == ["here"]


def test_the_environment_names_the_folder_and_nothing_else_arms_a_point() -> None:
    environ = {name: value for name, value in os.environ.items() if name != "WATCHKEEPER_FAULTS"}
    asked = "from config import faults; print(faults.FOLDER, faults.point('here') is faults._nothing)"
    for given, said in (({}, "None True\n"), ({"WATCHKEEPER_FAULTS": "/there"}, "/there False\n")):
        command = [sys.executable, "-c", asked]
        assert subprocess.check_output(command, cwd=ROOT, env=environ | given, text=True) == said


def test_a_name_is_given_once_and_can_be_a_file_s(armed: Path) -> None:
    faults.point("here")
    for name in ("here", "here/there"):
        with pytest.raises(ValueError, match=name):
            faults.point(name)


def test_a_point_without_its_file_does_nothing(armed: Path) -> None:
    faults.point("here")()
    assert taken(armed) == []


def test_what_a_file_says_is_done_once(armed: Path) -> None:
    point = faults.point("here")
    (armed / "here").write_text("raise")
    with pytest.raises(OperationalError, match="here"):
        point()
    point()
    assert taken(armed) == [f"here.{os.getpid()}"]


def test_further_lines_are_for_the_next_passings(armed: Path) -> None:
    point = faults.point("here")
    (armed / "here").write_text("pass\nfail\npause 0\nfail")
    point()
    with pytest.raises(faults.Fault):
        point()
    point()
    with pytest.raises(faults.Fault):
        point()
    point()
    assert taken(armed) == [f"here.{os.getpid()}"] * 4
    assert [path.name for path in armed.iterdir()] == ["taken"]


def test_what_a_point_cannot_do_is_said(armed: Path) -> None:
    (armed / "here").write_text("dance")
    with pytest.raises(ValueError, match="dance"):
        faults.point("here")()


def in_a_child(work: Callable[[], object]) -> int:
    """The exit code of a forked child that does it."""
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_one_process_is_killed_and_no_other(armed: Path) -> None:
    point = faults.point("here")
    (armed / "here").write_text("kill")
    assert [in_a_child(point) for _ in range(2)] == [-signal.SIGKILL, 0]


def test_a_cut_line_to_the_database_is_noticed_by_the_next_statement(armed: Path, transactional_db: None) -> None:
    point = faults.point("here")
    connection.ensure_connection()
    (armed / "here").write_text("cut")
    point()
    try:
        with pytest.raises(OperationalError), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
