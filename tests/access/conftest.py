"""What the tests of access share: the scene, built once."""

import logging
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from tests.access.places import remember_alone
from tests.access.scene import Scene, furnished


@pytest.fixture(scope="package")
def scene(django_db_setup: None, django_db_blocker: Any) -> Iterator[Scene]:
    # A line for each of twenty thousand requests would tell nobody anything.
    logging.disable(logging.CRITICAL)
    with patch("config.middleware.log"), django_db_blocker.unblock(), furnished(remember_alone) as made:
        yield made
    logging.disable(logging.NOTSET)
