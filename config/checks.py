"""
What `check` says of an installation beside Django's own checks: what an operator should see to, by name.

Those that ask the database are Django's checks of databases, and are run by `check` (dashboard's, which names ours) and
`migrate`. Not here: what nothing starts with (config.environment, config.database).
"""

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psycopg
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.db import connection, connections
from django.db.models import Model
from django.utils.module_loading import import_string

from config import canary, clock, environment, keyring, notices
from config.forwarded import UNREADABLE
from config.models import KeyCanary, Notice
from config.postgresql.pooler import WITHOUT_PREPARED, Way, find_way
from config.times import rfc3339

# For how long is said what a process noticed while it served.
NOTICED_FOR = timedelta(days=1)

# How middleware is passed by requests that are received together (config.together).
HOOKS = ("process_request", "process_response")


def register_all() -> None:
    """Let Django know of them."""
    register(unknown_variables)
    register(middleware_together)
    for each in (unreadable_callers, poolers, unfit_keys, lost_secrets):
        register(each, Tags.database)


def unknown_variables(**options: Any) -> list[CheckMessage]:
    """Variables that look like settings of ours and are none: a typing error would else be overlooked."""
    return [Warning(f"{line}.", id="watchkeeper.W001") for line in environment.unknown_ones(os.environ)]


def unreadable_callers(databases: Sequence[str] | None = None, **options: Any) -> list[CheckMessage]:
    """Whether the proxies lately named somebody in a way that could not be read."""
    if not databases or not settings.TRUSTED_PROXIES or not has_table(Notice):
        return []
    found = notices.since(UNREADABLE, clock.now() - NOTICED_FOR)
    if not found:
        return []
    return [
        Warning(
            f"Who calls could not be read: {found.detail} ({rfc3339(found.at)}). All who come so share one counter of "
            "failed log-ins, and one who guesses locks out all.",
            hint="WATCHKEEPER_TRUSTED_PROXIES has to be how many proxies each request comes through, and "
            "WATCHKEEPER_FORWARDED_HEADER the header in which each of them writes whom it heard.",
            id="watchkeeper.W002",
        )
    ]


def middleware_together(**options: Any) -> list[CheckMessage]:
    """Whether webhooks that are received together pass middleware as all requests do, or are said why they don't."""
    passed, left_out = settings.MIDDLEWARE_TOGETHER, settings.MIDDLEWARE_NOT_TOGETHER
    found: list[CheckMessage] = []
    if passed != [each for each in settings.MIDDLEWARE if each in passed]:
        problem = "MIDDLEWARE_TOGETHER has to be a part of MIDDLEWARE, in its order."
        found.append(Error(problem, id="watchkeeper.E002"))
    for each in settings.MIDDLEWARE:
        if each not in passed and not left_out.get(each):
            problem = f"Of {each} nobody says whether webhooks that are received together pass it."
            hint = "Name it in MIDDLEWARE_TOGETHER, or in MIDDLEWARE_NOT_TOGETHER with a reason."
            found.append(Error(problem, hint=hint, id="watchkeeper.E003"))
    for each in left_out:
        if each in passed or each not in settings.MIDDLEWARE:
            problem = f"MIDDLEWARE_NOT_TOGETHER names {each}, which is passed, or no middleware of ours."
            found.append(Error(problem, id="watchkeeper.E004"))
    for each in passed:
        kind = import_string(each)
        if not any(hasattr(kind, hook) for hook in HOOKS) or hasattr(kind, "process_view"):
            problem = f"{each} can't be passed together: it has neither process_request nor process_response alone."
            found.append(Error(problem, id="watchkeeper.E005"))
    return found


def poolers(databases: Sequence[str] | None = None, **options: Any) -> list[CheckMessage]:
    """Whether a connection pooler stands in between that does not know prepared statements."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        with psycopg.connect(**connections[alias].get_connection_params(), autocommit=True) as asking:
            if find_way(asking) is Way.POOLED_UNPREPARED:
                found.append(Info(WITHOUT_PREPARED, id="watchkeeper.I001"))
    return found


def unfit_keys(databases: Sequence[str] | None = None, **options: Any) -> list[CheckMessage]:
    """Whether the present keys are those of the database."""
    if not databases or not has_table(KeyCanary):
        return []
    if wrong := canary.complaint():
        return [Error(f"{keyring.KEY} {wrong}.", id="watchkeeper.E001")]
    if canary.signs_other_sessions():
        return [Warning(f"{canary.SIGNED_OUT}.", id="watchkeeper.W003")]
    return []


def lost_secrets(databases: Sequence[str] | None = None, **options: Any) -> list[CheckMessage]:
    """What no present key opens, where the old ones were said to be lost, and was not made anew yet."""
    if not databases or not has_table(KeyCanary) or canary.complaint():
        return []
    lost = canary.summed_up(canary.unopened())
    return [Warning(f"No present key opens {line}.", id="watchkeeper.W004") for line in lost]


def has_table(model: type[Model]) -> bool:
    """Whether the database is new enough to have a table: what it is asked is also asked before the tables are made."""
    with connection.cursor() as cursor:
        return model._meta.db_table in connection.introspection.table_names(cursor)
