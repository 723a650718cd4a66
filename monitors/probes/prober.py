"""
The Prober: looks at targets, any number at the same time, and makes a Result of whatever comes of it.

One for each process: it owns the resolver's threads, the HTTP session and the clock that tells when our own process
stood still. A check that ran out of time while it did says nothing about its target; neither does one whose name was
not looked up while our resolver answers for no name. Not here: what is said in each protocol (http, mail, ports,
records, icmp), the words for errors (causes).
"""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

import structlog

from config.dialing import Dialer, Resolve, Unanswered
from config.networks import NetworkTable
from config.tls_contexts import tls_context
from monitors.probes import causes
from monitors.probes.certificates import words_of
from monitors.probes.http import look_at_http, open_session
from monitors.probes.icmp import look_at_host
from monitors.probes.mail import look_at_mail
from monitors.probes.ports import look_at_tcp, look_at_tls, look_at_udp
from monitors.probes.records import look_at_name
from monitors.probes.requests import Request
from monitors.probes.result import Code, Result, Status
from monitors.probes.sight import Failure, Sight
from monitors.probes.streams import look_at_untrusted
from monitors.probes.target import HTTP_TYPES, Target, Type

log = structlog.get_logger(__name__)

# Seconds for what may still be done after a check's time: whether our resolver lives, what an untrusted certificate
# says.
AFTERWARDS = 1.0
# How often the loop's own pace is looked at; later by more than `LATE` it stood still.
TICK, LATE = 0.25, 0.25
# A check whose time was over proves nothing if our process stood still for this part of it, or for so many seconds.
STOOD_STILL_PART, STOOD_STILL = 0.2, 1.0


