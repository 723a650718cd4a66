"""
The words of an incident's updates: what its fold writes beside each fact, and the updates endpoint shows. Pure.

Not here: what a fact does (incidents.fold).
"""

from typing import Any

from timeline.chronology import Fact
from timeline.events import said

Entry = dict[str, Any]

FIELDS = {
    "title": "Title",
    "error_message": "Cause",
    "affected_regions": "Regions",
    "escalation_policy_id": "Escalation policy",
    "severity": "Severity",
    "type": "Type",
}


def entry(action: str, message: str, field: str | None = None, old: str | None = None, new: str | None = None) -> Entry:
    """One line of the updates endpoint."""
    return {"action": action, "field": field, "old": old, "new": new, "message": message}


def differences(before: object, after: object) -> list[Entry]:
    """An `updated` entry for each detail of an incident's state that differs."""
    found = []
    for field, word in FIELDS.items():
        old, new = as_text(getattr(before, field)), as_text(getattr(after, field))
        if old != new:
            message = f"{word} changed from {old} to {new or 'none'}" if old else f"{word} set to {new}"
            found.append(entry("updated", message, field, old, new))
    return found


def as_text(value: object) -> str | None:
    """A detail's value in words; None for none."""
    if isinstance(value, tuple):
        return ", ".join(value) or None
    return None if value is None else str(value)


def by_integration(fact: Fact) -> str:
    """ " by …" where a program and no person acted."""
    program = said(fact.payload, "integration_name")
    return f" by {program}" if program and not fact.user_email and not fact.user_name else ""
