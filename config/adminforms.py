"""
Forms of Django admin that take garbage calmly: no input breaks a field, and none makes a page too large.

Not here: the pages (config.admin), or what a record's form has (each app's admin and forms).
"""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import helpers, widgets
from django.contrib.admin.options import BaseModelAdmin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.formfields import Text
from config.momentfields import meant, offset_at, offset_choice, offset_name, offsets
from config.numbers import whole_number


class MomentWidget(widgets.AdminSplitDateTime):
    """A day and a time; where they may mean two moments, with a box to choose one (config.momentfields)."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return [*super().value_from_datadict(data, files, name), data.get(offset_name(name))]

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        day, time, offset = value if isinstance(value, list) else shown(value)
        box = f"{(attrs or {}).get('id', name)}_offset"
        choice = offset_choice(offset_name(name), wall_from(day, time), offset or "", box)
        return format_html("{}{}", super().render(name, value, attrs, renderer), choice)


def shown(moment: datetime | None) -> list[Any]:
    """What the widget has of a moment: day, time and offset."""
    local = widgets.AdminSplitDateTime().decompress(moment)
    return [*local, offset_at(moment) if moment else None]


def wall_from(day: Any, time: Any) -> datetime | None:
    """The time on a clock that a day and a time make, as they were typed or as they are; None for what is none."""
    try:
        on, at = forms.DateField().to_python(day), forms.TimeField().to_python(time)
    except ValidationError:
        return None
    return datetime.combine(on, at) if on and at else None


class MomentField(forms.SplitDateTimeField):
    """A day and a time that every part of the house can read again. Left alone they stay as exact as they are."""

    widget = MomentWidget

    def clean(self, value: Any) -> datetime | None:
        *parts, offset = value if isinstance(value, list) else [None, None, None]
        # What is on the clock: as of UTC, in which each time comes once.
        with timezone.override(UTC):
            wall: datetime | None = super().clean(parts)
        return meant(wall and wall.replace(tzinfo=None), offset or "")

    def has_changed(self, initial: Any, data: Any) -> bool:
        day, time, offset = shown(initial)
        chosen = data[-1] if data and offsets(wall_from(day, time)) else None
        return super().has_changed(initial, data) or chosen not in (None, offset)


class Suggesting(widgets.AutocompleteSelect):
    """A field with suggestions that draws itself even around a value that is no id."""

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        return super().optgroups(name, [one for one in value if one == "" or whole_number(one) is not None], attrs)


class ActionForm(helpers.ActionForm):
    """Which action to run. Never on more than what was ticked."""

    def clean_select_across(self) -> bool:
        return False


class StrictForms(BaseModelAdmin):
    """For admin pages and their inlines: form fields that no input breaks."""

    formfield_overrides = {
        models.DateTimeField: {"form_class": MomentField, "widget": MomentWidget},
        models.CharField: {"form_class": Text},
        models.TextField: {"form_class": Text},
    }

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            options.setdefault("widget", Suggesting(db_field, self.admin_site, using=options.get("using")))
        return super().formfield_for_foreignkey(db_field, request, **options)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        found = super().formfield_for_dbfield(db_field, request, **options)
        if found and isinstance(found.widget, widgets.RelatedFieldWidgetWrapper):
            # Deleting belongs on a record's own page, where it says what it means.
            found.widget.can_delete_related = False
        return found


class StrictInline(StrictForms, admin.TabularInline):
    """Further records on a record's page: no more than `at_most`, however many a form says that it has."""

    at_most = 50
    max_num = at_most

    def get_formset(self, request: HttpRequest, obj: Any = None, **options: Any) -> Any:
        return super().get_formset(request, obj, **{"absolute_max": self.at_most} | options)
