"""
Who did what to records that have no history of their own: kept in Django admin's log, which operators read, and where
who comes second finds who was first.

Not here: records whose facts say it.
"""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q

from config.clock import now
from config.seen import Deed


def noted(by: Any, subject: Model, words: str, flag: int = CHANGE) -> None:
    """Keep who did what just now in a record's history."""
    LogEntry.objects.create(
        user_id=by.pk,
        action_time=now(),
        content_type=ContentType.objects.get_for_model(subject),
        object_id=str(subject.pk),
        object_repr=str(subject)[:200],
        action_flag=flag,
        change_message=words,
    )


def last_noted(subjects: Sequence[Model], did: str, *words: str) -> Deed | None:
    """Who did something last: by the newest note about one of some records in which one of some words stands."""
    about = [Q(content_type=ContentType.objects.get_for_model(each), object_id=str(each.pk)) for each in subjects]
    said = [Q(change_message__contains=each) for each in words]
    notes = LogEntry.objects.filter(reduce(or_, about), reduce(or_, said)).select_related("user")
    found = notes.order_by("-action_time", "-pk").first()
    if found is None:
        return None
    return Deed(found.user.get_full_name(), did, found.action_time, found.user.email)
