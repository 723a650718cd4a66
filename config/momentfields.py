"""
Moments that people type, on the pages and in admin, by the reader's clock: with the two hours a year that such a clock
has twice, or not at all.

A time that comes twice, or is skipped, is asked back with both moments that it may mean, each with its offset. Not
here: moments as people read them (config.moments), what only admin has (config.adminforms).
"""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config.moments import exact

# Inside of what the database and every time zone can bear.
FIRST_YEAR, LAST_YEAR = 2000, 2199
OUT_OF_RANGE = f"Enter a day of the years {FIRST_YEAR} to {LAST_YEAR}."
TWICE = "The clocks are set back then, so this time comes twice. Choose which one is meant."
SKIPPED = "The clocks are set forward then, so this time is left out. Choose what is meant."
WHICH = "Which one is meant"


def readings(wall: datetime) -> list[datetime]:
    """The moments that a time on the reader's clock may mean, in their order: one, or two where the clocks change."""
    zone = timezone.get_current_timezone()
    return sorted({wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)})


def wall_of(moment: datetime) -> datetime:
    """A moment as the reader's clock has it."""
    return timezone.localtime(moment).replace(tzinfo=None, fold=0)


def offset_at(moment: datetime) -> str:
    """The reader's offset at a moment: `+02:00`."""
    return exact(moment)[-6:]


def within(moment: datetime, words: str = OUT_OF_RANGE) -> datetime:
    """A moment of the years that can be. Raises ValidationError for any other, in some words."""
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValidationError(words, code="invalid")
    return moment


def meant(wall: datetime | None, offset: str = "") -> datetime | None:
    """
    The moment that a time on the reader's clock means. Raises ValidationError where that may be two and `offset`
    names neither, and for a year out of range.
    """
    if wall is None:
        return None
    possible = readings(within(wall))
    chosen = possible if len(possible) == 1 else [each for each in possible if offset_at(each) == offset]
    if not chosen:
        raise ValidationError(TWICE if wall_of(possible[0]) == wall else SKIPPED, code="unclear")
    return chosen[0]


def offsets(wall: datetime | None) -> list[tuple[str, str]]:
    """The offsets to choose from, each with what it means: none where a time means one moment."""
    if wall is None or not FIRST_YEAR <= wall.year <= LAST_YEAR:
        return []
    possible = readings(wall)
    both = possible if len(possible) > 1 else []
    return [(offset_at(each), f"{local_text(each)[11:]} {offset_at(each)}") for each in both]


def offset_choice(name: str, wall: datetime | None, offset: str, element_id: str) -> SafeString | str:
    """The box in which one of two moments is chosen; nothing where there is just one."""
    possible = offsets(wall)
    if not possible:
        return ""
    options = format_html_join(
        "",
        '<option value="{}"{}>{}</option>',
        ((each, SafeString(" selected") if each == offset else "", words) for each, words in possible),
    )
    return format_html(
        '<select name="{}" id="{}" aria-label="{}"><option value="">{}…</option>{}</select>',
        name, element_id, WHICH, WHICH, options,
    )  # fmt: skip


def local_text(moment: datetime) -> str:
    """A moment as browsers write what was picked: in the reader's time zone, without seconds where they are 0."""
    local = timezone.localtime(moment)
    return f"{local:%Y-%m-%dT%H:%M:%S}" if local.second else f"{local:%Y-%m-%dT%H:%M}"


def offset_name(name: str) -> str:
    """What the box with the offsets is called beside a field."""
    return f"{name}_offset"


def read(text: str) -> datetime | None:
    """The time on a clock that a browser wrote, or the moment that a program did; None for what is neither."""
    try:
        return parse_datetime(text.strip())
    except ValueError:
        return None


# Between a time and the offset that was chosen for it.
AND = " | "


class ClockInput(forms.DateTimeInput):
    """A day and a time to be picked; where that may mean two moments, with a box to choose one."""

    input_type = "datetime-local"

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        text, offset = super().value_from_datadict(data, files, name), data.get(offset_name(name))
        return f"{text}{AND}{offset}" if text and offset else text

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        text, _, offset = str(value or "").partition(AND)
        box = f"{(attrs or {}).get('id', name)}_offset"
        wall = read(text)
        choice = offset_choice(offset_name(name), None if wall and wall.tzinfo else wall, offset, box)
        return format_html("{}{}", super().render(name, text, attrs, renderer), choice)


class LocalMoment(forms.DateTimeField):
    """
    A time as the reader's clock has it, to the second. Prefilled and left alone it is None, for it may be more exact
    than the form can say.
    """

    def __init__(self, *, step: int = 1, range_words: str = OUT_OF_RANGE, **options: Any) -> None:
        super().__init__(widget=ClockInput(attrs={"step": step}), **options)
        self.range_words = range_words

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, datetime):
            return value
        text = local_text(value)
        return f"{text}{AND}{offset_at(value)}" if offsets(wall_of(value)) else text

    def clean(self, value: Any) -> Any:
        if value and isinstance(self.initial, datetime) and value == self.prepare_value(self.initial):
            return None
        return super().clean(value)

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        text, _, offset = str(value).partition(AND)
        wall = read(text)
        if wall is None:
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        within(wall, self.range_words)
        return wall if wall.tzinfo else meant(wall, offset)
