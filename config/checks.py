"""
What `check` says of an installation beside Django's own checks: what an operator should see to, by name.

Not here: what nothing starts with (config.environment, config.database).
"""

import os
from typing import Any

from django.core.checks import CheckMessage, Warning

from config import environment


def unknown_variables(**options: Any) -> list[CheckMessage]:
    """Variables that look like settings of ours and are none: a typing error would else be overlooked."""
    return [Warning(f"{line}.", id="watchkeeper.W001") for line in environment.unknown_ones(os.environ)]
