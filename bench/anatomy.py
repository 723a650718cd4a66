"""
Where a webhook's microseconds go: Django's, the REST framework's, ours, the driver's, PostgreSQL's.

Single events, several that wait together, are received past Django's handlers, or one by one through the whole WSGI
application, in one process, without the web server before it, while a timer looks at the stack at every millisecond of
CPU. What the standard library does is its caller's. PostgreSQL's part is the CPU time of the backend, as the system
counts it.
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
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import django
from standardwebhooks.webhooks import Webhook

from bench import ground, measure
from bench.vendor import bodies
from config.signing import new_signing_secret
from tests.running import HOST

# What is sent, each way with what it is called.
WAYS = {
    "new": "a new event",
    "again": "the same events again",
    "signed": "a signed new event",
    "django": "a new event through Django",
}
# So many events are sent again.
KNOWN = 200
SIGN = """
from integrations.lifecycle import set_signing_secret
from integrations.models import Integration
set_signing_secret(Integration.objects.get(), {secret!r})
"""
Answer = Callable[[list[dict[str, Any]]], None]
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
    parser.add_argument("--events", type=int, default=6000)
    parser.add_argument("--way", choices=WAYS, default="new")
    parser.add_argument("--together", type=int, default=3, help="how many wait at the same time")
    parser.add_argument("--path", help="(what the bench calls itself with, in a process of its own)")
    parser.add_argument("--secret", help="(likewise)")
    options = parser.parse_args(arguments)
    if options.path:
        dissect(options.path, options.events, options.way, options.together, Webhook(options.secret))
        return
    with ground.cluster() as cluster:
        url = ground.fresh(cluster, "anatomy")
        path = ground.watchkeeper(url).create_team("Bench")["webhook_path"]
        secret = new_signing_secret()
        if options.way == "signed":
            ground.manage(url, "shell", "--verbosity=0", "--command", SIGN.format(secret=secret))
        inside = ["-m", "bench", "anatomy", "--path", path, "--events", str(options.events), "--way", options.way]
        print(ground.python(url, *inside, "--together", str(options.together), "--secret", secret))


def dissect(path: str, number: int, way: str, together: int, signer: Webhook) -> None:
    """Send so many events and print whose the time was."""
    answer = quietly(goes_through_django=way == "django")
    told = environs(way, path, signer)
    send(answer, told, max(102, KNOWN), together)
    sampled: Counter[str] = Counter()
    backend = ticks_of_backend()
    begun = time.process_time()
    with sampling(sampled):
        send(answer, told, number, together)
    ours = (time.process_time() - begun) / number * 1e6
    theirs = (ticks_of_backend() - backend) / os.sysconf("SC_CLK_TCK") / number * 1e6
    total = sum(sampled.values())
    lines = [measure.Line(owner, f"{ours * taken / total:,.0f} µs") for owner, taken in sampled.most_common()]
    lines += [
        measure.Line("in Python, together", f"{ours:,.0f} µs"),
        measure.Line("PostgreSQL, on the server's side", f"{theirs:,.0f} µs"),
    ]
    crowd = "" if way == "django" else f", {together} waiting together"
    measure.show(f"CPU of {WAYS[way]}{crowd}, {number} times, without the web server", lines)


def quietly(*, goes_through_django: bool) -> Answer:
    """What answers requests, the log going nowhere."""
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  for as long as the process lives
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from config.front import Front  # noqa: PLC0415  settings are read on import, and only in this process
    from config.together import Together  # noqa: PLC0415
    from config.wsgi import application  # noqa: PLC0415

    front = Front(application, Together())

    def answer(environs: list[dict[str, Any]]) -> None:
        answers = [front.work(each) for each in environs] if goes_through_django else front.work_together(environs)
        assert all(each and each.status in (200, 202) for each in answers), answers

    return answer


def environs(way: str, path: str, signer: Webhook) -> Iterator[dict[str, Any]]:
    """Requests of one of the ways."""
    told = itertools.cycle(list(itertools.islice(bodies(), KNOWN))) if way == "again" else bodies()
    for number, body in enumerate(told):
        at = datetime.now(UTC)
        signed = {
            "HTTP_WEBHOOK_ID": f"msg_{number}",
            "HTTP_WEBHOOK_TIMESTAMP": str(int(at.timestamp())),
            "HTTP_WEBHOOK_SIGNATURE": signer.sign(f"msg_{number}", at, body.decode()),
        }
        yield environ_of(path, body) | (signed if way == "signed" else {})


def send(answer: Answer, told: Iterator[dict[str, Any]], number: int, together: int) -> None:
    """Have so many events answered, so many at a time."""
    for _ in range(number // together):
        answer(list(itertools.islice(told, together)))


def environ_of(path: str, body: bytes) -> dict[str, Any]:
    """One event's request, as the front makes it."""
    return {
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
