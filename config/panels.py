"""
Tables below a record in Django admin: what else there is about it, for those who may see that.

Not here: what stands in them, and what upper storeys add to the pages of lower ones (config.composing).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.http import HttpRequest


@dataclass(frozen=True)
class Panel:
    """A table below a record: what else there is about it. `more`: (address, words) of the whole list."""

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    more: Sequence[tuple[str, str]] = field(default_factory=tuple)
    empty: str = "None yet."


PanelOf = Callable[[Any], Panel]
_OF = "rows_are_of"


def shows(model: str) -> Callable[[PanelOf], PanelOf]:
    """Say of which records (`app.model`) the rows of a panel are: it needs the permission to view these."""

    def said(panel: PanelOf) -> PanelOf:
        setattr(panel, _OF, model)
        return panel

    return said


def visible_panels(site: AdminSite, request: HttpRequest, panels: Sequence[PanelOf], record: Any) -> list[Panel]:
    """A record's panels, as far as somebody may view what stands in them."""
    return [panel(record) for panel in panels if may_view(site, request, getattr(panel, _OF))]


def may_view(site: AdminSite, request: HttpRequest, model: str) -> bool:
    """Whether somebody may view records of a model."""
    return site.get_model_admin(apps.get_model(model)).has_view_permission(request)
