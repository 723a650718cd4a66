"""Migrations that are made beside a running system can be run again, wherever they were interrupted."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.test_house import STOREYS

BESIDE = [
    key
    for key, migration in MigrationExecutor(None).loader.disk_migrations.items()
    if key[0] in STOREYS and not migration.atomic
]


def apply(key):
    """Run a migration, whatever was run before."""
    executor = MigrationExecutor(connection)
    migration = executor.loader.get_migration(*key)
    before = executor.loader.project_state([each for each in executor.loader.graph.forwards_plan(key) if each != key])
    with connection.schema_editor(atomic=False) as editor:
        migration.apply(before, editor)
    return migration


def indexes():
    """The indexes there are: their names, whether they are whole, and how they would be made."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, indisvalid, pg_get_indexdef(oid) FROM pg_class JOIN pg_index ON indexrelid = oid "
            "WHERE relnamespace = 'public'::regnamespace ORDER BY relname"
        )
        return cursor.fetchall()


def execute(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


def test_there_are_such_migrations():
    assert len(BESIDE) >= 5


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("key", sorted(BESIDE), ids="-".join)
def test_what_was_run_can_be_run_again_and_what_was_interrupted_is_finished(key):
    whole = indexes()
    migration = apply(key)
    assert indexes() == whole
    made = [each.index.name for each in migration.operations if hasattr(each, "index")]
    assert made
    for name in made:
        execute(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass('{name}')")
    assert indexes() != whole
    apply(key)
    assert indexes() == whole
