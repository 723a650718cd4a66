"""
Entity tags of records that are changed, and `If-Match`: nobody writes over what they have not seen.

A tag is made of what can be changed of a record and of its status, not of what is measured or counted; so it is no
word-for-word validator, and no `304` is answered by it. Not here: of what exactly (each app's serializers), locking
(the verbs).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils.http import parse_etags
from rest_framework.request import Request

from config.envelope import dump
from config.errors import ApiError

HEADER = "If-Match"
CHANGED = "It has changed since: its ETag is another one. Read it again."


class PreconditionFailed(ApiError):
    """The record is not as the sender of a request saw it."""

    code = "PRECONDITION_FAILED"


def tag_of(values: Mapping[str, Any]) -> str:
    """The entity tag of a record with these values, as the header `ETag` has it."""
    return f'"{sha256(dump(dict(values))).hexdigest()[:32]}"'


def is_conditional(request: Request | HttpRequest) -> bool:
    """Whether a request is to be done only to the record that its sender saw."""
    return HEADER in request.headers


def require_match(request: Request | HttpRequest, tag: str) -> None:
    """
    Raise PreconditionFailed unless a record with that tag is one that `If-Match` names: `*` is any record, and whether
    a tag is written as a weak one (`W/`), as what compresses answers does, makes no difference.
    """
    named = {each.removeprefix("W/") for each in parse_etags(request.headers.get(HEADER, ""))}
    if named.isdisjoint({"*", tag}):
        raise PreconditionFailed(CHANGED)


@contextmanager
def unchanged(request: Request | HttpRequest, lock: Callable[[], object], tag: Callable[[], str]) -> Iterator[None]:
    """
    One transaction for a change of a record, which is as its sender saw it: it is locked and read anew by `lock`, and
    then has `tag`. Raises PreconditionFailed. Without an `If-Match` it is a transaction and nothing else.
    """
    with transaction.atomic():
        if is_conditional(request):
            lock()
            require_match(request, tag())
        yield
