"""
Marks: states, severities, verdicts and what happened, each as a shape, a word and (last) a tone.

Also how text from outside is shown: isolated (it may run from right to left), clamped, linked only where that is safe.
Not here: times (moments).
"""

from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from config.pages import page_of
from monitors.models import NOTHING_CHECKS
from timeline.events import RESOURCES
from timeline.outbound.models import Standing

register = template.Library()
register.simple_tag(page_of)

# Tones say how worried to be: alarm, watch (somebody is on it, or it may matter), calm, quiet, info.
TONES = {
    # incidents
    "open": "alarm",
    "acknowledged": "watch",
    "resolved": "calm",
    "closed": "quiet",
    "destroyed": "quiet",
    # resources
    "down": "alarm",
    "verifying_recovery": "watch",
    "up": "calm",
    "paused": "quiet",
    "pending": "quiet",
    "maintenance": "info",
    # severities
    "critical": "alarm",
    "major": "alarm",
    "minor": "watch",
    "warning": "info",
    # verdicts on deliveries
    "received": "info",
    "applied": "calm",
    "waiting": "watch",
    "unrecognized": "info",
    "quarantined": "watch",
    "duplicate": "quiet",
    "conflict": "watch",
}

# What happened, by the last word of the fact's name: (icon, tone).
HAPPENINGS = {
    "started": ("open", "alarm"),
    "down": ("down", "alarm"),
    "reopened": ("reopened", "alarm"),
    "acknowledged": ("acknowledged", "watch"),
    "verifying_recovery": ("verifying_recovery", "watch"),
    "escalated": ("escalated", "watch"),
    "severity_changed": ("major", "watch"),
    "resolved": ("resolved", "calm"),
    "up": ("up", "calm"),
    "closed": ("closed", "quiet"),
    "destroyed": ("destroyed", "quiet"),
    "paused": ("paused", "quiet"),
    "unpaused": ("pending", "info"),
    "created": ("created", "info"),
    "grouped": ("grouped", "info"),
    "ungrouped": ("grouped", "info"),
    "assigned": ("person", "info"),
    "updated": ("updated", "info"),
    "comment_added": ("note", "info"),
    "commented": ("note", "info"),
    "corrected": ("updated", "watch"),
}

CLAMP_AT = 280
URL_AT = 300
NAME_AT = 120


def worded(name: str) -> str:
    """A name of the vocabulary as words: `verifying_recovery` → `Verifying recovery`."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


# The same few marks stand in every row of every list.
@register.simple_tag
@lru_cache(maxsize=256)
def icon(name: str) -> SafeString:
    """One drawing of config/static/icons.svg. It never stands alone for a meaning, so ears need not hear it."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        static("icons.svg"),
        name,
    )


@register.filter
def tone(name: str) -> str:
    """The tone of a state, severity or verdict."""
    return TONES.get(name, "quiet")


@register.filter
def words(name: str) -> str:
    """A name of the vocabulary as words."""
    return worded(name)


def chip(name: str, word: str | SafeString, *, title: str = "", classes: str = "") -> SafeString:
    """A state as shape and word on its tone."""
    known = name if name in TONES else "unknown"
    return format_html(
        '<span class="chip tone-{}{}"{}>{} {}</span>',
        TONES.get(name, "quiet"),
        f" {classes}" if classes else "",
        format_html(' title="{}"', title) if title else "",
        icon(known),
        word,
    )


@register.simple_tag
@lru_cache(maxsize=256)
def status_chip(name: str, size: str = "") -> SafeString:
    """An incident's status, or the verdict on a delivery."""
    return chip(name, worded(name), classes=" ".join(filter(None, ["solid" if name == "open" else "", size])))


# How far a message is: (icon, tone).
STANDINGS = {
    Standing.WAITING: ("clock", "info"),
    Standing.DELIVERED: ("applied", "calm"),
    Standing.DEAD: ("conflict", "alarm"),
}


@register.simple_tag
@lru_cache(maxsize=8)
def standing_chip(standing: Standing, size: str = "") -> SafeString:
    """Whether a message waits, was delivered or was given up."""
    shape, colour = STANDINGS[standing]
    return format_html('<span class="chip tone-{} {}">{} {}</span>', colour, size, icon(shape), standing.label)


