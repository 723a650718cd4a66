"""
The sender: what the engine takes up is signed and sent, many at a time, on an event loop in a thread of the worker's.

Each attempt goes by config.egress, the one guarded way out. When the leases could not be renewed in time, nothing more
of what is in hand is begun: somebody else may be sending it by now. Not here: what is due and what an attempt comes to
(engine, settling, retrying).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import Error, InterfaceError, InternalError, OperationalError, connection
from standardwebhooks.webhooks import Webhook

from config import clock
from config.egress import Failed, Outward, Refused
from config.health import report_loop
from config.signing import signed
from config.troubles import Troubles
from config.vault import CannotOpen, open_sealed
from timeline.outbound.engine import Engine, after_a_jump
from timeline.outbound.installation import look, this_installation
from timeline.outbound.models import Endpoint
from timeline.outbound.pacing import MOST_IN_HAND, InHand
from timeline.outbound.retrying import Outcome
from timeline.outbound.settling import Ended, Parcel

log = structlog.get_logger(__name__)

Found = TypeVar("Found")

LOOP = "send"
# How long it waits when nothing is due, and between any two turns.
IDLE_SECONDS, BUSY_SECONDS = 0.05, 0.01
TROUBLE_SECONDS = 0.5
REPORT_EVERY = 5.0
# How long what is being sent may take when the worker is told to stop.
LAST_PATIENCE = 3.0
# So many attempts at one endpoint at the same time, and at all of them.
AT_ONCE, CONNECTIONS = 32, 256
# What is kept of an answer, and of all answers that are written down in one turn.
EXCERPT = 64 * 1024
EXCERPTS = 4 * 1024 * 1024
UNSPEAKABLE = "What came of it could not be written down."
CANNOT_SIGN = "None of the present encryption keys opens the signing secret. Rotate it."


@lru_cache(maxsize=1024)
def signer(sealed: bytes) -> Webhook:
    """What signs with a secret. Raises CannotOpen."""
    return Webhook(open_sealed(sealed))


def hang_up() -> None:
    """Give the database back the connection of the thread that this is called in."""
    with suppress(Error):
        connection.close()


def report(said: str = "") -> None:
    """Tell /workz that it runs, why nothing is sent where that is so, and else what is to be `said` of the worker."""
    paused = this_installation().paused_why
    report_loop(LOOP, detail=f"Sending is paused. {paused}" if paused else said)


def since(tick: float) -> tuple[datetime, datetime]:
    """Beginning and end of what began at a tick and ends now, by the clock as it is now: it may have been set."""
    now = clock.now()
    return clock.milliseconds(now - timedelta(seconds=time.monotonic() - tick)), now


@dataclass
class Place:
    """What is in hand for one endpoint: what waits for one of its lines, and what each line is sending."""

    waiting: deque[tuple[Parcel, Endpoint]] = field(default_factory=deque)
    lines: dict[asyncio.Task[None], Parcel | None] = field(default_factory=dict)

    def messages(self) -> set[int]:
        """The ids of the messages."""
        under_way = {parcel.message_id for parcel in self.lines.values() if parcel}
        return under_way | {parcel.message_id for parcel, _ in self.waiting}


class Sender:
    """Sends until it is told to stop."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.stopping = False
        # What is in hand, by endpoint, and what came of attempts that is not written down yet.
        self.places: dict[int, Place] = {}
        self.ended: list[Ended] = []
        # Whether something that is said to be in our hands may not be.
        self.unsure = False
        # How much of what ended is written down in one turn.
        self.at_most = MOST_IN_HAND
        self.report_at = 0.0
        self.troubles = Troubles()
        # None until the first turn, which puts right what was scheduled before we were there to notice.
        self.watch: clock.Watch | None = None
        # Everything in the database is done in one thread, with its own connection.
        self.database = ThreadPoolExecutor(1, "sender-database")
        self.news = asyncio.Event()

    def stop(self) -> None:
        """Ask it to end."""
        self.stopping = True

    def run(self) -> None:
        """Send until told to stop; whatever goes wrong is logged, and it begins again."""
        while not self.stopping:
            try:
                asyncio.run(self.work())
            except Error as error:
                self.troubles.tell(log.warning, "database trouble", LOOP, error, error=str(error))
                self.wait_out()
            except (Exception, asyncio.CancelledError) as error:
                self.troubles.tell(log.exception, "sender failed, beginning again", LOOP, error)
                self.wait_out()
        self.database.submit(hang_up).result()
        self.database.shutdown()

    def wait_out(self) -> None:
        """Give the database back its connection, and pause; what was in hand is found by the next turn."""
        self.unsure = True
        self.database.submit(hang_up).result()
        time.sleep(TROUBLE_SECONDS)

    async def work(self) -> None:
        """Take turns, and send what they bring."""
        self.anywhere = asyncio.Semaphore(CONNECTIONS)
        self.news = asyncio.Event()
        async with Outward(settings.WEBHOOK_NETWORKS, at_once=CONNECTIONS) as outward:
            try:
                await self.in_database(partial(look, clock.now()))
                while not self.stopping:
                    await self.rest(await self.turn(outward))
                await self.end()
            finally:
                self.drop(lambda parcel: True)
                self.places, self.ended = {}, []

    async def rest(self, seconds: float) -> None:
        """Wait for the next turn, which comes sooner where something ended that others may be waiting behind."""
        await asyncio.sleep(BUSY_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds - BUSY_SECONDS):
                await self.news.wait()

    async def turn(self, outward: Outward) -> float:
        """One turn; how long to wait until the next."""
        ended, unsure, self.unsure = self.portion(), self.unsure, False
        try:
            parcels = await self.in_database(partial(self.in_turn, ended, self.in_hand(), unsure))
        except Error as error:
            await self.failed(ended, error)
            return TROUBLE_SECONDS
        self.troubles.are_over(LOOP)
        self.at_most = min(2 * self.at_most, MOST_IN_HAND)
        self.drop(lambda parcel: not self.is_ours(parcel))
        for parcel, endpoint in parcels:
            self.places.setdefault(parcel.endpoint_id, Place()).waiting.append((parcel, endpoint))
        for place in self.places.values():
            self.open_lines(outward, place)
        return BUSY_SECONDS if parcels or ended else IDLE_SECONDS

    async def failed(self, ended: Sequence[Ended], error: Error) -> None:
        """
        A turn failed, but may have been committed: what was taken up then, unknown to us, is found by the next. Where
        the line is not to blame, what ended is written down in ever smaller portions; and of one that can't be written
        down by itself, that.
        """
        self.unsure = True
        if isinstance(
            error, OperationalError | InterfaceError | InternalError
        ):  # the last says read-only, among others
            self.troubles.tell(log.warning, "database trouble", LOOP, error, error=str(error))
        else:
            self.troubles.tell(log.exception, "a turn failed", LOOP, error, ended=len(ended), exc_info=error)
            self.at_most = max(len(ended) // 2, 1)
            if len(ended) == 1:
                [(parcel, outcome)] = ended
                ended = [(parcel, Outcome(outcome.started_at, outcome.ended_at, error=UNSPEAKABLE))]
        self.ended = [*ended, *self.ended]
        await self.in_database(hang_up)

    def portion(self) -> list[Ended]:
        """Of what ended, as much as can be held in memory when it is written down; nearly always all."""
        size, number = 0, 0
        for _, outcome in self.ended[: self.at_most]:
            size += len(outcome.excerpt)
            if number and size > EXCERPTS:
                break
            number += 1
        portion, self.ended = self.ended[:number], self.ended[number:]
        if not self.ended:
            self.news.clear()
        return portion

    def in_hand(self) -> InHand:
        """By endpoint, the messages that are being sent or whose end is to be written down later."""
        self.places = {identity: place for identity, place in self.places.items() if place.waiting or place.lines}
        found = {identity: place.messages() for identity, place in self.places.items()}
        for parcel, _ in self.ended:
            found.setdefault(parcel.endpoint_id, set()).add(parcel.message_id)
        return found

    def in_turn(self, ended: Sequence[Ended], in_hand: InHand, unsure: bool) -> list[tuple[Parcel, Endpoint]]:
        """What a turn does in the database."""
        self.look_at_the_clock()
        at = clock.now()
        parcels = self.engine.turn(at, ended, in_hand, unsure=unsure)
        endpoints = Endpoint.objects.in_bulk({parcel.endpoint_id for parcel in parcels}) if parcels else {}
        if time.monotonic() >= self.report_at:
            report(self.watch.words() if self.watch else "")
            self.report_at = time.monotonic() + REPORT_EVERY
        return [(parcel, endpoints[parcel.endpoint_id]) for parcel in parcels]

    def look_at_the_clock(self) -> None:
        """Where it was set, also before we began, put right what was scheduled by it."""
        begins, self.watch = self.watch is None, self.watch or clock.Watch()
        by = self.watch.jumped()
        if begins or by:
            try:
                after_a_jump(clock.now(), by)
            except BaseException:
                self.watch = None
                raise
            self.report_at = 0.0

    async def in_database(self, work: Callable[[], Found]) -> Found:
        """Have something done in the database's thread."""
        return await asyncio.get_running_loop().run_in_executor(self.database, work)

    def is_ours(self, parcel: Parcel) -> bool:
        """Whether it is still in our hands: somebody else may have taken it over."""
        return self.engine.leases.tokens.get(parcel.endpoint_id) == parcel.token

    def drop(self, is_lost: Callable[[Parcel], bool]) -> None:
        """Let go of some of what is in hand."""
        for place in self.places.values():
            place.waiting = deque(each for each in place.waiting if not is_lost(each[0]))
            for task in [task for task, parcel in place.lines.items() if parcel and is_lost(parcel)]:
                task.cancel()
                del place.lines[task]

    async def end(self) -> None:
        """Wait for what is being sent, write it down, and give the rest back."""
        for place in self.places.values():
            place.waiting.clear()
        lines = [task for place in self.places.values() for task in place.lines]
        if lines:
            await asyncio.wait(lines, timeout=LAST_PATIENCE)
        ended, self.ended = self.ended, []
        await self.in_database(partial(self.engine.stop, clock.now(), ended))

    def open_lines(self, outward: Outward, place: Place) -> None:
        """Let as many attempts at an endpoint be made at once as there are messages and may be."""
        for _ in range(min(len(place.waiting), AT_ONCE - len(place.lines))):
            task = asyncio.create_task(self.line(outward, place))
            place.lines[task] = None
            task.add_done_callback(lambda done: place.lines.pop(done, None))

    async def line(self, outward: Outward, place: Place) -> None:
        """Send one message after the other while any waits, and keep what came of each for the next turn."""
        this = asyncio.current_task()
        assert this
        while place.waiting:
            async with self.anywhere:
                if not place.waiting:
                    return
                parcel, endpoint = place.waiting.popleft()
                if not self.engine.leases.are_good:
                    self.unsure = True
                    continue
                place.lines[this] = parcel
                outcome = await self.outcome(outward, parcel, endpoint)
                place.lines[this] = None
                self.ended.append((parcel, outcome))
                self.news.set()

    async def outcome(self, outward: Outward, parcel: Parcel, endpoint: Endpoint) -> Outcome:
        """Send one message; what came of it."""
        now, tick = clock.now(), time.monotonic()
        try:
            signers = [signer(sealed) for sealed in endpoint.sealed_secrets_at(now)]
            headers = signed(signers, parcel.webhook_id, now, parcel.body) | {"content-type": "application/json"}
            answer = await outward.post(endpoint.url, parcel.body.encode(), headers)
        except (Refused, Failed) as error:
            return Outcome(*since(tick), error=str(error))
        except CannotOpen:
            return Outcome(*since(tick), error=CANNOT_SIGN)
        except Exception:
            log.exception("attempt failed", message=parcel.message_id)
            return Outcome(*since(tick), error="It could not be sent.")
        excerpt = answer.excerpt[:EXCERPT].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
        return Outcome(*since(tick), answer.status, excerpt=excerpt, retry_after=answer.retry_after)
