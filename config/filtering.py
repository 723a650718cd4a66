"""
What lists can be narrowed by: one FilterSet (django-filter) for each kind of record serves its list in the API, on the
pages and in Django admin.

A filter says once how its text is read (a strict field of `config.fields`), what it asks of the database, and where it
is found: under which name, and on pages with which control. django-filter's own fields are laxer than what we promise:
they take `1.5`, `1e3` and a bare date. Not here: reading page by page (config.paging), Django admin's margin
(config.changelist).
"""

import copy
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar

import django_filters
from django import forms
from django.db.models import QuerySet, TextChoices
from django.http import QueryDict
from rest_framework import serializers
from rest_framework.fields import empty

from config.fields import (
    ListQuery,
    Once,
    QueryBoolean,
    QueryChoices,
    QueryInteger,
    StrictChar,
    StrictChoice,
    read_strictly,
    require_sound,
)
from config.formfields import Text
from config.paging import NEWEST, Order, Page, page

# How long what is searched for may be.
LONGEST_SEARCH = 200
SEVERAL = "One, or several separated by commas."

Choices = Sequence[tuple[str, Any]]


class Place(StrEnum):
    """Where a list is shown."""

    API = "api"
    PAGE = "page"
    ADMIN = "admin"


class Filter(django_filters.Filter):
    """
    One parameter of lists. `strict`: the field that reads its text. `api`, `page`, `admin`: what it is called there; ""
    is its own name, None: it is not there. `control`: what people choose with on pages, which may offer more than
    `strict` reads: `words` of the page, which go to the filter as they are. `choices`: what admin offers; a filter
    without any is shown there only while a link sets it. `spelled`: other ways to write values in admin. `ask`: what a
    value leaves of records, where that is no look-up in a column.
    """

    def __init__(
        self,
        strict: serializers.Field[Any, Any, Any, Any],
        field_name: str | None = None,
        lookup_expr: str = "exact",
        *,
        api: str | None = "",
        page: str | None = "",
        admin: str | None = None,
        control: forms.Field | None = None,
        words: Iterable[str] = (),
        choices: Choices = (),
        spelled: Mapping[str, str] | None = None,
        ask: Callable[[Any, Any], Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(field_name, lookup_expr, **options)
        self.strict, self.control, self.words, self.choices = strict, control, frozenset(words), choices
        self.spelled, self.ask = spelled or {}, ask
        names = {Place.API: api, Place.PAGE: page if control else None, Place.ADMIN: admin}
        self.names = {place: called for place, called in names.items() if called is not None}

    def __deepcopy__(self, memo: Any) -> "Filter":
        """A filter for one more FilterSet. What it is made of is shared, for nobody changes that."""
        copied = copy.copy(self)
        copied.method = self.method
        return copied

    def default(self, place: Place) -> Any:
        """What holds where nothing is said; None: nothing does."""
        return None if self.strict.default is empty else self.strict.default

    def filter(self, qs: QuerySet[Any], value: Any) -> Any:
        return self.ask(qs, value) if self.ask else super().filter(qs, value)

    def form_field(self, place: Place) -> forms.Field:
        """The field of a form that takes its text."""
        if place != Place.PAGE or self.control is None:
            return Once(self.strict, self.spelled if place == Place.ADMIN else None)
        field = copy.deepcopy(self.control)
        field.required = False
        field.wide = isinstance(field.widget, forms.TextInput)  # type: ignore[attr-defined]
        return field


class Setting(Filter):
    """A parameter that says how a list is read, and narrows nothing."""

    def filter(self, qs: Any, value: Any) -> Any:
        return qs


class Flag(Filter):
    """Whether something is so. In admin `no` and `yes`, and `0` and `1`, are as good as `false` and `true`."""

    def __init__(self, *arguments: Any, answers: tuple[str, str] = ("No", "Yes"), **options: Any) -> None:
        spelled = {"no": "false", "yes": "true", "0": "false", "1": "true"}
        choices = list(zip(("false", "true"), answers, strict=True))
        super().__init__(QueryBoolean(required=False), *arguments, spelled=spelled, choices=choices, **options)


class Since(Flag):
    """Whether a moment that ends something has come, in admin; `answers` are what no and yes are called."""

    def __init__(self, column: str, answers: tuple[str, str], label: str = "state") -> None:
        def ask(records: Any, has_come: bool) -> Any:
            return records.filter(**{f"{column}__isnull": not has_come})

        super().__init__(answers=answers, label=label, api=None, admin="", ask=ask)


class Destroyed(Flag):
    """Whether deleted records are listed. In admin, which has all, they are where nothing is said."""

    def __init__(self, **options: Any) -> None:
        super().__init__("destroyed_at", answers=("Not deleted", "Deleted"), label="deleted", **options)
        self.strict = StrictChoice(
            choices=["false", "true", "any"],
            default="false",
            help_text="Whether deleted ones are listed: not (false), only these (true), or all (any).",
        )

    def default(self, place: Place) -> Any:
        return "any" if place == Place.ADMIN else "false"

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return qs if value == "any" else qs.filter(destroyed_at__isnull=value == "false")


class Words(Filter):
    """One or several of some words. On pages one is chosen of what is `offered` under a label, which may be more."""

    def __init__(self, words: type[TextChoices], label: str, offered: Choices, **options: Any) -> None:
        strict = QueryChoices(choices=words.values, required=False, help_text=SEVERAL)
        options |= {
            "words": dict(offered).keys() - {"", *words.values},
            "choices": words.choices,
            "label": label.lower(),
        }
        super().__init__(strict, control=forms.ChoiceField(label=label, choices=offered), **options)


class Word(Filter):
    """One of some words, in admin."""

    def __init__(self, choices: Choices, words: str = "", **options: Any) -> None:
        strict = StrictChoice(choices=[value for value, _ in choices], required=False, help_text=words)
        super().__init__(strict, choices=choices, **{"api": None, "admin": ""} | options)


class Number(Filter):
    """An id; `words` say of what."""

    def __init__(self, words: str = "", *arguments: Any, **options: Any) -> None:
        super().__init__(QueryInteger(required=False, help_text=words), *arguments, **options)


class Search(Filter):
    """Words to be found; `words` say how, `placeholder` says it in the box on pages."""

    def __init__(self, words: str, *arguments: Any, placeholder: str = "", **options: Any) -> None:
        strict = StrictChar(required=False, allow_blank=True, max_length=LONGEST_SEARCH, help_text=words)
        box = forms.TextInput(attrs={"type": "search", "placeholder": placeholder, "dir": "auto"})
        if placeholder:
            options["control"] = Text(label="Search", max_length=LONGEST_SEARCH, widget=box)
        super().__init__(strict, *arguments, **options)


# --- forms ------------------------------------------------------------------------------------------------------------


class FilterForm(forms.Form):
    """
    The filters of a list as a form. Nothing is required. What makes no sense is an error, to which nothing fits; what
    else was chosen stays.
    """

    use_required_attribute = False

    def __init__(self, data: QueryDict, filters: "ListFilters") -> None:
        super().__init__(data, auto_id="filter-%s")
        self.filters = filters
        for name, records in filters.offered().items() if filters.place == Place.PAGE else ():
            self.fields[name].queryset = records  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Read what was chosen with a page's controls as strictly as everywhere."""
        names = self.filters.names_in(Place.PAGE) if self.filters.place == Place.PAGE else {}
        for name, value in list(self.cleaned_data.items() if names else ()):
            each, text = self.filters.filters[names[name]], str(getattr(value, "pk", value) or "")
            try:
                self.cleaned_data[name] = text if text in each.words else read_strictly(each.strict, text)
            except forms.ValidationError as error:
                self.add_error(name, error)
        return self.cleaned_data

    @property
    def is_used(self) -> bool:
        """Whether anything was chosen."""
        return any(self.data.get(name) for name in self.fields)


# --- lists ------------------------------------------------------------------------------------------------------------


class ListFilters(django_filters.FilterSet):
    """
    What the query string of every list may say; inherit from it and add a kind of record's own filters. `place` is
    where the list is shown, `team` whose it is; in admin that is nobody's.
    """

    # In which order a list is read; an index must have it.
    order: ClassVar[Order] = NEWEST

    limit = Setting(ListQuery().fields["limit"])
    cursor = Setting(ListQuery().fields["cursor"])

    def __init__(
        self, data: QueryDict, queryset: QuerySet[Any], *, place: Place = Place.API, team: Any = None, **options: Any
    ) -> None:
        super().__init__(data, queryset, **options)
        self.place, self.team = place, team

    def offered(self) -> dict[str, QuerySet[Any]]:
        """The team's records that pages offer to choose from, by the filter's name there."""
        return {}

    @property
    def form(self) -> FilterForm:
        if not hasattr(self, "_form"):
            self._form = self.form_in(self.place)(self.data, self)
        return self._form

    def require(self) -> None:
        """Raise ValidationFailed naming each parameter whose value is none."""
        if self.data:
            require_sound(self.form)

    @property
    def chosen(self) -> dict[str, Any]:
        """What was chosen, or holds where nothing is said, by the filters' own names."""
        values = dict(self.defaults_in(self.place))
        if self.data and self.errors is not None:
            names = self.names_in(self.place)
            values |= {names[each]: value for each, value in self.form.cleaned_data.items() if value is not None}
        return values

    def narrowed(self, queryset: QuerySet[Any], names: Collection[str]) -> QuerySet[Any]:
        """What some of the filters, by their own names, leave of records."""
        for name, value in self.chosen.items():
            if name in names and value is not None:
                queryset = self.filters[name].filter(queryset, value)
        return queryset

    @property
    def is_sound(self) -> bool:
        """Whether everything that was said makes sense."""
        return not (self.data and self.errors)

    @property
    def qs(self) -> Any:
        """The records that the filters leave; none where a part of what was chosen made no sense."""
        return self.narrowed(self.queryset, self.filters) if self.is_sound else self.queryset.none()

    def read(self, limit: int, cursor: str | None, order: Order | None = None) -> Page:
        """A page of what the filters leave. Raises ValidationFailed naming `cursor`."""
        return page(self.qs, order or self.order, limit, cursor)

    @classmethod
    @cache
    def names_in(cls, place: Place) -> dict[str, str]:
        """The parameters that it listens to in a place → the names of its filters."""
        return {each.names[place] or name: name for name, each in cls.base_filters.items() if place in each.names}

    @classmethod
    @cache
    def form_in(cls, place: Place) -> type[FilterForm]:
        """Its form in a place."""
        fields = {called: cls.base_filters[name].form_field(place) for called, name in cls.names_in(place).items()}
        return type(f"{cls.__name__}Form", (FilterForm,), fields)

    @classmethod
    @cache
    def defaults_in(cls, place: Place) -> dict[str, Any]:
        """What holds in a list of which nothing is said."""
        found = {name: each.default(place) for name, each in cls.base_filters.items()}
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def as_query(cls) -> type[serializers.Serializer[Any]]:
        """What the API's query string may say, as a serializer: for its document."""
        fields = {called: cls.base_filters[name].strict for called, name in cls.names_in(Place.API).items()}
        return type(f"{cls.__name__}Query", (serializers.Serializer,), copy.deepcopy(fields))
