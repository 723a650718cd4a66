"""
Django's backend for PostgreSQL (settings.DATABASES names it), with one thing changed: how a kept connection is looked
at before a request uses it.

Django asks the server `SELECT 1`, a round trip for every request. A connection whose server went away tells so by
itself: its socket has something to read, the server's farewell or the end. A silent socket is good; only one with
something to read is worth the question. What this cannot see, a machine that fell silent, the question could only wait
for; the connection's keepalives and the statement itself find out.
"""

import select

from django.db.backends.postgresql import base
from psycopg.pq import ConnStatus


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to PostgreSQL."""

    def is_usable(self) -> bool:
        """Whether the connection still has its server."""
        if self.connection is None:
            return False
        wire = self.connection.pgconn
        if wire.status != ConnStatus.OK:
            return False
        listening = select.poll()
        listening.register(wire.socket, select.POLLIN)
        return not listening.poll(0) or super().is_usable()
