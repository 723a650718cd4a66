"""
Debian's programs that some tests of the full run need beside us. `.ci/run` installs them; where one is absent the tests
that need it are skipped, and in CI they fail.
"""

import os
import shutil
from pathlib import Path

import pytest

from tests.trust.conftest import FULL

IN_CI = os.environ.get("CI") == "1"
# Where Debian keeps programs that are not in everybody's path.
ELSEWHERE = ("/usr/sbin", "/sbin")


def path_of(program: str) -> str:
    """Where a program is; skips the test where it is not, or if this is no full run."""
    if not FULL:
        pytest.skip(f"starts {program}: in the full run")
    found = shutil.which(program) or next(
        (str(path) for folder in ELSEWHERE if (path := Path(folder, program)).exists()), None
    )
    if found is None:
        absent = f"needs Debian's {program} (apt-get install {program})"
        pytest.fail(absent) if IN_CI else pytest.skip(absent)
    return found
