"""
How often each integration is heard from, so that its silence is noticed.

The *usual gap* is the gap between two deliveries in which a moment of the last weeks lay, on average: the sum of the
gaps' squares divided by their sum. A source that sends every five minutes has five minutes; of one that sends a dozen
events at once and then none for two days, the two days count and the dozen does not. What is long ago fades, by a
factor of e in a fortnight. Sums are all that is kept, so a look costs what came since the last one. A source that was
known for less than a day has no usual gap.

Not here: showing it (dashboard.views.overview), taking deliveries in (integrations.ingest).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from integrations.models import Hearing, InboundDelivery, Integration

FADES_IN = timedelta(days=14)
# What is known of a shorter time says nothing of what is usual.
LONG_ENOUGH = timedelta(days=1)
# A source is silent after so many of its usual gaps, each of which counts as this at least.
SILENT_AFTER = 3
SHORTEST_GAP = timedelta(minutes=1)
# So many integrations are looked at in a turn, and so many of what each sent since the last look.
AT_ONCE = 100
DELIVERIES_AT_ONCE = 1_000
EVERY = timedelta(minutes=1)


def with_last_heard(integrations: QuerySet[Integration]) -> QuerySet[Integration]:
    """Integrations with `heard_at`, when each sent its last delivery."""
    # The id is found first, because that takes an index alone; asked for the time at once, PostgreSQL may walk through
    # everybody's deliveries.
    here = InboundDelivery.objects.filter(integration=OuterRef(OuterRef("pk"))).order_by("-id")
    latest = InboundDelivery.objects.filter(pk=Subquery(here.values("pk")[:1]))
    return integrations.annotate(heard_at=Subquery(latest.values("received_at")[:1]))


@dataclass(frozen=True)
class Rhythm:
    """When something was heard last, and the fading sums of the gaps before, in seconds, and of their squares."""

    heard_at: datetime
    gaps: float = 0.0
    squares: float = 0.0

    def then(self, heard_at: datetime) -> "Rhythm":
        """As it is after the next delivery."""
        gap = max(0.0, (heard_at - self.heard_at).total_seconds())
        fading = exp(-gap / FADES_IN.total_seconds())
        return Rhythm(max(self.heard_at, heard_at), self.gaps * fading + gap, self.squares * fading + gap * gap)

    @property
    def usual_gap(self) -> timedelta | None:
        """The usual gap; None while too little is known."""
        if self.gaps < LONG_ENOUGH.total_seconds():
            return None
        return max(SHORTEST_GAP, timedelta(seconds=self.squares / self.gaps))


def after(rhythm: Rhythm | None, moments: Iterable[datetime]) -> Rhythm | None:
    """A rhythm after further deliveries, in their order."""
    for moment in moments:
        rhythm = Rhythm(moment) if rhythm is None else rhythm.then(moment)
    return rhythm


def is_silent(rhythm: Rhythm | None, heard_at: datetime, at: datetime) -> bool:
    """Whether a source that was last heard at a moment has been silent for much longer than it usually is."""
    usual = rhythm.usual_gap if rhythm else None
    return usual is not None and at - heard_at > SILENT_AFTER * usual


def rhythm_of(known: Hearing | None) -> Rhythm | None:
    """What is kept of an integration, as a rhythm."""
    return Rhythm(known.heard_at, known.gaps, known.squares) if known else None


# --- the worker's step ------------------------------------------------------------------------------------------------


def listen(at: datetime) -> int:
    """
    Take in what came since the last look. No work that waits for a next turn, ever: what comes meanwhile has time until
    the next look, so it answers 0.
    """
    for integration in with_news():
        take_in(integration)
    return 0


def with_news() -> QuerySet[Integration]:
    """Open integrations that were heard from since the last look, those looked at longest ago first."""
    newest = InboundDelivery.objects.filter(integration=OuterRef("pk")).order_by("-id").values("pk")[:1]
    told = Integration.objects.filter(deactivated_at=None).annotate(
        newest=Subquery(newest), known=Coalesce(F("hearing__delivery_id"), 0)
    )
    return told.filter(newest__gt=F("known")).select_related("hearing").order_by("known")[:AT_ONCE]


def take_in(integration: Integration) -> None:
    """Bring what is kept of one integration up to date, unless another worker did meanwhile."""
    known: Hearing | None = getattr(integration, "hearing", None)
    since = known.delivery_id if known else 0
    news = InboundDelivery.objects.filter(integration=integration, pk__gt=since).order_by("-id")
    rows = list(news.values_list("pk", "received_at")[:DELIVERIES_AT_ONCE])
    if not rows:
        return
    moments = [moment for _, moment in reversed(rows)]
    before = rhythm_of(known)
    if before and len(rows) == DELIVERIES_AT_ONCE:
        # What came between is not looked at; the gap before these is not known, and there was none worth counting.
        before = Rhythm(max(before.heard_at, moments[0]), before.gaps, before.squares)
    heard = after(before, moments)
    assert heard is not None
    kept = {"delivery_id": rows[0][0], "heard_at": heard.heard_at, "gaps": heard.gaps, "squares": heard.squares}
    if known:
        Hearing.objects.filter(pk=known.pk, delivery_id=since).update(**kept)
    else:
        Hearing.objects.bulk_create([Hearing(integration=integration, **kept)], ignore_conflicts=True)
