"""
How values look in Django admin: moments, JSON, text and bytes from strangers, links between records.

Everything from outside is escaped and isolated (it may run from right to left); what is long is cut in lists. Not here:
what the staff's own pages show (templates), or which values there are (each app's admin).
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from config import rawtext
from config.pages import Key, page_of
from config.times import rfc3339

NOTHING = "–"
IN_LISTS = 100


def moment(value: datetime | None) -> SafeString | str:
    """A time to the millisecond, in the reader's time zone; where there is room, with its offset."""
    if value is None:
        return NOTHING
    local = timezone.localtime(value).isoformat(sep=" ", timespec="milliseconds")
    seconds, fraction, offset = local[:-10], local[-10:-6], local[-6:]
    # Lists have hundreds of them, and there is nothing but digits in them that would have to be escaped.
    return mark_safe(  # noqa: S308
        f'<time datetime="{rfc3339(value)}" title="{seconds}{fraction} {offset}">{seconds}'
        f'<span class="fraction">{fraction}<span class="offset"> {offset}</span></span></time>'
    )


def clipped(text: object, at: int = IN_LISTS) -> SafeString | str:
    """The beginning of a text from outside."""
    whole = "" if text is None else str(text)
    if not whole:
        return NOTHING
    cut = whole if len(whole) <= at else whole[: at - 1].rstrip() + "…"
    return format_html("<bdi>{}</bdi>", cut.translate(rawtext.PICTURES))


def whole(text: object) -> SafeString | str:
    """All of a text from outside, up to what a page can bear, with its line breaks."""
    if text is None or text == "":
        return NOTHING
    return written(rawtext.visible(str(text).encode(errors="replace")))


def pretty(value: object) -> SafeString | str:
    """JSON that we keep, indented."""
    if value is None:
        return NOTHING
    return written(rawtext.visible(rawtext.indented(value).encode(errors="replace")))


def raw(body: bytes) -> SafeString:
    """Bytes from outside as text, and how many they are."""
    shown = rawtext.visible(bytes(body))
    kind = "UTF-8 text" if shown.is_utf8 else "not UTF-8; \\x marks bytes that are no text"
    return format_html('{}<p class="quiet">{} bytes, {}</p>', written(shown), shown.size, kind)


def written(shown: rawtext.RawText) -> SafeString:
    """Text in its own lines and spaces; says so where it is cut."""
    text = format_html('<pre class="raw" tabindex="0" dir="auto">{}</pre>', shown.text)
    if not shown.is_cut:
        return text
    return format_html('{}<p class="quiet">Cut: this is the beginning of {} bytes.</p>', text, shown.size)


def state(word: str, label: object = None) -> SafeString:
    """A state in a word; the style sheet knows how worried to be."""
    shown = label or word.replace("_", " ").capitalize()
    return format_html('<span class="state" data-state="{}">{}</span>', word, shown)


def link(model: str, key: Key | None, text: object = None) -> SafeString | str:
    """A link to a record's page in admin; `model` is `app.model` in lower case. Nothing for no key."""
    if key is None:
        return NOTHING
    shown = text if isinstance(text, SafeString) else clipped(key if text is None else text)
    return format_html('<a href="{}">{}</a>', page_in_admin(model, key), shown)


def page_in_admin(model: str, key: Key) -> str:
    """The address of a record's page in admin."""
    return page_of(f"admin:{model.replace('.', '_')}_change", key)


def listing(model: str, **filters: Any) -> str:
    """The address of a model's list in admin, narrowed by filters."""
    address = reverse(f"admin:{model.replace('.', '_')}_changelist")
    return f"{address}?{urlencode(filters)}" if filters else address
