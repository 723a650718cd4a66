"""
What facts and messages are about, as Django admin shows it: links to an incident, monitor or heartbeat, and lists that
are narrowed to one.
"""

from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from config.changelist import LinkedFilter
from config.numbers import whole_number
from config.shown import NOTHING, link
from timeline.models import SubjectKind

# Where the subjects of facts have their pages.
PAGES = {kind: f"incidents.{kind}" if kind == SubjectKind.INCIDENT else f"monitors.{kind}" for kind in SubjectKind}


def subject(text: str, separator: str) -> tuple[str, int] | None:
    """The (kind, id) that a text from outside names, such as `incident-12`; None for all else."""
    kind, _, number = text.strip().partition(separator)
    identity = whole_number(number.strip())
    return (kind.lower(), identity) if kind.lower() in SubjectKind.values and identity is not None else None


def subject_link(kind: str | None, identity: int | None) -> SafeString | str:
    """A link to the incident, monitor or heartbeat of that id."""
    return link(PAGES[SubjectKind(kind)], identity, f"{kind} {identity}") if kind and identity is not None else NOTHING


class ChronologyFilter(LinkedFilter):
    """The facts of one incident, monitor or heartbeat, in the order of its chronology."""

    columns: tuple[str, str]

    def subject(self) -> tuple[str, int]:
        """(kind, id) in the query string. Raises IncorrectLookupParameters for what names none."""
        named = subject(self.value() or "", "-")
        if named is None:
            raise IncorrectLookupParameters
        return named

    def named(self, value: str) -> str:
        return " ".join(map(str, self.subject()))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**dict(zip(self.columns, self.subject(), strict=True)))


class AboutFilter(ChronologyFilter):
    title = "subject"
    parameter_name = "about"
    columns = ("subject_kind", "subject_id")
