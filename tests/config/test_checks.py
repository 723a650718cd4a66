"""Tests of config.checks: what `check` says of an installation, and of the middleware that webhooks pass together."""

from django.core.checks import Tags, run_checks
from django.db import connection

from config import checks


def test_a_database_without_tables_is_asked_nothing_that_it_does_not_know(db, settings):
    settings.TRUSTED_PROXIES = 1
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL search_path TO pg_temp")
        wrong = [each for each in run_checks(tags=[Tags.database], databases=["default"]) if each.is_serious()]
        cursor.execute("SET LOCAL search_path TO DEFAULT")
    assert wrong == []


def test_webhooks_that_are_received_together_pass_middleware_in_its_order_or_it_is_said_why_not(settings):
    assert checks.middleware_together() == []
    one, *others = settings.MIDDLEWARE_TOGETHER
    settings.MIDDLEWARE_TOGETHER = [*others, one]
    assert found_now() == ["E002"]
    settings.MIDDLEWARE_TOGETHER = others
    assert found_now() == ["E003"]
    settings.MIDDLEWARE_NOT_TOGETHER = settings.MIDDLEWARE_NOT_TOGETHER | {one: ""}
    assert found_now() == ["E003"]
    settings.MIDDLEWARE_NOT_TOGETHER = settings.MIDDLEWARE_NOT_TOGETHER | {one: "why"}
    assert found_now() == []
    settings.MIDDLEWARE_NOT_TOGETHER = settings.MIDDLEWARE_NOT_TOGETHER | {"nowhere.Middleware": "why"}
    assert found_now() == ["E004"]


def test_middleware_that_works_in_no_hook_can_not_be_passed_together(settings):
    sessions = "config.middleware.ErrorAnswers"
    settings.MIDDLEWARE_TOGETHER = [
        each for each in settings.MIDDLEWARE if each in {*settings.MIDDLEWARE_TOGETHER, sessions}
    ]
    settings.MIDDLEWARE_NOT_TOGETHER = {k: v for k, v in settings.MIDDLEWARE_NOT_TOGETHER.items() if k != sessions}
    assert found_now() == ["E005"]


def found_now():
    """The ids of what is found wrong, without what they begin with."""
    return [each.id.removeprefix("watchkeeper.") for each in checks.middleware_together()]
