"""
Where sessions are kept: Django's own table, in which a digest of the key stands in the place of the key, so that a dump
of the database opens none. They slide: who comes back within two weeks stays logged in.

The digest is cut to the 40 characters that the table has room for, 160 bits. Not here: who is in a session, and the
cookie (Django).
"""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends import db
from django.db import connection

from config import clock

DIGITS = 40
# A session is written again when it was not for so long.
SLIDES_EVERY = timedelta(days=1)
# What has ended stays so long: a clock that ran ahead for a while ends no session for good.
SWEPT_AFTER = timedelta(days=7)
BATCH = 1_000


def digest_key(key: str) -> str:
    """What stands in the table for a session's key, which is in the cookie alone."""
    return hashlib.sha256(key.encode()).hexdigest()[:DIGITS]


class SessionStore(db.SessionStore):
    """Django's, but for what it is kept under. (Its name is part of how Django signs what is in a session.)"""

    def _get_session_from_db(self) -> Any:
        at = clock.now()
        key = digest_key(self.session_key or "")
        found = self.model.objects.filter(session_key=key, expire_date__gt=at).first()
        if found is None:
            self._session_key = None
        elif found.expire_date - at < timedelta(seconds=settings.SESSION_COOKIE_AGE) - SLIDES_EVERY:
            self.modified = True
        return found

    def exists(self, session_key: str) -> bool:
        return super().exists(digest_key(session_key))

    def create_model_instance(self, data: Any) -> Any:
        made = super().create_model_instance(data)
        made.session_key = digest_key(made.session_key)
        return made

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key:
            super().delete(digest_key(key))


def sweep_sessions(at: datetime) -> int:
    """Delete sessions that ended a while ago; how many they were, at most a batch."""
    with connection.cursor() as cursor:
        cursor.execute(_SWEEP, {"before": at - SWEPT_AFTER, "batch": BATCH})
        return int(cursor.rowcount)


# Chosen once, as an array: a subquery behind IN may be run anew for each row, and each time choose others.
_SWEEP = """
    DELETE FROM django_session WHERE session_key = ANY(ARRAY(
        SELECT session_key FROM django_session WHERE expire_date < %(before)s
        ORDER BY expire_date LIMIT %(batch)s FOR UPDATE SKIP LOCKED))
"""
