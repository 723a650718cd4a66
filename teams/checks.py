"""
What `check` says of people: who the operators are. They may do everything in Django admin, for all teams, and older
versions made one of each team's first manager without saying so.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Info, Tags, register
from django.db import Error, transaction

from teams.models import User

TOLD = "operators-told.json"


def told_before(file: Path) -> Any:
    """Who was named last; nobody where that can't be read, as after a disk was full."""
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError):
        return []


@register(Tags.database)
def name_operators(app_configs: Any, databases: Any = None, **options: Any) -> list[CheckMessage]:
    """Name the operators, unless it was these who were named last."""
    try:
        with transaction.atomic():
            active = User.objects.filter(is_superuser=True, is_active=True)
            operators = list(active.order_by("email").values_list("email", flat=True))
    except Error:  # no database, or none of our tables in it yet: others say so
        return []
    file = settings.DATA_DIR / TOLD
    if not databases or operators == told_before(file):
        return []
    with contextlib.suppress(OSError):  # a folder that can't be written to: it is said once more the next time
        file.write_text(json.dumps(operators))
    words = f"Operators, who may do everything in Django admin, for all teams: {', '.join(operators) or 'none'}."
    hint = "Said once. Take it from who should not be one in Django admin, under Users."
    return [Info(words, hint=hint, id="teams.I001")]
