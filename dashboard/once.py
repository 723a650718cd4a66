"""
Secrets that are shown once: kept, sealed, in the session of who asked for them, until the next page takes them out.

So a secret stands in no address, no message and no log, and comes back by no reload. Not here: what the secrets are.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.http import HttpRequest

from config.times import parse_rfc3339, rfc3339
from config.vault import CannotOpen, open_sealed, seal

SECRET = "shown_once"  # noqa: S105 - its name in the session
KEPT_FOR = timedelta(minutes=5)


ONCE = "It is shown this once, so copy it now."
ON_DEMAND = "It is hidden again when this page is left."


class Secret(NamedTuple):
    """What it is and for how long it is seen, in sentences, and the secret itself."""

    words: str
    how_long: str
    text: str


def keep(request: HttpRequest, words: str, text: str, *, place: str, at: datetime, how_long: str = ONCE) -> None:
    """Let the next page of a place (a team's public id) show a secret."""
    said = {"words": words, "how_long": how_long, "place": place, "until": rfc3339(at + KEPT_FOR)}
    request.session[SECRET] = said | {"sealed": seal(text).decode()}


def take(request: HttpRequest, *, place: str, at: datetime) -> Secret | None:
    """The secret that was kept, which is gone then; None if there is none, it is another place's, or it is too late."""
    if request.method != "GET" or SECRET not in request.session:
        return None
    kept = request.session.pop(SECRET)
    if kept["place"] != place or parse_rfc3339(kept["until"]) < at:
        return None
    try:
        return Secret(kept["words"], kept["how_long"], open_sealed(kept["sealed"].encode()))
    except CannotOpen:
        return None
