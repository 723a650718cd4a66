"""Ids as strangers write them in addresses, forms and searches. Not for JSON, which has numbers (config.fields)."""

import re
from uuid import UUID

LARGEST_ID = 2**63 - 1

_usual_form = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch


def whole_number(text: object) -> int | None:
    """The id that a text from outside writes; None for all else."""
    written = str(text)
    if not (written.isascii() and written.isdigit() and len(written) <= len(str(LARGEST_ID))):
        return None
    number = int(written)
    return number if number <= LARGEST_ID else None


def whole_numbers(text: str) -> set[int]:
    """The ids that a text from outside names, separated by spaces; what is none is passed over."""
    return {number for each in text.split() if (number := whole_number(each)) is not None}


def read_uuid(text: str, *, in_any_form: bool = False) -> UUID | None:
    """The UUID that a text writes in its usual 36 characters, or as Python also reads one; None for all else."""
    if not in_any_form:
        return UUID(text) if _usual_form(text) else None
    try:
        return UUID(text)
    except ValueError:
        return None
