"""
What `./watchkeeper` does once its environment stands: `up`, `test`, `bench`, or a management command.

Here is seen to what each of them needs: data folder, secrets, a database. The rest is config.supervisor's, pytest's or
Django's.
"""

import os
import runpy
import signal
import sys
from pathlib import Path

from config import database, environment, keepsakes, keyring
from config.console import CannotStart, say
from config.supervisor import MANAGE, ROOT, Child, up

# Of the tests. Some of them start whole Watchkeepers, which have processes of their own.
MOST_PROCESSES = 4


def main(arguments: list[str]) -> int:
    """Do what the command line asks for. Returns the exit code; what a person has to see to is one line."""
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    if wrong := environment.wrong_ones():
        for line in wrong:
            say(line)
        return 1
    try:
        return do(arguments)
    except CannotStart as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def do(arguments: list[str]) -> int:
    """Do what the command line asks for. Returns the exit code. Raises CannotStart, KeyboardInterrupt."""
    data = data_folder()
    if arguments[0] == "up":
        return up(data, arguments[1:])
    if arguments[0] == "test":
        return test(data, arguments[1:])
    if arguments[0] == "bench":
        return bench(data, arguments[1:])
    return command(data, arguments)


def data_folder() -> Path:
    """The absolute path of the folder for all that is kept; it also goes into the environment."""
    data = Path(os.environ.get("WATCHKEEPER_DATA") or ROOT / "var").absolute()
    try:
        data.mkdir(parents=True, exist_ok=True)
        (data / "up.lock").open("a").close()
    except OSError as error:
        raise CannotStart(
            f"can't write to {data} ({error.strerror}); make it writable, or set WATCHKEEPER_DATA to another folder"
        ) from None
    os.environ["WATCHKEEPER_DATA"] = str(data)
    return data


def command(data: Path, arguments: list[str]) -> int:
    """Run a management command in this very process, on the database at hand."""
    with database.at_hand(data) as is_new:
        anew = keyring.NEW_KEYS in arguments
        keyring.unlock(os.environ["DATABASE_URL"], data, os.environ, command=arguments[0], anew=anew)
        if is_new and arguments[0] not in {"migrate", "makemigrations"}:
            say("making the tables")
            if Child("migrate", [*MANAGE, "migrate", "--no-input", "--verbosity=0"]).run():
                raise CannotStart("making the tables failed; what it said is above")
        sys.argv[1:] = arguments
        runpy.run_path(MANAGE[1], run_name="__main__")
    return 0


def test(data: Path, arguments: list[str]) -> int:
    """
    Run pytest on a database of its own: an `up` or another `test` may run beside it. All tests are shared out among
    processes; some (files, or what follows an option) run in this very one, where it starts at once.
    """
    import pytest  # noqa: PLC0415  absent from the environment that `up` makes

    if "--full" in arguments:
        os.environ["WATCHKEEPER_TEST_FULL"] = "1"
    os.chdir(ROOT)
    set_own_secrets(data / "test")
    with database.for_tests(data):
        return int(pytest.main([*sharing(arguments), *(each for each in arguments if each != "--full")]))


def sharing(arguments: list[str]) -> list[str]:
    """What pytest-xdist is told; what the command line says comes after it and may be otherwise (`-n 0`)."""
    are_some = any(not each.startswith("-") for each in arguments)
    processes = min(os.cpu_count() or 1, MOST_PROCESSES)
    return [] if are_some or "--pdb" in arguments or processes == 1 else ["-n", str(processes)]


def bench(data: Path, arguments: list[str]) -> int:
    """Run a bench in this very process; it has a database of its own."""
    os.chdir(ROOT)
    set_own_secrets(data / "bench", data)
    sys.argv[1:] = arguments
    try:
        runpy.run_module("bench", run_name="__main__")
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def set_own_secrets(folder: Path, *others: Path) -> None:
    """
    Let the environment have the secrets of a folder, or of others that have some; where there are none, new ones for
    this folder alone: those of the installation are made for its database only (config.keyring).
    """
    folder.mkdir(parents=True, exist_ok=True)
    for each in (folder, *others):
        keepsakes.bring_secrets(each, os.environ)
    keepsakes.set_secrets(folder, os.environ)
