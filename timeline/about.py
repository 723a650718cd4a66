"""
What facts and messages are about, as Django admin shows it: links to an incident, monitor or heartbeat, and lists that
are narrowed to one.
"""

from typing import Any

from django.db.models import QuerySet
from django.utils.safestring import SafeString

from config.fields import StrictChar
from config.filtering import Filter
from config.numbers import whole_number
from config.shown import NOTHING, clipped, link
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


class SubjectField(StrictChar):
    """What a query string is about, such as `incident-12`: (kind, id)."""

    default_error_messages = {"invalid": "Expected a kind and an id such as incident-12."}

    def to_internal_value(self, data: Any) -> Any:
        named = subject(str(data), "-")
        if named is None:
            self.fail("invalid")
        return named


class Subject(Filter):
    """Those of one incident, monitor or heartbeat, in admin; found in the columns of its kind and id."""

    def __init__(self, *columns: str, **options: Any) -> None:
        def ask(records: QuerySet[Any], subject: tuple[str, int]) -> QuerySet[Any]:
            return records.filter(**dict(zip(columns, subject, strict=True)))

        super().__init__(SubjectField(required=False), **{"api": None, "admin": "", "ask": ask} | options)


def actor_link(user_id: int | None, name: str | None) -> SafeString | str:
    """Whoever acted, or has it: a link, or for nobody of ours what they are called."""
    return clipped(name) if user_id is None else link("teams.user", user_id, name)
