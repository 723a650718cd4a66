"""
What is said to the person who started us. Not for logs (config.logs), nor for what a command prints.
"""

import contextlib
import sys


class CannotStart(Exception):
    """Something that person has to see to. The text is one line: what is wrong, and what to do about it."""


def say(line: str) -> None:
    """Say one line, on stderr: stdout belongs to the command that runs. Who has hung up does not hear it."""
    with contextlib.suppress(OSError):
        print(f"watchkeeper: {line}", file=sys.stderr, flush=True)
