"""
Times and durations as people read them: short at a glance, exact (to the millisecond, with the offset) on demand.

Everything is shown in the time zone that the middleware activated for the reader (dashboard.access). The words are
also in config/static/js/moments.js, which lets them run on while the page stays open.
"""

from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.clock import now
from config.moments import exact, offset, on_the_clock
from config.times import rfc3339

register = template.Library()

MINUTE, HOUR, DAY = 60, 3_600, 86_400
UNITS = (("d", DAY), ("h", HOUR), ("min", MINUTE), ("s", 1))


def ago(moment: datetime, at: datetime) -> str | None:
    """`just now` or `12 min ago` within the last hour; None for every other moment."""
    seconds = (at - moment).total_seconds()
    if not -MINUTE < seconds < HOUR:
        return None
    return "just now" if seconds < MINUTE else f"{int(seconds // MINUTE)} min ago"


def ahead(moment: datetime, at: datetime) -> str | None:
    """`now`, `in a minute` or `in 12 min` within the next hour, and `now` for what was due; None for later."""
    seconds = (moment - at).total_seconds()
    if seconds >= HOUR:
        return None
    if seconds <= 0:
        return "now"
    return f"in {int(seconds // MINUTE)} min" if seconds >= 2 * MINUTE else "in a minute"


def span(seconds: float) -> str:
    """A duration in its two greatest units: `45 s`, `7 min`, `2 h 14 min`, `3 d 4 h`. `0 s` is exactly that."""
    if 0 < seconds < 1:
        return "less than 1 s"
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole} s"
    place = next(index for index, (_, size) in enumerate(UNITS) if whole >= size)
    (unit, size), (lesser, lesser_size) = UNITS[place], UNITS[place + 1]
    rest = whole % size // lesser_size
    return f"{whole // size} {unit} {rest} {lesser}" if rest and lesser != "s" else f"{whole // size} {unit}"


def epoch(moment: datetime) -> int:
    """Milliseconds since 1970, as JavaScript counts."""
    return int(moment.timestamp() * 1000)


def _timed(moment: datetime, short: str, running: SafeString | str = "") -> SafeString:
    """A time in short, and exactly; `running` are attributes that let the short words run on."""
    full = exact(moment)
    return format_html(
        '<time class="moment" datetime="{}" title="{} {}"><span class="short"{}>{}</span>'
        '<span class="exact">{}</span></time>',
        rfc3339(moment), full, timezone.get_current_timezone_name(), running, short, full,
    )  # fmt: skip


@register.simple_tag
def moment(value: datetime | None) -> SafeString | str:
    """A time, as relative or as short as can be; `<time>` with the exact one. Nothing becomes a dash."""
    if value is None:
        return "–"
    at = now()
    recent, clock = ago(value, at), on_the_clock(value, at)
    if recent is None:
        return _timed(value, clock)
    return _timed(value, recent, format_html(' data-ago="{}" data-clock="{}"', epoch(value), clock))


@register.simple_tag
def coming(value: datetime) -> SafeString:
    """A time that is to come, or is overdue, with the exact one: `in 12 min`, within the next hour."""
    at = now()
    soon, clock = ahead(value, at), on_the_clock(value, at)
    if soon is None:
        return _timed(value, clock)
    return _timed(value, soon, format_html(' data-in="{}"', epoch(value)))


@register.simple_tag
def since(value: datetime) -> SafeString:
    """A time as on the clock, `03:08` or `13 May, 03:08`, also where it is minutes ago: for what began and goes on."""
    return _timed(value, on_the_clock(value, now()))


@register.simple_tag
def clock(value: datetime) -> SafeString:
    """A time of day, `14:05`, where the day stands beside it; `<time>` with the exact one."""
    return _timed(value, f"{timezone.localtime(value):%H:%M}")


@register.simple_tag
def exactly(value: datetime | None) -> SafeString | str:
    """The whole time, where it is asked for: with milliseconds and offset."""
    if value is None:
        return "–"
    return format_html('<time datetime="{}">{}</time>', rfc3339(value), exact(value))


@register.simple_tag
def lasting(started: datetime, ended: datetime | None = None) -> SafeString | str:
    """How long something lasted; without an end, how long it has lasted so far (and it runs on in the page)."""
    if ended is not None:
        return span((ended - started).total_seconds())
    elapsed = span((now() - started).total_seconds())
    return format_html('<span data-lasting="{}">{}</span>', epoch(started), elapsed)


@register.filter
def spanning(seconds: float) -> str:
    """A number of seconds as a duration, e.g. `7 min`."""
    return span(seconds)


@register.simple_tag
def dated_ahead(seconds: float) -> str:
    """How far ahead something is dated, e.g. `20 h`; no year of it is counted beyond a hundred."""
    return "more than 100 years" if seconds > 36_525 * DAY else span(seconds)


@register.filter
def day(value: datetime) -> str:
    """`Today`, `Yesterday`, `Wednesday 13 May` or `Tuesday 13 May 2025`, in the reader's time zone."""
    local, today = timezone.localtime(value), timezone.localtime(now())
    if local.date() == today.date():
        return "Today"
    if local.date() == today.date() - timedelta(days=1):
        return "Yesterday"
    return f"{local:%A} {local.day} {local:%B}" + ("" if local.year == today.year else f" {local.year}")


register.simple_tag(offset)


@register.simple_tag
def epoch_now() -> int:
    """The server's present, for pages whose own clock may be wrong."""
    return epoch(now())


@register.simple_tag
def moment_now() -> datetime:
    """The present moment, to be shown by `moment` or `clock`."""
    return now()
