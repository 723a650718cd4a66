"""
Figures: how many are asked for, rounds that alternate, medians, percentiles, growth, and the one way in which all
benches print them.
"""

import argparse
import math
import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from tests.running import ROOT

__all__ = ["Line", "alternate", "asked", "at_least", "at_most", "exponent", "median", "percentile", "show"]


def asked(bench: str, arguments: list[str], **defaults: float) -> argparse.Namespace:
    """What a bench is asked for on the command line: numbers, each an option with its default."""
    parser = argparse.ArgumentParser(prog=f"./watchkeeper bench {bench}")
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser.parse_args(arguments)


def alternate(rounds: int, *measures: Callable[[], float]) -> list[list[float]]:
    """
    Take each measure once a round, so that what else the machine does meets all of them; a list of figures for each.
    """
    taken: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for figures, measure in zip(taken, measures, strict=True):
            figures.append(measure())
    return taken


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest of the values that is at least as large as so many percent of them."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def exponent(small: float, time_small: float, large: float, time_large: float) -> float:
    """How a time grows with size: 0 not at all, 1 in proportion."""
    return math.log(time_large / time_small) / math.log(large / small)


# Printing


@dataclass(frozen=True)
class Line:
    """One figure: what it is of, the figure with its unit, the goal in words and whether it is met (None: no goal)."""

    what: str
    figure: str
    goal: str = ""
    is_met: bool | None = None


def at_most(what: str, value: float, bound: float, unit: str = "") -> Line:
    """A figure that should be small."""
    return Line(what, _written(value, unit), f"≤ {bound:g} {unit}".rstrip(), value <= bound)


def at_least(what: str, value: float, bound: float, unit: str = "") -> Line:
    """A figure that should be large."""
    return Line(what, _written(value, unit), f"≥ {bound:g} {unit}".rstrip(), value >= bound)


def _written(value: float, unit: str) -> str:
    """A value with about three digits."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def show(title: str, lines: Sequence[Line]) -> None:
    """Print a bench's figures, with where and when they were taken."""
    print(f"\n{title}\n{surroundings()}\n")
    wide = max(len(line.what) for line in lines)
    figures = max(len(line.figure) for line in lines)
    for line in lines:
        verdict = "" if line.is_met is None else "  reached" if line.is_met else "  MISSED"
        goal = f"  {line.goal}" if line.goal else ""
        print(f"  {line.what:<{wide}}  {line.figure:>{figures}}{goal}{verdict}")
    print(flush=True)


def surroundings() -> str:
    """The machine, the day and the commit."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB"
    return f"{machine} · {datetime.now(UTC):%Y-%m-%d} · {_commit()} · Python {platform.python_version()}"


def _processor() -> str:
    """The processor's name; Linux has it in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    """The commit that is checked out, with a + if files differ from it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "not a checkout"
