"""
The sender: what the engine takes up is signed and sent, many at a time, on an event loop in a thread of the worker's.

Each attempt goes by config.egress, the one guarded way out. When the leases could not be renewed in time, everything in
hand is dropped: somebody else may be sending it by now. Not here: what is due and what an attempt comes to (engine,
retrying).
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial

import structlog
from django.conf import settings
from django.db import Error, connection
from standardwebhooks.webhooks import Webhook

from config import clock
from config.egress import Failed, Outward, Refused
from config.health import report_loop
from config.signing import signed
from config.vault import CannotOpen
from timeline.outbound.engine import Ended, Engine, Parcel, oldest_due
from timeline.outbound.installation import look
from timeline.outbound.models import Endpoint
from timeline.outbound.retrying import Outcome

log = structlog.get_logger(__name__)

LOOP = "send"
# How long it waits when nothing is due, and between two turns of which the first found something.
IDLE_SECONDS, BUSY_SECONDS = 0.05, 0.005
TROUBLE_SECONDS = 0.5
REPORT_EVERY = 5.0
# How long what is being sent may take when the worker is told to stop.
LAST_PATIENCE = 3.0
# So many attempts at one endpoint at the same time, and at all of them.
AT_ONCE, CONNECTIONS = 32, 512
EXCERPT = 64 * 1024
CANNOT_SIGN = "None of the present encryption keys opens the signing secret. Rotate it."


@lru_cache(maxsize=1024)
def signer(secret: str) -> Webhook:
    """What signs with a secret."""
    return Webhook(secret)


def hang_up() -> None:
    """Give the database back the connection of the thread that this is called in."""
    connection.close()


class Sender:
    """Sends until it is told to stop."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.stopping = False
        self.ended: list[Ended] = []
        self.endpoints: dict[int, Endpoint] = {}
        self.tasks: dict[asyncio.Task[None], Parcel] = {}
        self.places: dict[int, asyncio.Semaphore] = {}
        self.report_at = 0.0
        # Everything in the database is done in one thread, with its own connection.
        self.database = ThreadPoolExecutor(1, "sender-database")

    def stop(self) -> None:
        """Ask it to end."""
        self.stopping = True

    def run(self) -> None:
        """Send until told to stop; whatever goes wrong is logged, and it begins again."""
        while not self.stopping:
            try:
                asyncio.run(self.work())
            except Exception:
                log.exception("sender failed, beginning again")
                time.sleep(TROUBLE_SECONDS)
        self.database.submit(hang_up).result()
        self.database.shutdown()

    async def work(self) -> None:
        """Take turns, and send what they bring."""
        self.places = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))
        await self.in_database(partial(look, clock.now()))
        async with Outward(settings.WEBHOOK_NETWORKS, at_once=CONNECTIONS) as outward:
            try:
                while not self.stopping:
                    await asyncio.sleep(await self.turn(outward))
                await self.end()
            finally:
                self.drop()

    async def turn(self, outward: Outward) -> float:
        """One turn; how long to wait until the next."""
        ended, self.ended = self.ended, []
        in_hand = Counter(parcel.endpoint_id for parcel in self.tasks.values())
        try:
            parcels = await self.in_database(partial(self.in_turn, ended, in_hand))
        except Error as error:
            log.warning("database trouble", step=LOOP, error=str(error))
            await self.wait_out(ended)
            return TROUBLE_SECONDS
        for parcel in parcels:
            task = asyncio.create_task(self.attempt(outward, parcel))
            self.tasks[task] = parcel
            task.add_done_callback(self.tasks.pop)
        return BUSY_SECONDS if parcels or ended else IDLE_SECONDS

    def in_turn(self, ended: Sequence[Ended], in_hand: Counter[int]) -> list[Parcel]:
        """What a turn does in the database."""
        at = clock.now()
        parcels = self.engine.turn(at, ended, in_hand)
        wanted = {parcel.endpoint_id for parcel in parcels}
        if wanted:
            self.endpoints |= Endpoint.objects.in_bulk(wanted)
        if time.monotonic() >= self.report_at:
            oldest = oldest_due()
            report_loop(LOOP, at, max(0.0, (at - oldest).total_seconds()) if oldest else 0.0)
            self.report_at = time.monotonic() + REPORT_EVERY
        return parcels

    async def in_database(self, work):  # type: ignore[no-untyped-def]
        """Have something done in the database's thread."""
        return await asyncio.get_running_loop().run_in_executor(self.database, work)

    async def wait_out(self, ended: Sequence[Ended]) -> None:
        """Keep what is not written down yet, as long as the leases are good; then nothing of it is ours to write."""
        await self.in_database(hang_up)
        if time.monotonic() < self.engine.good_until:
            self.ended = [*ended, *self.ended]
            return
        self.drop()
        self.engine = Engine()

    def drop(self) -> None:
        """Let go of everything in hand."""
        for task in list(self.tasks):
            task.cancel()
        self.ended = []

    async def end(self) -> None:
        """Wait for what is being sent, write it down, and give the rest back."""
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=LAST_PATIENCE)
        ended = self.ended
        self.drop()
        await self.in_database(lambda: self.engine.stop(clock.now(), ended))

    async def attempt(self, outward: Outward, parcel: Parcel) -> None:
        """Send one message, and keep what came of it for the next turn."""
        async with self.places[parcel.endpoint_id]:
            if time.monotonic() >= self.engine.good_until:
                return
            self.ended.append((parcel, await self.outcome(outward, parcel)))

    async def outcome(self, outward: Outward, parcel: Parcel) -> Outcome:
        """Send one message; what came of it."""
        begun = clock.now()
        endpoint = self.endpoints[parcel.endpoint_id]
        try:
            signers = [signer(secret) for secret in endpoint.secrets_at(begun)]
            headers = signed(signers, parcel.webhook_id, begun, parcel.body) | {"content-type": "application/json"}
            answer = await outward.post(endpoint.url, parcel.body.encode(), headers)
        except (Refused, Failed) as error:
            return Outcome(begun, clock.now(), error=str(error))
        except CannotOpen:
            return Outcome(begun, clock.now(), error=CANNOT_SIGN)
        except Exception:
            log.exception("attempt failed", message=parcel.message_id)
            return Outcome(begun, clock.now(), error="It could not be sent.")
        excerpt = answer.excerpt[:EXCERPT].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
        return Outcome(begun, clock.now(), answer.status, excerpt=excerpt, retry_after=answer.retry_after)
