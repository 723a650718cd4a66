"""
Operations that several apps' migrations need, safe beside a running system.

Migrations of every version import from here: what an operation does, once landed, stays as it is.
"""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.db.migrations.operations.base import Operation
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


def index_beside(model: str, index: Index) -> list[Operation]:
    """
    A new index, made beside the running system; what an interrupted attempt left of it is dropped first. For migrations
    that are not atomic and do nothing else, so that each can be run again.
    """
    dropped = migrations.RunSQL(f'DROP INDEX CONCURRENTLY IF EXISTS "{index.name}"', migrations.RunSQL.noop)
    return [dropped, AddIndexConcurrently(model, index)]
