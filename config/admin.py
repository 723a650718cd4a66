"""
What all pages of Django admin have in common: the site, bounded lists, confirmations.

Admin is the operator's and sees everything. It never writes what a fold keeps: `ViewOnly` records can't be touched,
and `Retiring` ones are not deleted but retired by a verb. Not here: any record (each app's admin), lists (changelist),
forms (adminforms), or how values look (shown).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from typing import Any, ClassVar, cast

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.options import ShowFacets
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, models
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, resolve_url
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.cache import never_cache

from config import clock, paging
from config.adminforms import ActionForm, StrictForms
from config.changelist import BoundedList, CappedPaginator, parameters_of
from config.composing import composition, label_of
from config.filtering import LONGEST_SEARCH
from config.numbers import whole_number
from config.panels import Panel, PanelOf, visible_panels
from config.shown import moment

ROWS = 50
FOUND_AT_MOST = 500
SELECTED_AT_MOST = 200


class Suggestions(AutocompleteJsonView):
    """What a field suggests while somebody types. Only for fields that lead to a record."""

    def process_request(self, request: HttpRequest) -> Any:
        asked = super().process_request(request)
        if not isinstance(asked[2], models.ForeignKey):
            raise PermissionDenied
        return asked


class OperatorSite(admin.AdminSite):
    """Django admin with the login of the pages, which is throttled and knows our users."""

    site_header = site_title = "Watchkeeper admin"
    index_title = "Everything there is"
    empty_value_display = "–"

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """To the pages' own login, and back; who is logged in without being an operator is told so."""
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"), resolve_url("login"))

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """
        Every page but the way out. Whose password somebody else gave sees none before it is changed, and what was typed
        when a session had ended is carried through the log-in, as on the staff's own pages.
        """
        page = super().admin_view(view, cacheable)
        if view == self.logout:
            return page

        @wraps(page)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if request.method == "POST" and not request.user.is_authenticated:
                return import_string(settings.LOGGED_OUT_VIEW)(request)
            must_change = self.has_permission(request) and cast(Any, request.user).must_change_password
            return self.password_change(request) if must_change else page(request, *args, **kwargs)

        return guarded

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """To the pages' own, where tries are counted, and back."""
        back = request.get_full_path() if request.method == "GET" and "password" not in request.path else ""
        return redirect(f"{resolve_url('password')}?{urlencode({'next': back or reverse('admin:index')})}")

    password_change_done = password_change

    def get_urls(self) -> list[Any]:
        """Without the address that leads from any table's row to its page: none of ours has such a page."""
        return [each for each in super().get_urls() if getattr(each, "name", None) != "view_on_site"]

    def autocomplete_view(self, request: HttpRequest) -> Any:
        return Suggestions.as_view(admin_site=self)(request)


# --- pages -----------------------------------------------------------------------------------------------------------


class OperatorAdmin(StrictForms, admin.ModelAdmin):
    """
    A record's pages. Lists are bounded in time (changelist), search is for an id or the beginning of one of
    `search_fields` among the newest records, no query string and no form breaks them.
    """

    list_per_page = ROWS
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    sortable_by = ()
    ordering: ClassVar[Any] = ("-id",)
    action_form = ActionForm
    search_help_text: ClassVar[Any] = "An id, or the beginning of a name"
    # In which order the list is read; an index must have it.
    order: ClassVar[paging.Order] = paging.NEWEST
    # Columns that the list does without.
    list_defer: Sequence[str] = ()
    # Names in the query string that no index serves.
    wide_filters: Sequence[str] = ()
    # The tables below a record; what upper storeys add stands above them.
    panels: ClassVar[list[PanelOf]] = []

    # Lists

    def get_order(self, request: HttpRequest) -> paging.Order:
        """In which order the list is read for this request."""
        return self.order

    def read_page(self, queryset: QuerySet[Any], order: paging.Order, cursor: str | None, query: str) -> paging.Page:
        """Read one page of a list, which was searched if there is a `query`."""
        return paging.page(queryset, order, self.list_per_page, cursor)

    def is_wide(self, names: set[str]) -> bool:
        """Whether a query string with these names asks for what no index serves."""
        return bool(names & set(self.wide_filters))

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[BoundedList]:
        return BoundedList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only what a filter of the list listens to."""
        filters = self.get_list_filter(cast(HttpRequest, request))
        return any(lookup in parameters_of(each, self.model) for each in filters)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()[:LONGEST_SEARCH]
        if not text:
            return queryset, False
        return queryset.filter(pk__in=self.found(text)), False

    def found(self, text: str) -> list[int]:
        """The ids of records that a searched text means: by id, or by the beginning of a name."""
        number = whole_number(text)
        begins = Q.create([(f"{name}__istartswith", text) for name in self.search_fields], connector=Q.OR)
        named = self.model._base_manager.filter(begins).order_by("-pk")
        floor = paging.beyond_window(self.model._base_manager.all())
        if floor is not None:
            named = named.filter(pk__gt=floor)
        ids = list(named.values_list("pk", flat=True)[:FOUND_AT_MOST])
        return ids if number is None else [*ids, number]

    @admin.display(description=mark_safe('<input type="checkbox" id="action-toggle">'))
    def action_checkbox(self, record: Any) -> SafeString:
        """The box that chooses a record for an action, as Django's own; drawn without a template for each row."""
        box = '<input type="checkbox" name="{}" value="{}" class="action-select" aria-label="{}">'
        words = f"Select this record for an action - {record}"
        return format_html(box, helpers.ACTION_CHECKBOX_NAME, record.pk, words)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseBase | None:  # type: ignore[override]
        """Run an action on what was ticked; what can't have been is refused."""
        chosen = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
        if len(chosen) > SELECTED_AT_MOST or any(whole_number(one) is None for one in chosen):
            self.message_user(request, "This selection can't be read. Nothing was changed.", messages.WARNING)
            return None
        return super().response_action(request, queryset)

    # One record

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        return super().get_object(request, object_id, from_field or None)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Links to "add" may choose records for the form, and nothing else."""
        fields = {each.name for each in self.opts.fields if isinstance(each, models.ForeignKey)}
        given = {name: whole_number(value) for name, value in request.GET.items() if name in fields}
        return {name: number for name, number in given.items() if number is not None}

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except IntegrityError:
            words = "Somebody else changed this at the same time, so nothing was saved. Look at it again."
            self.message_user(request, words, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied  # before it is looked up: whoever may see none is not told which there are
        return super().history_view(request, object_id, extra_context)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        record = options.get("obj")
        if record is not None:
            panels = [*composition().panels.get(label_of(self.model), ()), *self.panels]
            context["panels"] = visible_panels(self.admin_site, request, panels, record)
            context["record_actions"] = self.record_actions(request, record)
            context["keeps_history"] = self.has_change_permission(request) or self.has_delete_permission(request)
        return super().render_change_form(request, context, *args, **options)

    def record_actions(self, request: HttpRequest, record: Any) -> list[tuple[str, str]]:
        """(name, words) of the actions that a record's own page offers."""
        actions = cast(dict[str, Any], self.get_actions(request))
        offered = [name for name in actions if name != "delete_selected" and self.offers(name, record)]
        return [(name, actions[name][2]) for name in offered]

    def offers(self, action: str, record: Any) -> bool:
        """Whether an action makes sense for a record."""
        return True

    # Confirmations

    def confirm(
        self,
        request: HttpRequest,
        records: Sequence[Any] | QuerySet[Any],
        action: str,
        *,
        title: str,
        means: str,
        button: str,
        panel: Panel | None = None,
        form: Any = None,
        seen: str = "",
    ) -> TemplateResponse:
        """
        Ask before an action is run, with a form if it needs one; the answer comes back to it with `post` in it, and
        with what was `seen` (config.seen).
        """
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "means": means,
            "button": button,
            "panel": panel,
            "form": form,
            "seen": seen,
            "records": records,
            "action": action,
            "opts": self.opts,
            "media": self.media + form.media if form else self.media,
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/confirm.html", context)


