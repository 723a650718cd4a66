import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import django
import pytest

ROOT = Path(__file__).parents[2]
LAUNCHER = ROOT / "watchkeeper"
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE | re.IGNORECASE)


def run(*command: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *map(str, command)], env=os.environ | environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that needs no packages, and whose command line only says what it was asked for."""
    shutil.copy(LAUNCHER, tmp_path)
    (tmp_path / "requirements.lock").touch()
    (tmp_path / "requirements-dev.lock").write_text("# for the tests\n")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "commandline.py").write_text(
        "import sys\ndef main(arguments):\n    print(sys.prefix, *arguments)\n    return 7\n"
    )
    return tmp_path


def test_help_needs_no_environment(tmp_path: Path) -> None:
    shutil.copy(LAUNCHER, tmp_path)
    helped = run(tmp_path / "watchkeeper", "--help")
    assert helped.returncode == 0
    assert helped.stdout.startswith("usage: ./watchkeeper up")
    assert run(tmp_path / "watchkeeper").returncode == 2
    assert [file.name for file in tmp_path.iterdir()] == ["watchkeeper"]


def test_an_old_python_can_read_it_and_is_told_what_to_do() -> None:
    tree = ast.parse(LAUNCHER.read_text(), feature_version=(3, 4))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]

    pretend = "import runpy, sys; sys.version_info = (3, 10, 2); sys.argv[:] = sys.argv[1:];"
    old = run("-c", pretend + "runpy.run_path(sys.argv[0], run_name='__main__')", LAUNCHER, "up")
    assert (old.returncode, old.stdout) == (1, "")
    (line,) = old.stderr.splitlines()
    assert line.startswith("watchkeeper: this needs Python 3.11 or newer, and ")
    assert " is 3.10. Start it with a newer one" in line


def test_a_python_without_venv_is_told_what_to_install(checkout: Path) -> None:
    pretend = "import runpy, sys; sys.modules['ensurepip'] = None; sys.argv[:] = sys.argv[1:];"
    lame = run("-c", pretend + "runpy.run_path(sys.argv[0], run_name='__main__')", checkout / "watchkeeper", "up")
    assert (lame.returncode, lame.stdout) == (1, "")
    (line,) = lame.stderr.splitlines()
    assert line.endswith("On Debian and Ubuntu: apt install python3-venv, then run it again")


def test_it_sets_up_anew_after_an_interruption_and_once_even_if_asked_twice_at_once(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "unfinished").touch()
    (checkout / ".venv" / "half a package").touch()
    launcher = checkout / "watchkeeper"
    both = [
        subprocess.Popen([sys.executable, launcher, "go"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [(process.communicate(), process.returncode) for process in both]
    assert [out for (out, _), _ in said] == [f"{checkout}/.venv go\n"] * 2
    assert [code for _, code in said] == [7, 7]
    assert "".join(errors for (_, errors), _ in said).count("making .venv") == 1
    assert not (checkout / ".venv" / "half a package").exists()
    assert run(launcher, "go", "now").stderr == ""

    (checkout / "requirements.lock").write_text("# a new version\n")
    changed = run(launcher, "go")
    assert "installing 0 packages from requirements.lock" in changed.stderr
    assert "making" not in changed.stderr

    assert "requirements-dev.lock" in run(launcher, "test").stderr
    assert run(launcher, "go").stderr == ""

    (checkout / "requirements.lock").write_text("nothing-of-the-kind==1.0\n")
    failed = run(launcher, "go", PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "nothing-of-the-kind" in failed.stderr
    assert failed.stderr.splitlines()[-1].startswith("watchkeeper: installing failed; pip's words are above.")
    assert (checkout / ".venv" / "unfinished").exists()


def test_a_command_says_what_it_says_and_no_more() -> None:
    done = run(LAUNCHER, "version")
    assert (done.stdout, done.stderr, done.returncode) == (django.__version__ + "\n", "", 0)


def test_a_commands_exit_code_is_passed_on() -> None:
    assert run(LAUNCHER, "no_such_command").returncode == 1


def test_a_wrong_database_url_is_one_line() -> None:
    wrong = run(LAUNCHER, "check", DATABASE_URL="postgresql://u@[bad/d")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert len(wrong.stderr.splitlines()) == 1


def test_the_locks_agree() -> None:
    running, testing = (
        dict(PIN.findall((ROOT / lock).read_text())) for lock in ("requirements.lock", "requirements-dev.lock")
    )
    assert len(running) > 20
    assert running.items() <= testing.items()
