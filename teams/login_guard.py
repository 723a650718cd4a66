"""
Guessing of passwords is slowed down by address and by account, and owners are told of it.

Every try is counted before a password is looked at, and a failure that was none is taken back afterwards. An account
has one count for all strangers together, and one for each browser and each network in which its owner logged in before:
so guessers from a thousand addresses get no more tries than one, and the owner is not locked out by them.
Addresses that nobody has are counted in the same way. Not here: comparing passwords (Django), the counters
(config.ratelimit), who may come in (the pages).
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.db import connection, transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse

from config.errors import RateLimited
from config.forwarded import client_address
from config.ratelimit import LOGINS, failures, hit, neighbourhood, take_back
from config.refusals import note_refusal
from config.vault import keyed_digest
from teams.models import LoginPlace, User, address_key

# In so many seconds, so many wrong passwords of strangers for one account, and of each place that its owner came from.
WINDOW = 900
STRANGERS_TRIES, OWN_TRIES = 10, 20
# Tries a minute, right ones too: of one account, by each of those who are counted apart; of one address, in failures.
TRIES_PER_MINUTE = 30
TRIES_FOR_EACH_FAILURE = 3
PLACES_KEPT = 20
KNOWN_FOR = timedelta(days=90)
# As what somebody tries who is logged in as that person, or was handed a link: it says nothing of whose address it is.
SESSION, LINK = "a session", "a link"
DEVICE = "watchkeeper_device"
DEVICE_FOR = timedelta(days=180)
# A browser that several people share is known to the last ones.
PEOPLE_OF_A_DEVICE = 5
SLOWED = (
    "Too many wrong passwords for this account from places where it was never used. Try again in {} min, or from a "
    "browser or a network in which you logged in before. A manager of your team can make you a new link."
)


@dataclass
class Try:
    """One try at somebody's password, counted already."""

    request: HttpRequest
    email: str
    user: User | None
    is_strangers: bool
    # Keys that are counted by failures: (key, seconds).
    counted: list[tuple[str, int]]

    def succeed(self) -> None:
        """Take back what was counted as a failure."""
        for key, seconds in self.counted:
            take_back(key, seconds)

    def fail(self, what: str, *, at: datetime) -> None:
        """Leave a line in the log and, if a stranger failed, a note for the owner."""
        note_refusal(self.request, what, account=self.email)
        if not self.is_strangers:
            return
        with transaction.atomic():
            # What can be lost in a crash is not waited for: an address that somebody has must not answer later.
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit = off")
            User.objects.with_address(self.email).update(
                failed_logins=F("failed_logins") + 1, failed_login_at=at, failed_login_from=client_address(self.request)
            )


def begin_try(request: HttpRequest, email: str, *, at: datetime, by: str = "") -> Try:
    """
    Count a try at the password of an address, before it is looked at; `by`: as what of their own it is made (a session,
    a link), which no stranger has and uses up. Raises RateLimited, with a line in the log, for one too many.
    """
    email = address_key(email)[:254]
    user = _find_user(email)
    by = by or known_as(request, user, at=at)
    of_address = failures(request, LOGINS)
    of_account = f"{LOGINS} of {email} by {by or 'strangers'}"
    limit: int = settings.FAILED_LOGINS_PER_MINUTE
    try:
        hit(f"all of {of_address}", TRIES_FOR_EACH_FAILURE * limit).enforce()
        hit(of_address, limit).enforce()
        verdict = hit(of_account, OWN_TRIES if by else STRANGERS_TRIES, WINDOW)
        if not verdict.allowed:
            raise RateLimited(verdict.retry_after, "" if by else SLOWED.format(-(-verdict.retry_after // 60)))
        hit(f"all of {of_account}", TRIES_PER_MINUTE).enforce()
    except RateLimited:
        note_refusal(request, "login", account=email, why="Too many tries.")
        raise
    return Try(request, email, user, by in {"", LINK}, [(of_address, 60), (of_account, WINDOW)])


def known_as(request: HttpRequest, user: User | None, *, at: datetime) -> str:
    """As what of an account's own a request comes: its browser or its network; "" from a stranger."""
    number = user.pk if user else 0  # nobody's: what takes time is done for them, too
    nonce, place = _people_of(request).get(str(number)), _place(request, number)
    is_place = LoginPlace.objects.filter(user=number, place=place, seen_at__gte=at - KNOWN_FOR).exists()
    return f"browser {nonce}" if nonce else f"network {place.hex()}" if is_place else ""


def remember_place(request: HttpRequest, response: HttpResponse, user: User, *, at: datetime) -> None:
    """Know the browser and the network from now on in which a person has just logged in."""
    seen = {"seen_at": at}
    LoginPlace.objects.update_or_create(user=user, place=_place(request, user.pk), defaults=seen, create_defaults=seen)
    newest = user.login_places.order_by("-seen_at", "-id").values("pk")[:PLACES_KEPT]
    user.login_places.exclude(pk__in=list(newest.values_list("pk", flat=True))).delete()
    people = _people_of(request)
    nonce = people.pop(str(user.pk), None) or secrets.token_urlsafe(9)
    people = dict([*people.items(), (str(user.pk), nonce)][-PEOPLE_OF_A_DEVICE:])
    response.set_cookie(
        DEVICE,
        signing.dumps(people, salt=DEVICE),
        max_age=DEVICE_FOR,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


@dataclass(frozen=True)
class Attempts:
    """Wrong passwords of strangers for an account, while its owner was away."""

    number: int
    last_at: datetime
    last_from: str


def take_failed_attempts(user: User) -> Attempts | None:
    """What strangers tried since the owner last logged in; told once."""
    number, last_at, last_from = user.failed_logins, user.failed_login_at, user.failed_login_from
    if not number or last_at is None:
        return None
    User.objects.filter(pk=user.pk).update(failed_logins=0, failed_login_at=None, failed_login_from="")
    return Attempts(number, last_at, last_from)


def _find_user(email: str) -> User | None:
    return User.objects.with_address(email).first() if "\0" not in email else None


def _place(request: HttpRequest, number: int) -> bytes:
    return keyed_digest(f"place of {number}: {neighbourhood(client_address(request))}")


def _people_of(request: HttpRequest) -> dict[str, Any]:
    """Who logged in with this browser: a person's number → the browser's own word for them."""
    try:
        people = signing.loads(request.COOKIES.get(DEVICE, ""), salt=DEVICE, max_age=DEVICE_FOR)
    except signing.BadSignature:
        return {}
    return people if isinstance(people, dict) else {}
