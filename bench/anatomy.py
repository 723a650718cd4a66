"""
Where a webhook's microseconds go: Django's, the REST framework's, ours, the driver's, PostgreSQL's.

Single events run through the whole WSGI application in one process, without the web server before it, while a timer
looks at the stack at every millisecond of CPU. What the standard library does is its caller's. PostgreSQL's part is the
CPU time of the backend, as the system counts it.
"""

import argparse
import io
import itertools
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from bench import ground, measure
from bench.vendor import bodies
from tests.running import HOST

WAYS = {"short": "a new event", "long": "the same event again"}
# Whose a frame is, by its file; the first that fits. What fits none is its caller's.
OWNERS = [
    ("/rest_framework/", "Django REST framework"),
    ("/django/", "Django"),
    ("/django_htmx/", "middleware of packages"),
    ("/csp/", "middleware of packages"),
    ("/whitenoise/", "middleware of packages"),
    ("/psycopg/", "the driver (psycopg)"),
    ("/structlog/", "the log (structlog)"),
    ("/config/statements.py", "the driver (psycopg)"),
    ("/config/logs.py", "the log (structlog)"),
    ("/config/strictjson.py", "ours: parsing"),
    ("/timeline/events.py", "ours: judging"),
    ("/config/times.py", "ours: judging"),
    ("/timeline/identity.py", "ours: identity"),
    (f"{ground.ROOT}/config/", "ours: middleware, envelope"),
    (f"{ground.ROOT}/integrations/", "ours: the door"),
    (f"{ground.ROOT}/teams/", "ours: the door"),
]
TICK = 0.001  # seconds of CPU


def main(arguments: list[str]) -> None:
    """Take a webhook apart, and print its parts."""
    parser = argparse.ArgumentParser(prog="./watchkeeper bench anatomy")
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--way", choices=WAYS, default="short")
    parser.add_argument("--path", help="(what the bench calls itself with, in a process of its own)")
    options = parser.parse_args(arguments)
    if options.path:
        dissect(options.path, options.events, options.way)
        return
    with ground.cluster() as cluster:
        url = ground.fresh(cluster, "anatomy")
        path = ground.watchkeeper(url).create_team("Bench")["webhook_path"]
        inside = ["-m", "bench", "anatomy", "--path", path, "--events", str(options.events), "--way", options.way]
        print(ground.python(url, *inside))


def dissect(path: str, number: int, way: str) -> None:
    """Send so many events and print whose the time was."""
    application = quiet_application()
    told = bodies() if way == "short" else itertools.repeat(next(bodies()))
    for _ in range(100):
        call(application, path, next(told))
    sampled: Counter[str] = Counter()
    backend = ticks_of_backend()
    begun = time.process_time()
    with sampling(sampled):
        for _ in range(number):
            call(application, path, next(told))
    ours = (time.process_time() - begun) / number * 1e6
    theirs = (ticks_of_backend() - backend) / os.sysconf("SC_CLK_TCK") / number * 1e6
    total = sum(sampled.values())
    lines = [measure.Line(owner, f"{ours * taken / total:,.0f} µs") for owner, taken in sampled.most_common()]
    lines += [
        measure.Line("in Python, together", f"{ours:,.0f} µs"),
        measure.Line("PostgreSQL, on the server's side", f"{theirs:,.0f} µs"),
    ]
    measure.show(f"CPU of {WAYS[way]}, {number} times, without the web server", lines)


def quiet_application() -> Callable[..., Any]:
    """Django as a WSGI application, its log going nowhere."""
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  for as long as the process lives
    from config.wsgi import application  # noqa: PLC0415  settings are read on import, and only in this process

    return application


def call(application: Callable[..., Any], path: str, body: bytes) -> None:
    """Let the application answer one event."""
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": HOST,
        "HTTP_HOST": HOST,
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
    }
    answered: list[str] = []
    response = application(environ, lambda status, headers: answered.append(status))
    b"".join(response)
    response.close()
    assert answered[0][:3] in ("202", "200"), answered


def ticks_of_backend() -> int:
    """The CPU time of our connection's backend, in clock ticks."""
    from django.db import connection  # noqa: PLC0415  as above

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class sampling:
    """Counts whose the CPU time in the with block is."""

    def __init__(self, sampled: Counter[str]) -> None:
        self.sampled = sampled

    def __enter__(self) -> None:
        signal.signal(signal.SIGPROF, self.look)
        signal.setitimer(signal.ITIMER_PROF, TICK, TICK)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def look(self, _: int, frame: FrameType | None) -> None:
        """Charge one tick to whose frame it is."""
        owner = next((name for file in files(frame) for part, name in OWNERS if part in file), None)
        if owner:
            self.sampled[owner] += 1


def files(frame: FrameType | None) -> Iterator[str]:
    """The files of a stack, from within."""
    while frame:
        yield frame.f_code.co_filename
        frame = frame.f_back
