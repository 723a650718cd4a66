"""
Statements that the server prepares: parsed and planned once for each connection, then only run.

For the few statements that nearly every request makes, where Django's ORM and the server's planner would cost more
than the work itself. All else goes through the ORM, and is never prepared: the driver would remember the last hundred
texts, in which are all values, the bodies of requests among them. In transactions and in errors such a statement is
like any other. Where a connection pooler does not know prepared statements (config.postgresql), none are.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections

# To the driver: that it may prepare. What it prepares is said with each statement.
PREPARING = 5

Parameters = Mapping[str, Any] | Sequence[Any]


def fetch(sql: str, parameters: Parameters) -> list[tuple[Any, ...]]:
    """The rows that a statement returns. Raises what Django's cursors raise."""
    # Looked up once: what Django calls `connection` does it for each word.
    connection: Any = connections[DEFAULT_DB_ALIAS]
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    if connection.queries_logged:  # who counts statements counts these, too
        connection.queries_log.append({"sql": sql, "time": "0"})
    driver = connection.connection
    with connection.wrap_database_errors, psycopg.Cursor(driver) as cursor:
        driver.prepare_threshold = PREPARING if connection.prepares else None
        try:
            return cursor.execute(sql, parameters, prepare=True).fetchall()
        finally:
            driver.prepare_threshold = None
