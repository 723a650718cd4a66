"""
Whoever is refused leaves one line in the log, `refused`: what failed, from which address, for which account or key.

Whoever refuses says what failed (`note_refusal`), the middleware writes the line when the answer is ready; an answer of
401, 403 or 429 has one in any case. docs/fail2ban.md reads these lines. Not here: who is refused, and how often (the
doors, config.ratelimit).
"""

import re
from typing import Any

from django.http import HttpRequest
from django.middleware.csrf import REASON_BAD_ORIGIN, REASON_NO_CSRF_COOKIE

REFUSED = {401, 403, 429}
# Enough to tell who it was; what strangers send has no end.
LONGEST = 200
# What is in no address that anybody has: whoever typed it wrote it for those who read the log.
_not_of_an_address = re.compile(r"[^\w.+@'!#$%&*=?^`{|}~-]")
_NOTED, _IDENTITY = "noted_refusal", "noted_identity"
_BY_STATUS = {401: "credentials", 403: "permission", 429: "rate"}


def note_refusal(request: Any, what: str, *, why: str = "", account: str = "", key: str = "") -> None:
    """
    Say what failed in this request: `login`, `password`, `api key`, `token`, `signature`, `link` or `form`. The first
    who says so is right; `account` is the address that was typed, `key` the beginning of a key.
    """
    http = getattr(request, "_request", request)
    if not hasattr(http, _NOTED):
        setattr(http, _NOTED, {"what": what, "why": why, "account": account, "key": key})


def note_identity(request: Any, *, account: str, key: str) -> None:
    """Say whose sound key a request carries, for the line that it leaves if it is refused all the same."""
    setattr(getattr(request, "_request", request), _IDENTITY, {"account": account, "key": key})


def told_of(request: HttpRequest, status: int) -> dict[str, str] | None:
    """What the line of a request says that was answered so, without its address; None where it has no line."""
    noted: dict[str, str] = getattr(request, _NOTED, {})
    if not noted and status not in REFUSED:
        return None
    identity = getattr(request, _IDENTITY, {}) or {"account": _logged_in(request)}
    said = {
        "what": noted.get("what") or _BY_STATUS[status],
        "account": _not_of_an_address.sub("?", noted.get("account") or identity.get("account", "")),
        "key": noted.get("key") or identity.get("key", ""),
        "why": noted.get("why", ""),
    }
    return {name: value[:LONGEST] for name, value in said.items()}


def _logged_in(request: HttpRequest) -> str:
    """The address of who is logged in, if somebody has asked for that before: no question to the database from here."""
    user = request.__dict__.get("_cached_user")
    return str(user.get_username()) if user is not None and user.is_authenticated else ""


# Forms

# What a form is refused for, by how Django's reason begins: the sentence, in which {} is where it was sent from.
_FORM_REFUSED = {
    REASON_BAD_ORIGIN.partition("%s")[0]: (
        "This form was sent from {}, which is not trusted here, so nothing was recorded. Whoever runs Watchkeeper "
        "names the address that people use in WATCHKEEPER_ORIGINS."
    ),
    REASON_NO_CSRF_COOKIE.partition(".")[0]: (
        "The browser sent no cookie with this form, so nothing was recorded. Allow cookies for this site, go back, "
        "reload the page and send it again."
    ),
}


def why_form_refused(request: HttpRequest, reason: str) -> str:
    """A sentence to whoever sent a form that Django refused for a reason."""
    origin = request.META.get("HTTP_ORIGIN") or request.META.get("HTTP_REFERER") or "an unknown address"
    beginning = reason.replace("Referer checking failed", "Origin checking failed")
    known = (words for begin, words in _FORM_REFUSED.items() if beginning.startswith(begin))
    words = next(known, "This form has expired. Go back, reload the page and send it again.")
    return words.format(origin[:LONGEST])
