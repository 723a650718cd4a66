"""
Addresses of records' pages. They are `reverse`'s, but lists have hundreds of them, so each kind is looked up once.

Not here: which pages there are (each app's urls).
"""

from functools import cache
from uuid import UUID

from django.urls import reverse

Key = int | UUID


def page_of(name: str, key: Key) -> str:
    """The address of a record's page, whose path has nothing but the record's key in it."""
    before, after = _around_key(name, isinstance(key, UUID))
    return f"{before}{key}{after}"


@cache
def _around_key(name: str, is_uuid: bool) -> tuple[str, str]:
    """What stands before and after a key in the addresses of a page."""
    example: Key = UUID(int=0) if is_uuid else 0
    before, _, after = reverse(name, args=[example]).rpartition(str(example))
    return before, after
