"""
Times as people read them on their own clocks: in the time zone that was activated for the reader.

Not here: their markup (dashboard.templatetags.moments), times on the wire (config.times).
"""

from datetime import datetime, timedelta

from django.utils import timezone

from config.clock import now


def exact(moment: datetime) -> str:
    """`2026-05-13 14:05:00.000 +02:00`, in the reader's time zone."""
    local = timezone.localtime(moment)
    text = local.isoformat(sep=" ", timespec="milliseconds")
    return f"{text[:-6]} {text[-6:]}"


def on_the_clock(moment: datetime, at: datetime) -> str:
    """`14:05`, `yesterday 14:05`, `13 May, 14:05` or `13 May 2025, 14:05`: as much as is needed at that time."""
    local, today = timezone.localtime(moment), timezone.localtime(at)
    clock = f"{local:%H:%M}"
    if local.date() == today.date():
        return clock
    if local.date() == today.date() - timedelta(days=1):
        return f"yesterday {clock}"
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local.day} {local:%b}{year}, {clock}"


def at_time(moment: datetime, at: datetime) -> str:
    """The same in a sentence: `at 10:02`, `yesterday 10:02` or `on 13 May, 10:02`."""
    words = on_the_clock(moment, at)
    if words.startswith("yesterday"):
        return words
    return f"on {words}" if "," in words else f"at {words}"


def offset() -> str:
    """The reader's time zone and its offset now: `Europe/Berlin, +02:00`."""
    return f"{timezone.get_current_timezone_name().replace('_', ' ')}, {exact(now())[-6:]}"