class ViewOnly(OperatorAdmin):
    """Records that nobody makes, changes or deletes here, superusers included."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ByIdAlone(ViewOnly):
    """Records that are searched for by their ids."""

    def found(self, text: str) -> list[int]:
        number = whole_number(text)
        return [] if number is None else [number]


class Retiring(OperatorAdmin):
    """
    Records that leave history behind and so are never deleted: asked to, admin calls `retire` and says what that means.
    """

    retire_word = "Deactivate"
    retired_word = "deactivated"
    retire_means = ""

    def retire(self, record: Any, *, by: Any, at: datetime) -> bool:
        """Retire a record by its verb; whether there was anything to do."""
        raise NotImplementedError

    def is_retired(self, record: Any) -> bool:
        """Whether that was done already."""
        raise NotImplementedError

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj is not None and self.is_retired(obj))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        words = {"title": f"{self.retire_word}?", "retire_word": self.retire_word, "retire_means": self.retire_means}
        return super().delete_view(request, object_id, words | (extra_context or {}))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Nothing is deleted, so nothing goes with it."""
        return [str(each) for each in objs], {}, set(), []

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.retire(obj, by=request.user, at=clock.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for record in queryset:
            self.delete_model(request, record)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for record in queryset:
            self.log_change(request, record, f"{self.retired_word.capitalize()}.")

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        self.message_user(request, f"{obj_display}: {self.retired_word}.", messages.SUCCESS)
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        if "delete_selected" in actions:
            actions["delete_selected"] = (type(self).retire_selected, "delete_selected", self.retire_word)
        return actions

    def retire_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """The action "delete selected", as it is meant here."""
        records = [each for each in queryset if self.has_delete_permission(request, each)]
        if records and "post" not in request.POST:
            plural = str(self.opts.verbose_name if len(records) == 1 else self.opts.verbose_name_plural)
            return self.confirm(
                request,
                records,
                "delete_selected",
                title=f"{self.retire_word} {len(records)} {plural}?",
                means=self.retire_means,
                button=self.retire_word,
            )
        at = clock.now()
        done = [each for each in records if self.retire(each, by=request.user, at=at)]
        self.log_deletions(request, done)
        self.message_user(request, f"{len(done)} {self.retired_word}.", messages.SUCCESS if done else messages.WARNING)
        return None

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        context["retire_word"] = self.retire_word
        return super().render_change_form(request, context, *args, **options)


class Folded(Retiring):
    """Records that a fold keeps: admin shows them, and what it does to them it does by recording a fact."""

    retire_word = "Delete"
    retired_word = "deleted"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def is_retired(self, record: Any) -> bool:
        return record.destroyed_at is not None


def when(column: str, words: str = "") -> Callable[[Any, Any], object]:
    """A column of admin that shows a moment of the record; without `words` it is called as its column is."""

    @admin.display(description=words or column.removesuffix("_at").replace("_", " "))
    def shown_moment(self: object, record: Any) -> object:
        return moment(getattr(record, column))

    return shown_moment


def columns_of(model: type[Model], *, but: Sequence[str] = ()) -> list[str]:
    """The names of a model's columns that a page can show, without some."""
    hidden = (models.BinaryField, models.GeneratedField)
    return [each.name for each in model._meta.fields if not isinstance(each, hidden) and each.name not in but]
