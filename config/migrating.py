"""
Operations that several apps' migrations need, safe beside a running system.

Migrations of every version import from here: what an operation does, once landed, stays as it is.
"""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Field, Index


def without_index(table: str, column: str, name: str, field: "Field[Any, Any]") -> migrations.SeparateDatabaseAndState:
    """
    A foreign key without the index that Django made for it, which is dropped beside the running system.

    `table` is `<app>_<model>`, and the index is called `<table>_<column>_<name>`.
    """
    index = f"{table}_{column}_{name}"
    dropped = migrations.RunSQL(
        f'DROP INDEX CONCURRENTLY IF EXISTS "{index}"',
        f'CREATE INDEX CONCURRENTLY IF NOT EXISTS "{index}" ON {table} ({column})',
    )
    altered = migrations.AlterField(table.partition("_")[2], column.removesuffix("_id"), field)
    return migrations.SeparateDatabaseAndState([dropped], [altered])


class IndexBeside(AddIndexConcurrently):
    """
    A new index, made beside the running system, for migrations that are not atomic. One that is there already stays,
    and what an interrupted attempt left of it is dropped first; so the migration can be run again.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: Any) -> None:
        valid = self.is_valid(schema_editor.connection)
        if valid is False:
            schema_editor.execute(f'DROP INDEX CONCURRENTLY "{self.index.name}"')
        if not valid:
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def is_valid(self, connection: Any) -> bool | None:
        """Whether the index is whole; None where there is none."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [self.index.name])
            found = cursor.fetchone()
        return found[0] if found else None


def index_beside(model: str, index: Index) -> list[Operation]:
    """A new index, made beside the running system: see IndexBeside."""
    return [IndexBeside(model, index)]
