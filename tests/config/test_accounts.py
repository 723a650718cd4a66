import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config import accounts
from config.accounts import LONGEST_SOCKET_FOLDER, Account, find_account, find_home, find_socket_folder
from config.console import CannotStart
from config.embedded import Cluster

only_as_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about what root has to do")


@pytest.fixture
def short_temp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    shutil.rmtree(folder)


def refuse(alias: int) -> None:
    raise PermissionError("no user namespaces here")


def the_rows(cluster: Cluster) -> list[tuple[int]]:
    with psycopg.connect(cluster.url) as connection:
        return connection.execute("SELECT n FROM kept ORDER BY n").fetchall()


def test_a_socket_lives_beside_the_data_where_the_path_is_short(tmp_path: Path, short_temp: Path) -> None:
    home = short_temp / "postgres"
    assert find_socket_folder(home, Account(os.geteuid())) == home / "socket"


@pytest.mark.parametrize("name", ["long" * 30, "a,b", 'a"b'])
def test_a_path_no_socket_can_have_is_avoided(name: str, short_temp: Path) -> None:
    account = Account(os.geteuid())
    folder = find_socket_folder(short_temp / name, account)

    assert folder.parent == short_temp
    assert len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder == find_socket_folder(short_temp / name, account)
    assert folder != find_socket_folder(short_temp / (name + "2"), account)


@only_as_root
def test_root_does_not_take_over_what_belongs_to_another_user(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    os.chown(tmp_path / "postgres", 12345, 12345)
    with pytest.raises(CannotStart, match="belongs to user 12345; run Watchkeeper as that user"):
        find_home(tmp_path, find_account())


@only_as_root
def test_root_without_user_namespaces_runs_it_as_nobody_and_the_data_moves_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, elsewhere = Cluster(tmp_path), Path("/var/lib", f"watchkeeper-{accounts._fingerprint(tmp_path)}")
    try:
        cluster.start()
        with psycopg.connect(cluster.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        cluster.stop()

        monkeypatch.setattr(accounts, "enter_namespace", refuse)
        cluster.start()
        assert cluster.process
        assert Path(f"/proc/{cluster.process.pid}").stat().st_uid == accounts._nobody().pw_uid
        assert the_rows(cluster) == [(1,)]
        cluster.stop()

        monkeypatch.undo()
        cluster.start()
        assert Path(f"/proc/{cluster.process.pid}").stat().st_uid == 0
        assert the_rows(cluster) == [(1,)]
    finally:
        cluster.stop()
        shutil.rmtree(elsewhere, ignore_errors=True)


@only_as_root
def test_where_neither_namespace_nor_another_user_is_allowed_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Account, "succeeds", lambda *_: False)
    with pytest.raises(CannotStart, match="run Watchkeeper as an ordinary user, or set DATABASE_URL"):
        find_account()
