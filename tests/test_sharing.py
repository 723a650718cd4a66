"""Tests of tests.sharing: who needs the same thing runs in the same process, and nobody waits for the longest."""

from pathlib import Path

from tests.sharing import LONGEST_FIRST, TOGETHER, place, unit_of

ROOT = Path(__file__).resolve().parent.parent


def test_a_file_stays_whole_and_those_of_a_house_stay_together(request):
    sharing = [item for item in request.session.items if shares_a_house(item)]
    assert {unit_of(item.nodeid) for item in sharing} <= {"tests/trust"}
    assert unit_of("tests/a/test_b.py::test_c[tests/d.py::e]") == "tests/a/test_b.py"


def shares_a_house(item):
    """Whether a test needs the running Watchkeeper that others need, too."""
    found = item._fixtureinfo.name2fixturedefs.get("house")
    return bool(found) and found[-1].scope == "session"


def test_what_takes_longest_comes_first_and_is_there():
    assert all((ROOT / path).exists() for path in (*LONGEST_FIRST, *TOGETHER))
    begun = [place(f"{path}::test") for path in (*TOGETHER, *LONGEST_FIRST[1:], "tests/config/test_clock.py")]
    assert begun == sorted(begun)
    assert begun[0] == 0
