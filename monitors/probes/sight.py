"""
What is known so far while a target is looked at: filled in by a probe as it goes, so that what fails late still tells
what was seen before. `Failure` ends a probe that found its target not up. Not here: what an error means (causes).
"""

from dataclasses import dataclass, field, replace

from config.dialing import Way
from monitors.probes.result import Certificate, Code, Result, Status, Timings
from monitors.probes.target import Target

LONGEST_CAUSE = 500
LONGEST_EXCERPT = 1024  # bytes of UTF-8
MOST_ADDRESSES = 20
# A shorter secret is part of too many words; it would take the excerpt apart and so tell itself.
SHORTEST_HIDDEN = 4
HIDDEN = "[hidden]"


class Failure(Exception):
    """The target is not up, or (`status`) nothing could be seen of it. The text is a sentence for people."""

    def __init__(self, code: Code, cause: str, status: Status = Status.DOWN) -> None:
        super().__init__(cause)
        self.code = code
        self.status = status


@dataclass(slots=True)
class Sight:
    """What a probe has seen of its target."""

    target: Target
    way: Way = field(default_factory=Way)
    host: str = ""  # the target's own
    asked: str = ""  # the one that is spoken to, where a redirect led to another
    status_code: int | None = None
    final_url: str | None = None
    excerpt: str = ""
    certificate: Certificate | None = None
    records: tuple[str, ...] = ()
    retry_after: float | None = None
    is_refused: bool = False
    is_unanswered: bool = False
    secrets: list[str] = field(default_factory=list)
    # Where TLS was begun with at once, for a second look at what was not accepted.
    tls_place: tuple[str, int] | None = None

    @property
    def spoken_to(self) -> str:
        """Whom a cause is about."""
        return self.asked or self.host or self.target.url

    def result(self, seconds: float, failure: Failure | None, stalled: float = 0.0) -> Result:
        """All of it as a Result."""
        found = Result(
            status=Status.UP,
            timings=self._timings(seconds),
            status_code=self.status_code,
            final_url=self.final_url and self._without_secrets(self.final_url),
            excerpt=cut(self._without_secrets(self.excerpt), LONGEST_EXCERPT),
            certificate=self.certificate,
            addresses=self.records or tuple(map(str, self.way.addresses[:MOST_ADDRESSES])),
            address=str(self.way.address) if self.way.address else None,
            retry_after=self.retry_after,
            is_refused=self.is_refused,
            is_unanswered=self.is_unanswered,
            stalled=stalled * 1000,
        )
        if failure is None:
            return found
        cause = self._without_secrets(str(failure))
        cause = cause if len(cause) <= LONGEST_CAUSE else cause[: LONGEST_CAUSE - 1] + "…"
        return replace(found, status=failure.status, code=failure.code, cause=cause)

    def _timings(self, seconds: float) -> Timings:
        parts = {phase: 1000 * took for phase, took in self.way.seconds.items()}
        return Timings(
            name=parts.get("name"),
            connect=parts.get("connect"),
            tls=parts.get("tls"),
            first_byte=parts.get("first_byte"),
            total=1000 * seconds,
        )

    def _without_secrets(self, text: str) -> str:
        """What a target sends may hold what was sent to it."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            if len(secret) >= SHORTEST_HIDDEN:
                text = text.replace(secret, HIDDEN)
        return text


def cut(text: str, most: int) -> str:
    """The beginning of a text, at most so many bytes of UTF-8; what is no text in it is shown as such."""
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")


def readable(text: str) -> str:
    """A text without what moves cursors, turns the reading direction or can't be stored."""
    return "".join(one if one.isprintable() or one in "\n\t" else "\N{REPLACEMENT CHARACTER}" for one in text)
