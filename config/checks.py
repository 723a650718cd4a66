"""
What `check` says of an installation beside Django's own checks: what an operator should see to, by name.

Not here: what nothing starts with (config.environment, config.database).
"""

import os
from typing import Any

import psycopg
from django.core.checks import CheckMessage, Info, Warning
from django.db import DatabaseError, connection

from config import environment
from config.postgresql.pooler import WITHOUT_PREPARED, Way, find_way


def unknown_variables(**options: Any) -> list[CheckMessage]:
    """Variables that look like settings of ours and are none: a typing error would else be overlooked."""
    return [Warning(f"{line}.", id="watchkeeper.W001") for line in environment.unknown_ones(os.environ)]


def tell_of_pooler(**options: Any) -> list[CheckMessage]:
    """A connection pooler that does not know prepared statements. Nothing where no database answers."""
    try:
        with psycopg.connect(**connection.get_connection_params(), autocommit=True) as asking:
            way = find_way(asking)
    except (DatabaseError, psycopg.Error):
        return []
    return [Info(WITHOUT_PREPARED, id="watchkeeper.I001")] if way is Way.POOLED_UNPREPARED else []
