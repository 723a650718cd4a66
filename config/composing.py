"""
How a lower storey reads what upper ones add to its pages in Django admin: from one list, which `settings.COMPOSITION`
names (dashboard.composition). Nobody adds anything while modules are loaded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Model
from django.utils.module_loading import import_string

from config.panels import PanelOf


@dataclass(frozen=True)
class Composition:
    """
    What is added. `belongings`: (model, words) of the lists that a team's page leads to. By model (`app.model`):
    `panels`, above its records' own, and `deleting`, which deletes one (`(record, *, by, at)`).
    """

    belongings: Sequence[tuple[str, str]]
    panels: Mapping[str, Sequence[PanelOf]]
    deleting: Mapping[str, Callable[..., Any]]


def composition() -> Composition:
    """What is added, all of it."""
    found: Composition = import_string(settings.COMPOSITION)
    return found


def label_of(model: type[Model]) -> str:
    """What the list calls a model."""
    return model._meta.label_lower
