"""
Which tests go to which process when they are shared out among several (pytest-xdist, as `./watchkeeper test` does with
all of them).

A file's tests stay together, and so do the files that share a running Watchkeeper; what takes longest is begun first,
so that nobody waits for it in the end.
"""

from xdist.scheduler import LoadScopeScheduling

# The files that share the house of tests/trust/conftest.py.
HOUSE = ("test_cut", "test_flooded", "test_killed", "test_parts")
TOGETHER = {f"tests/trust/{name}.py": "tests/trust" for name in HOUSE}
LONGEST_FIRST = (
    "tests/trust",
    "tests/trust/test_pooled.py",
    "tests/trust/test_clock.py",
    "tests/trust/test_rubbish_pages.py",
    "tests/trust/test_rubbish_door.py",
    "tests/flows/test_histories.py",
    "tests/access/test_mutants.py",
    "tests/access/test_table.py",
    "tests/trust/test_rubbish_schema.py",
    "tests/config/test_admin.py",
    "tests/config/test_supervisor.py",
    "tests/config/test_launcher.py",
    "tests/test_sweep.py",
    "tests/trust/test_disk_full.py",
    "tests/config/test_embedded.py",
)


def unit_of(nodeid: str) -> str:
    """The unit of work that a test belongs to."""
    path = nodeid.partition("::")[0]
    return TOGETHER.get(path, path)


class Sharing(LoadScopeScheduling):
    """Hands a unit of work to whoever is done with his own."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def place(nodeid: str) -> int:
    """Where in the order a test comes; those with the same place keep theirs."""
    unit = unit_of(nodeid)
    return LONGEST_FIRST.index(unit) if unit in LONGEST_FIRST else len(LONGEST_FIRST)
