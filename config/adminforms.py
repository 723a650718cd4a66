"""
Forms of Django admin that take garbage calmly: no input breaks a field, and none makes a page too large.

Not here: the pages (config.admin), or what a record's form has (each app's admin and forms).
"""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import helpers, widgets
from django.contrib.admin.options import BaseModelAdmin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest

from config.numbers import whole_number

# Moments that people type: inside of what the database and every time zone can bear.
FIRST_YEAR, LAST_YEAR = 2000, 2199


class MomentField(forms.SplitDateTimeField):
    """A day and a time that every part of the house can read again."""

    def compress(self, data_list: Any) -> datetime | None:
        day = data_list[0] if data_list else None
        if day and not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise ValidationError(f"Enter a day of the years {FIRST_YEAR} to {LAST_YEAR}.")
        return super().compress(data_list)


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

    formfield_overrides = {models.DateTimeField: {"form_class": MomentField, "widget": widgets.AdminSplitDateTime}}

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
