"""
S1, S2: the inbound door, as events a second beside one-row commits of pgbench.

Single events and arrays of 100, new ones, over 8 kept connections to the whole web server; single ones also over 32,
and, over 8 and 32, events that were sent before (*again*) and events that are *signed*: these are to cost little more
than new unsigned ones. Every answer is 202 (200 for those sent again), sent after the commit. The worker is held still
meanwhile (what it costs is the corridor's figure) and works off the rest after each round.
"""

import contextlib
import itertools
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from bench import ground, measure, vendor
from bench.load import Load, drive, request
from bench.measure import at_least, at_most, median, percentile
from bench.watching import wait_until_applied
from config.signing import new_signing_secret
from tests.running import Running

CONNECTIONS = 8
MANY = 32  # connections
IN_AN_ARRAY = 100
# So many different events are sent again and again.
KNOWN = 2_000

SIGN = """
from integrations.lifecycle import set_signing_secret
from integrations.models import Integration
set_signing_secret(Integration.objects.get(team__name="Signed"), {secret!r})
"""


def main(arguments: list[str]) -> None:
    """Measure both, and print them."""
    options = measure.asked("door", arguments, rounds=3, seconds=5.0)
    with ground.cluster() as cluster:
        url = ground.fresh(cluster, "door")
        watchkeeper = ground.watchkeeper(url)
        team, signed = watchkeeper.create_team("Bench"), watchkeeper.create_team("Signed")
        secret = new_signing_secret()
        ground.manage(url, "shell", "--verbosity=0", "--command", SIGN.format(secret=secret))
        with watchkeeper as served:
            door = Door(served, team["webhook_path"], team["api_key"], options.seconds)
            door.sign_with(signed["webhook_path"], secret)
            measures: dict[str, Callable[[], float]] = {
                "commits": lambda: ground.pgbench(cluster, round(options.seconds)),
                "singles": lambda: door.single().rate,
                "again": lambda: door.again().rate,
                "signed": lambda: door.signed().rate,
                "many singles": lambda: door.single(MANY).rate,
                "many again": lambda: door.again(MANY).rate,
                "many signed": lambda: door.signed(MANY).rate,
                "keys": lambda: door.key().rate,
                "arrays": lambda: door.arrays().rate * IN_AN_ARRAY,
            }
            for each in measures.values():  # each process has answered and prepared by then
                each()
            door.latencies.clear()
            taken = measure.alternate(options.rounds, *measures.values())
    report(dict(zip(measures, map(median, taken), strict=True)), door.latencies)


def report(rate: dict[str, float], latencies: list[float]) -> None:
    """Print the medians beside their goals."""
    commits, singles, many = rate["commits"], rate["singles"], rate["many singles"]
    measure.show(
        f"The inbound door, {CONNECTIONS} connections; pgbench: {commits:,.0f} one-row commits/s at 8 clients",
        [
            at_least("S1  single events, of pgbench's commits", 100 * singles / commits, 14, "%"),
            at_most("S1  p99", percentile(latencies, 99) * 1000, 10, "ms"),
            at_least("S1  sent again, of new unsigned ones", rate["again"] / singles, 0.67),
            at_least("S1  signed, of new unsigned ones", rate["signed"] / singles, 0.67),
            at_least(f"S1  over {MANY} connections, of pgbench's commits", 100 * many / commits, 22, "%"),
            at_least("S1    sent again, of new unsigned ones", rate["many again"] / many, 0.67),
            at_least("S1    signed, of new unsigned ones", rate["many signed"] / many, 0.67),
            measure.Line("    single events", f"{singles:,.0f} /s"),
            measure.Line("    sent again", f"{rate['again']:,.0f} /s"),
            measure.Line("    signed", f"{rate['signed']:,.0f} /s"),
            measure.Line("    single events with an API key", f"{rate['keys']:,.0f} /s"),
            measure.Line(f"    single events over {MANY} connections", f"{many:,.0f} /s"),
            measure.Line("      sent again", f"{rate['many again']:,.0f} /s"),
            measure.Line("      signed", f"{rate['many signed']:,.0f} /s"),
            at_least("S2  arrays of 100, events of pgbench's commits", 100 * rate["arrays"] / commits, 60, "%"),
            measure.Line("    arrays of 100", f"{rate['arrays']:,.0f} events/s"),
        ],
    )


class Door:
    """The door of one team, and what is sent through it."""

    def __init__(self, served: Running, path: str, key: str, seconds: float) -> None:
        self.served = served
        self.path = path
        self.key_header = {"X_API_Key": key}
        self.seconds = seconds
        self.bodies = vendor.bodies()
        self.together = vendor.bodies(seed=2, together=IN_AN_ARRAY)
        self.known = list(itertools.islice(vendor.bodies(seed=3), KNOWN))
        self.unsigned = vendor.bodies(seed=4)
        self.latencies: list[float] = []
        for some in range(0, KNOWN, IN_AN_ARRAY):
            array = b"[" + b",".join(self.known[some : some + IN_AN_ARRAY]) + b"]"
            self.drive([request("POST", self.path, array)], seconds=0.1)

    def sign_with(self, path: str, secret: str) -> None:
        """The door where signatures are asked for, and what makes them."""
        self.signed_path, self.webhook = path, Webhook(secret)

    def single(self, connections: int = CONNECTIONS) -> Load:
        """Single events, by the token in the URL."""
        load = self.drive((request("POST", self.path, body) for body in self.bodies), connections)
        self.latencies += load.latencies if connections == CONNECTIONS else []
        return load

    def again(self, connections: int = CONNECTIONS) -> Load:
        """Single events that were sent before."""
        known = itertools.cycle(self.known)
        return self.drive((request("POST", self.path, body) for body in known), connections, status=200)

    def signed(self, connections: int = CONNECTIONS) -> Load:
        """Single events with signatures."""
        return self.drive(map(self.signed_request, self.unsigned, itertools.count()), connections)

    def signed_request(self, body: bytes, number: int) -> bytes:
        """A request with the headers of the Standard Webhooks specification."""
        at, called = datetime.now(UTC), f"msg_{id(self)}_{number}_{datetime.now(UTC).timestamp()}"
        signature = self.webhook.sign(called, at, body.decode())
        headers = {"webhook_timestamp": str(int(at.timestamp())), "webhook_signature": signature}
        return request("POST", self.signed_path, body, webhook_id=called, **headers)

    def key(self) -> Load:
        """Single events, by an API key."""
        path = self.path.rpartition("/")[0]
        return self.drive(request("POST", path, body, **self.key_header) for body in self.bodies)

    def arrays(self) -> Load:
        """Arrays of 100 events."""
        return self.drive(request("POST", self.path, body) for body in self.together)

    def drive(
        self, requests: Iterable[bytes], connections: int = CONNECTIONS, status: int = 202, seconds: float | None = None
    ) -> Load:
        """Send for a while with the worker held still, then let it catch up."""
        with held_still(self.served):
            load = drive(self.served.port, iter(requests), connections=connections, seconds=seconds or self.seconds)
        assert set(load.statuses) == {status}, f"not all were taken: {load.statuses} {load.last_body!r}"
        wait_until_applied(self.served.database_url)
        return load


@contextlib.contextmanager
def held_still(served: Running) -> Iterator[None]:
    """The worker does nothing for as long as the with block runs."""
    parts = served.pids
    pids = [pid for pid in (parts.worker_main, parts.worker) if pid]
    assert len(pids) == 2, "no worker runs"
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
