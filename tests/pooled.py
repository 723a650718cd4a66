"""
A PgBouncer in transaction mode before a PostgreSQL, for tests: each transaction gets whichever session is free, and
there are fewer of those than clients.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg

from config.accounts import find_account
from tests.programs import path_of
from tests.running import HOST, eventually, free_port

# Fewer than processes and threads of one Watchkeeper.
SESSIONS = 4

CONFIGURATION = """
[databases]
* = host={host} port={port} user={user}

[pgbouncer]
listen_addr = {address}
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 200
server_round_robin = 1
"""


@contextmanager
def pooled(url: str, folder: Path) -> Iterator[str]:
    """The URL of the same database behind a PgBouncer, which runs while the block does."""
    program = path_of("pgbouncer")
    own_port = free_port()
    asked = parse_qs(urlsplit(url).query)
    user = unquote(urlsplit(url).username or "")
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        CONFIGURATION.format(
            host=asked["host"][0],
            port=asked["port"][0],
            user=user,
            address=HOST,
            own_port=own_port,
            sessions=SESSIONS,
        )
    )
    # As PostgreSQL, it won't run as root.
    with (folder / "pgbouncer.log").open("w") as log:
        process = find_account().spawn(program, configuration, stdout=log, stderr=log)
    pooled_url = f"postgresql://{user}@{HOST}:{own_port}{urlsplit(url).path}"
    try:
        assert eventually(lambda: answers(pooled_url), 20), (folder / "pgbouncer.log").read_text()
        yield pooled_url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    """Whether a database answers there."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