class Prober:
    """
    Looks at targets. An async context manager. `table`: where monitors may look; may be replaced at any time
    (`prober.table = …`). `bundle`: the file of WATCHKEEPER_CA_BUNDLE. For tests, `resolve` stands in for the system's
    resolver.
    """

    def __init__(self, table: NetworkTable, *, bundle: str = "", resolve: Resolve | None = None) -> None:
        self.dialer = Dialer(table, resolve=resolve)
        self.bundle = bundle
        self.pace = Pace()

    @property
    def table(self) -> NetworkTable:
        """Where monitors may look."""
        return self.dialer.table

    @table.setter
    def table(self, table: NetworkTable) -> None:
        self.dialer.table = table

    async def __aenter__(self) -> Self:
        # The usual ones are made now: later the loop would stand still meanwhile.
        await asyncio.to_thread(self._plain_context, True)
        await asyncio.to_thread(self._plain_context, False)
        self.session = open_session(self.dialer)
        self.pace.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pace.stop()
        await self.session.close()
        self.dialer.close()

    async def probe(self, target: Target) -> Result:
        """Look at a target. Raises nothing; ends within its `request_timeout` and a second, whatever it does."""
        sight = Sight(target)
        loop = asyncio.get_running_loop()
        began, stalled = loop.time(), self.pace.stalled()
        failure: Failure | None = None
        try:
            async with asyncio.timeout(target.request_timeout) as limit:
                await self._look(sight)
        except Exception as error:
            is_late = limit.expired() and isinstance(error, TimeoutError)
            failure = self._late(sight) if is_late else self._failed(sight, error)
        seconds = loop.time() - began
        stalled = self.pace.stalled() - stalled
        if failure is not None:
            failure = await self._afterwards(sight, failure, stalled)
        return sight.result(seconds, failure, stalled)

    async def _look(self, sight: Sight) -> None:
        """Look at a target in the way of its type."""
        target, dialer = sight.target, self.dialer
        if target.type in HTTP_TYPES:
            first, later = await self._contexts(target)
            await look_at_http(self.session, sight, lambda request: trusted(request, first, later))
        elif target.type in (Type.SMTP, Type.IMAP, Type.POP):
            await look_at_mail(dialer, sight, (await self._contexts(target))[0])
        elif target.type == Type.TLS:
            await look_at_tls(dialer, sight, (await self._contexts(target))[0])
        else:
            await OTHERS[target.type](dialer, sight)

    async def _contexts(self, target: Target) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        """Who is trusted and who we are, for the target's own origin; and for others, which are not told who we are."""
        if not (target.client_certificate or (target.verify_ssl and target.ca_certificate)):
            plain = self._plain_context(target.verify_ssl)
            return plain, plain
        try:
            first = await asyncio.to_thread(self._context, target, target.client_certificate, target.client_key)
            return first, await asyncio.to_thread(self._context, target)
        except ValueError as error:
            raise Failure(Code.SSL_ERROR, str(error), Status.INCONCLUSIVE) from None

    def _plain_context(self, verify: bool) -> ssl.SSLContext:
        return tls_context(verify=verify, bundle=self.bundle if verify else "")

    def _context(self, target: Target, certificate: str | None = None, key: str | None = None) -> ssl.SSLContext:
        return tls_context(
            verify=target.verify_ssl,
            bundle=self.bundle if target.verify_ssl else "",
            authority=target.ca_certificate if target.verify_ssl else None,
            certificate=certificate,
            key=key,
        )

    def _late(self, sight: Sight) -> Failure:
        """The time of a check is over."""
        phase = "records" if sight.target.type == Type.DNS and sight.way.phase == "first_byte" else sight.way.phase
        sight.is_unanswered = phase == "name" or (sight.target.type == Type.DNS and not sight.records)
        return causes.timed_out(phase, sight.spoken_to, sight.target.request_timeout)

    def _failed(self, sight: Sight, error: Exception) -> Failure:
        """What an error of a check means."""
        host = sight.spoken_to
        sight.is_unanswered = isinstance(error, Unanswered)
        if isinstance(error, Failure):
            return error
        if isinstance(error, TimeoutError):
            return causes.timed_out(sight.way.phase, host, sight.target.request_timeout)
        if failure := causes.failure_of(sight.way.broken or error, host):
            return failure
        log.warning("a probe failed for a reason that nobody thought of", type=sight.target.type, exc_info=error)
        return Failure(Code.OTHER, "This checker failed to look; its log says more.", Status.INCONCLUSIVE)

    async def _afterwards(self, sight: Sight, failure: Failure, stalled: float) -> Failure:
        """What a failure is worth, and what can still be seen of a certificate that was not accepted."""
        timeout = sight.target.request_timeout
        is_late = failure.code == Code.TIMEOUT or sight.is_unanswered
        if is_late and stalled > min(STOOD_STILL, timeout * STOOD_STILL_PART):
            return Failure(failure.code, "This checker was too busy to look in time.", Status.INCONCLUSIVE)
        asks_system = sight.target.type != Type.DNS or not sight.target.dns_server
        if sight.is_unanswered and asks_system and not await self._resolver_answers():
            words = "The resolver of this checker answers for no name."
            return Failure(Code.DNS_ERROR, words, Status.INCONCLUSIVE)
        if failure.code == Code.SSL_ERROR and sight.certificate is None and sight.tls_place:
            return await self._with_certificate(sight, failure, sight.tls_place)
        return failure

    async def _resolver_answers(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(AFTERWARDS):
                return await self.dialer.resolver_answers()
        return False

    async def _with_certificate(self, sight: Sight, failure: Failure, place: tuple[str, int]) -> Failure:
        """Look at a certificate once more without trusting it, and say with it what is wrong with it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(AFTERWARDS):
                await look_at_untrusted(self.dialer, sight, *place)
        start, found, problem = str(failure).partition("is not accepted: ")
        if sight.certificate is None or not found:
            return failure
        problem = words_of(problem.removesuffix("."), sight.certificate)
        sight.certificate = replace(sight.certificate, problem=problem)
        return Failure(failure.code, f"{start}{found}{problem}.", failure.status)


OTHERS = {
    Type.PING: look_at_host,
    Type.TCP: look_at_tcp,
    Type.UDP: look_at_udp,
    Type.DNS: look_at_name,
}


def trusted(request: Request, first: ssl.SSLContext, later: ssl.SSLContext) -> ssl.SSLContext:
    """The context for a request's origin."""
    return first if request.is_first_origin else later


class Pace:
    """For how long the event loop stood still, all in all: a bell that rings late tells."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.next: float | None = None
        self.bell: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Ring from now on."""
        loop = asyncio.get_running_loop()
        self.seconds += self._late_by(loop.time())
        self.next = loop.time() + TICK
        self.bell = loop.call_at(self.next, self.start)

    def stop(self) -> None:
        """Ring no more."""
        if self.bell is not None:
            self.bell.cancel()

    def stalled(self) -> float:
        """Seconds, also of a standstill whose bell has not rung yet."""
        return self.seconds + self._late_by(asyncio.get_running_loop().time())

    def _late_by(self, now: float) -> float:
        late = 0.0 if self.next is None else now - self.next
        return late if late > LATE else 0.0
