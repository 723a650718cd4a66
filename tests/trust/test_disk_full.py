"""
The disk is full: events are refused with 503, none that was acknowledged is missing, and when there is room again
everything goes on by itself.

The whole data folder lies on a small tmpfs, in a mount namespace of its own that vanishes with the last process.
"""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests.running import Running, eventually
from tests.trust import afterwards
from tests.trust.conftest import House, settled
from tests.trust.senders import Ledger

SIZE = "192m"
OWN_MOUNTS = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
# Its log goes there, too, as it does for who has but one disk.
ON_TMPFS = 'mount -t tmpfs -o size=$0 tmpfs "$1" && exec 2>>"$1/said.log" && shift && exec "$@"'


def why_not() -> str:
    """Why there can be no small disk here; empty if there can."""
    try:
        tried = subprocess.run(
            [*OWN_MOUNTS, "sh", "-c", ON_TMPFS, "1m", "/mnt", "true"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        return str(error)
    return "" if tried.returncode == 0 else f"{' '.join(OWN_MOUNTS)}: {tried.stderr.strip()}"


class OnSmallDisk(Running):
    """A Watchkeeper whose data folder is a small disk. From here, what is on it lies under the process's own root."""

    def __init__(self, data: Path) -> None:
        keys = dict.fromkeys(("WATCHKEEPER_SECRET_KEY", "WATCHKEEPER_ENCRYPTION_KEY"), "k" * 60)
        super().__init__(data, keys | {"WATCHKEEPER_DEBUG": "1"})  # no static files are to be collected on it
        self.prefix = [*OWN_MOUNTS, "sh", "-c", ON_TMPFS, SIZE, str(self.data)]

    @property
    def disk(self) -> Path:
        assert self.process
        return Path(f"/proc/{self.process.pid}/root") / self.data.relative_to("/")

    @property
    def database_url(self) -> str:
        text = (self.disk / "postgres.lock").read_text()
        here, there = quote(str(self.data), safe=""), quote(str(self.disk), safe="")
        self._url = text.replace(here, there) or self._url
        return self._url

    def said(self) -> str:
        with contextlib.suppress(OSError):
            return (self.disk / "said.log").read_text()
        return super().said()

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """No room is left on its disk until the block ends."""
        ballast = self.disk / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 65536)
        try:
            yield
        finally:
            ballast.unlink()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    if reason := why_not():
        pytest.skip(f"needs a small disk, which root or a user namespace can make: {reason}")
    folder = tmp_path_factory.mktemp("full")
    with OnSmallDisk(folder / "data") as running:
        yield settled(running, folder)


def goes_on(ledger: Ledger, since: float, patience: float) -> bool:
    """Whether something that was sent after a moment is acknowledged."""
    return eventually(lambda: ledger.begun > since, patience)


def test_a_full_disk_refuses_events_and_loses_none(house: House) -> None:
    running = house.running
    with house.senders(pause=0.02) as ledger:
        assert goes_on(ledger, time.monotonic(), 10)
        with running.full():
            assert eventually(lambda: ledger.statuses[503] > 20, 30)
        assert goes_on(ledger, time.monotonic(), 15)
    assert (afterwards.look(running, ledger, house.api_key), ledger.wrong) == ([], [])


def test_a_database_that_a_full_disk_brought_down_comes_back_when_there_is_room(house: House) -> None:
    running = house.running
    with house.senders(pause=0.05) as ledger:
        assert goes_on(ledger, time.monotonic(), 10)
        with running.full():
            assert eventually(lambda: not can_switch_wal(running), 30)
            refused = ledger.statuses[503]
            assert eventually(lambda: ledger.statuses[503] > refused + 20, 30)
        assert goes_on(ledger, time.monotonic(), 30)
    assert (afterwards.look(running, ledger, house.api_key), ledger.wrong) == ([], [])


def can_switch_wal(running: Running) -> bool:
    """Let the database take up a new file of its log; it panics when there is no room for one."""
    try:
        with running.connect(connect_timeout=2) as connection:
            connection.execute("SELECT pg_switch_wal()")
            connection.execute("CREATE TEMPORARY TABLE noted AS SELECT txid_current()")
    except psycopg.Error:
        return False
    return True
