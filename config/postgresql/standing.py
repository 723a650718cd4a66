"""
What our sessions need to be set, and stand with our role in the database, where they hold for every session.

Said when a connection starts they would be refused by a connection pooler, and said later they would hold for whoever
is given that session next. What a server has to be set to before it may be relied on is config.database's affair.
"""

from collections.abc import Mapping

import structlog
from django.db import Error, connection, transaction

from config.embedded import PLANNER

log = structlog.get_logger(__name__)

# The settings that are as PostgreSQL comes: what an operator chose anywhere stays.
UNTOUCHED = "SELECT name FROM pg_settings WHERE name = ANY(%s) AND source = 'default' ORDER BY name"
# Of a role in one database its owner may say this, whoever owns the database.
STAND = """
DO $$ BEGIN
    EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET {name} = {value}', current_database());
END $$
"""


def settle(settings: Mapping[str, str] = PLANNER) -> list[str]:
    """
    Let our role's sessions in this database have these settings from the next connection on; the answer names what was
    set. A server that refuses is slower, and no less right.
    """
    with connection.cursor() as cursor:
        cursor.execute(UNTOUCHED, [list(settings)])
        untouched = [name for (name,) in cursor.fetchall()]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            for name in untouched:
                cursor.execute(STAND.format(name=name, value=settings[name]))
    except Error as error:
        log.warning(
            "the planner's settings could not be set for our role", settings=untouched, error=str(error).strip()
        )
        return []
    return untouched