INFERRED = "Inferred from incidents and events; the source never said it in so many words."


@register.simple_tag
def resource_chip(resource: Any, size: str = "") -> SafeString:
    """A monitor's or heartbeat's state; a dotted edge and the word say that it was inferred."""
    if resource.destroyed_at is not None:
        return chip("destroyed", "Deleted", classes=size)
    if not resource.status_inferred:
        return chip(resource.status, worded(resource.status), classes=size)
    word = format_html("{} <em>inferred</em>", worded(resource.status))
    return chip(resource.status, word, title=INFERRED, classes=f"inferred {size}".strip())


@register.simple_tag
def nothing_checks() -> str:
    """What is to be known of a team's own monitors and heartbeats."""
    return NOTHING_CHECKS


@register.simple_tag
@lru_cache(maxsize=16)
def severity_mark(name: str) -> SafeString:
    """A severity: as many bars as it is bad, and the word."""
    return format_html(
        '<span class="severity tone-{}">{} {}</span>', TONES.get(name, "quiet"), icon(name), worded(name)
    )


@register.simple_tag
def resource_of(incident: Any) -> SafeString:
    """The resource that an incident is about, with a link where it is one of ours to show."""
    kind, name = incident.resource_type, Truncator(incident.resource_name or "").chars(NAME_AT)
    if not (kind or name):
        return format_html('<span class="faded">{}</span>', "no resource named")
    if kind in RESOURCES and incident.resource_id is not None:
        path = page_of(kind, incident.resource_id)
        shown = format_html('<a href="{}"><bdi class="one-line">{}</bdi></a>', path, name or kind)
    else:
        shown = format_html('<bdi class="one-line">{}</bdi>', name)
    return format_html('{} <span class="faded"><bdi>{}</bdi></span>', shown, Truncator(kind or "").chars(40))


@register.simple_tag
def happening(event: str, effect: str = "applied") -> dict[str, str]:
    """The icon and tone of what happened: {"icon", "tone"}. What had no effect is shown as such."""
    if effect == "none":
        return {"icon": "ineffective", "tone": "quiet"}
    shape, colour = HAPPENINGS.get(event.rpartition(".")[2], ("unknown", "quiet"))
    return {"icon": shape, "tone": colour}


@register.filter
def event_words(event: str) -> str:
    """A fact's name as a sentence: `monitor.verifying_recovery` → `Monitor verifying recovery`."""
    return worded(event.replace(".", " "))


@register.simple_tag
def clamped(text: Any, limit: int = CLAMP_AT) -> SafeString:
    """Text from outside: its beginning, and the whole of it one click away."""
    whole = "" if text is None else str(text)
    if len(whole) <= limit:
        return format_html('<bdi class="vendor" dir="auto">{}</bdi>', whole)
    return format_html(
        '<details class="clamp"><summary><span class="beginning vendor" dir="auto">{}…</span> '
        '<span class="unfold">All {} characters</span></summary>'
        '<div class="whole vendor" dir="auto" tabindex="0">{}</div></details>',
        whole[:limit].rstrip(),
        len(whole),
        whole,
    )


@register.simple_tag
def whole(text: str, summary: str) -> SafeString:
    """A text that was cut short above, one click away."""
    return format_html(
        '<details class="disclosure"><summary>{}{}, {} characters</summary>'
        '<div class="raw vendor" dir="auto" tabindex="0">{}</div></details>',
        icon("right"),
        summary,
        len(text),
        text,
    )


@register.simple_tag
def web_address(url: str | None) -> SafeString | str:
    """An address from outside: always shown as text, a link only if a browser may safely follow it."""
    if not url:
        return "–"
    if not is_followable(url):
        return format_html("<bdi>{}</bdi>", Truncator(url).chars(URL_AT))
    return format_html(
        '<a href="{}" rel="noopener noreferrer nofollow" target="_blank"><bdi>{}</bdi></a>',
        url,
        Truncator(url).chars(URL_AT),
    )


def is_followable(url: str) -> bool:
    """Whether an address is plain http or https with a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False
