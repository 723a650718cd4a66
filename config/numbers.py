"""Ids as strangers write them in addresses, forms and searches. Not for JSON, which has numbers (config.fields)."""

from config.fields import LARGEST_ID


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
