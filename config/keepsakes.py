"""
What an installation keeps for itself in its data folder: the secrets that were made for it, readable by its owner only.

Whoever runs Watchkeeper in earnest gives the secrets in the environment; then nothing is kept here.
"""

import json
import os
import secrets
import tempfile
from collections.abc import Callable, MutableMapping
from pathlib import Path

SECRETS = ("WATCHKEEPER_SECRET_KEY", "WATCHKEEPER_ENCRYPTION_KEY")


def keep(path: Path, make: Callable[[], dict[str, str]]) -> dict[str, str]:
    """What `path` holds; if it doesn't exist yet, what `make()` gives, written with mode 0600. The first wins."""
    if not path.exists():
        _write_once(path, json.dumps(make(), indent=1))
    kept: dict[str, str] = json.loads(path.read_text())
    return kept


def _write_once(path: Path, text: str) -> None:
    """Give `path` its text in one step, so that nobody reads half of it; leave it alone if it exists by now."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", suffix=".new") as draft:
        draft.write(text)
        draft.flush()
        os.fsync(draft.fileno())
        try:
            os.link(draft.name, path)
        except FileExistsError:
            return


def set_secrets(data: Path, environment: MutableMapping[str, str]) -> None:
    """Fill in the secrets that the environment lacks with those kept in the data folder (made on first use)."""
    if all(environment.get(name) for name in SECRETS):
        return
    kept = keep(data / "secrets.json", lambda: {name: secrets.token_urlsafe(48) for name in SECRETS})
    for name in SECRETS:
        environment[name] = environment.get(name) or kept[name]
