"""
What somebody had typed when it could not be recorded, because their session had ended or the page was too old: it is
carried through the log-in, shown again, and sent by one more press. Nothing is sent by itself.

Not here: whether a request is let in (access), forms that come second (config.seen).
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.core import signing
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import escape_leading_slashes, url_has_allowed_host_and_scheme

FIELD = "unsent"
KEPT_FOR = timedelta(days=1)
LARGEST = 64 * 1024
# Fields that hold somebody's own words, and are shown to be sent again; the others go with them unseen.
_WORDS = {"message", "note", "reason", "title", "error_message", "name", "description", "url"}
_SECRET = ("password", "secret")


@dataclass(frozen=True)
class Unsent:
    """A form that was not recorded: where it was sent to, the page it stood on, and its fields."""

    path: str
    back: str
    fields: list[tuple[str, str]]

    @property
    def texts(self) -> list[dict[str, str]]:
        """The fields that hold somebody's words: `name`, `label`, `value`."""
        return [
            {"name": name, "label": name.replace("_", " ").capitalize(), "value": value}
            for name, value in self.fields
            if is_text(name, value)
        ]

    @property
    def rest(self) -> list[tuple[str, str]]:
        """The other fields."""
        return [(name, value) for name, value in self.fields if not is_text(name, value)]

    def signed(self) -> str:
        """As a field of a form, which nobody can change on its way."""
        return signing.dumps([self.path, self.back, self.fields], salt=FIELD, compress=True)


def is_text(name: str, value: str) -> bool:
    """Whether a field is shown."""
    return name in _WORDS and bool(value.strip())


def unsent_form(request: HttpRequest) -> Unsent | None:
    """What a request would have recorded; None for what can't be sent again: files, too much, a log-in or log-out."""
    if request.method != "POST" or request.FILES or request.path in {reverse(name) for name in _NOT_SENT_AGAIN}:
        return None
    fields = [(name, value) for name, values in request.POST.lists() for value in values if is_kept(name)]
    if sum(len(name) + len(value) for name, value in fields) > LARGEST:
        return None
    return Unsent(request.get_full_path(), page_before(request), fields)


_NOT_SENT_AGAIN = ("login", "logout", "password", "team")


def is_kept(name: str) -> bool:
    """Whether a field is carried on: no secrets, and no token of the page that it stood on."""
    return name != "csrfmiddlewaretoken" and not any(word in name for word in _SECRET)


def page_before(request: HttpRequest) -> str:
    """The page of ours that a request was sent from; the overview if it does not say."""
    referrer = request.META.get("HTTP_REFERER", "")
    if not is_ours(request, referrer):
        return reverse("overview")
    parts = urlsplit(referrer)
    # `//name/` would lead to another site, as a path from the root.
    return escape_leading_slashes(parts.path) + (f"?{parts.query}" if parts.query else "")


def is_ours(request: HttpRequest, address: str) -> bool:
    """Whether an address leads to a page of this installation."""
    hosts = {request.get_host()}
    return url_has_allowed_host_and_scheme(address, allowed_hosts=hosts, require_https=request.is_secure())


def read_unsent(signed: str) -> Unsent | None:
    """What `signed` made; None for anything else."""
    try:
        path, back, fields = signing.loads(signed, salt=FIELD, max_age=KEPT_FOR)
    except (signing.BadSignature, ValueError):
        return None
    return Unsent(path, back, [(name, value) for name, value in fields])


def keep_unsent(session: Any, signed: str) -> bool:
    """Keep it in the session of who has logged in; whether there is anything."""
    if read_unsent(signed) is None:
        return False
    session[FIELD] = signed
    return True


def kept_unsent(session: Any) -> Unsent | None:
    """What the session keeps."""
    return read_unsent(session.get(FIELD, ""))
