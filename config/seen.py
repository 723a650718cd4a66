"""
Who comes second is told who was first: a form carries what its sender saw of a record, and where that is no longer so,
nothing is written.

Not here: what of a record a form goes by, and who changed it last; whoever asks says both.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.http import QueryDict

from config.errors import Conflict
from config.moments import at_time

LONGEST = 100


@dataclass(frozen=True)
class Deed:
    """What somebody did, and when: `Bob Smith`, `changed the severity`. `email` is theirs, where they are a user."""

    who: str
    did: str
    at: datetime
    email: str | None = None

    def said(self, at: datetime, by: str = "") -> str:
        """In words: `Bob Smith changed the severity at 10:02`; to whoever did it, by their address: `You …`."""
        return f"{'You' if by and by == self.email else self.who} {self.did} {at_time(self.at, at)}"


class Overtaken(Conflict):
    """Somebody was first: what is gone by is no longer so. The message says who, and when, as far as it is known."""

    def __init__(self, first: Deed | None, at: datetime, *, by: str = "", now: str = "") -> None:
        what = first.said(at, by) if first else "It was changed meanwhile"
        by_themselves = first is not None and first.email == by
        nothing = "Nothing more was changed." if by_themselves else "Nothing was changed by you."
        super().__init__(f"{what}{now}. {nothing}")


def unless_overtaken(
    seen: str, present: str, first: Callable[[], Deed | None], at: datetime, *, by: str = "", now: str = ""
) -> None:
    """
    Raises Overtaken if a form's sender, whose address is `by`, saw something else than is present; who says nothing of
    what they saw goes by no page. `first` finds who changed it, `now` says how it stands.
    """
    if seen and seen != present:
        raise Overtaken(first(), at, by=by, now=now)


def digest(*values: Any) -> str:
    """Values of any length in short: the same for the same."""
    return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()[:16]


def knowing(data: Mapping[str, Any], present: str, field: str = "seen") -> QueryDict:
    """What was posted, as sent again by somebody who knows how it stands at present."""
    again = QueryDict(mutable=True)
    again.update(data)
    again[field] = present
    return again


def seen_field() -> forms.CharField:
    """The field of a form that carries what its sender saw."""
    return forms.CharField(required=False, max_length=LONGEST, widget=forms.HiddenInput)
