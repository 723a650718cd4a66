"""
What processes noticed while they served, for `check` to say: one line by name, the latest.

For what an operator has set wrongly and only a request can show. Not for events over time: those are in the log.
"""

from datetime import datetime

from django.db import connection

from config.models import Notice

_KEEP = """
    INSERT INTO config_notice (name, detail, at) VALUES (%s, %s, %s)
    ON CONFLICT (name) DO UPDATE SET detail = excluded.detail, at = excluded.at
"""


def keep(name: str, detail: str, at: datetime) -> None:
    """Remember the latest of a kind. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [name, detail.replace("\0", ""), at])


def since(name: str, moment: datetime) -> Notice | None:
    """The latest of a kind, if it was noticed since then."""
    return Notice.objects.filter(name=name, at__gt=moment).first()
