"""
What an installation keeps for itself in its data folder: the secrets that were made for it, readable by its owner only.

Whoever runs Watchkeeper in earnest gives the secrets in the environment; then nothing is kept here.
"""

import contextlib
import json
import os
import secrets
import tempfile
from collections.abc import Callable, MutableMapping
from pathlib import Path

FILE = "secrets.json"
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


def bring_secrets(data: Path, environment: MutableMapping[str, str]) -> None:
    """Fill in the secrets that the environment lacks with those kept in the data folder, if they are."""
    with contextlib.suppress(FileNotFoundError):
        for name, kept in json.loads((data / FILE).read_text()).items():
            environment[name] = environment.get(name) or sound(kept)


def sound(kept: object) -> str:
    """A secret as it was kept. Raises ValueError for what is none."""
    if not isinstance(kept, str) or not kept.strip():
        raise ValueError("a secret is a text")
    return kept


def set_secrets(data: Path, environment: MutableMapping[str, str]) -> None:
    """As `bring_secrets`; those that are not kept yet either are made now, and kept."""
    bring_secrets(data, environment)
    lacking = [name for name in SECRETS if not environment.get(name)]
    if not lacking:
        return
    made = {name: secrets.token_urlsafe(48) for name in lacking}
    known = keep(data / FILE, lambda: made)
    if not made.keys() <= known.keys():
        _write_anew(data / FILE, json.dumps(made | known, indent=1))
    bring_secrets(data, environment)


def _write_anew(path: Path, text: str) -> None:
    """Give `path` another text in one step."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", suffix=".new", delete=False) as draft:
        draft.write(text)
        draft.flush()
        os.fsync(draft.fileno())
    Path(draft.name).replace(path)
