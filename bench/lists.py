"""
S6: how long lists take to be served, and how that grows with the number of incidents.

Every list of the dashboard, the API and Django admin, with each single filter, sort and search, a few pages deep and in
the middle, with 100 k and with 1 M incidents (`--small`: 10 k and 100 k; `--incidents=300k`: 30 k and 300 k). `--all`
prints every list and not only the worst; any other word chooses the lists whose path has it.

What is rare fills a page only where there is much of all; such a list takes longer for what it shows. So growth is told
once more of those lists alone that show as much at both sizes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

from bench import measure, story
from bench.browsing import Reader, Seen, with_cursor
from bench.surfaces import Case, cases
from tests.running import Running

ROUNDS = 3
DEEP = 3
WORST_SHOWN = 8
LONGEST = {False: 60.0, True: 300.0}  # milliseconds: of a list, of a search
# Pages show as much if one is no more than so much longer than the other.
AS_MUCH = 1.1


def main(arguments: list[str]) -> None:
    """Measure and print."""
    wanted = [word for word in arguments if not word.startswith("--")]
    with story.two_served(arguments) as both:
        readings = [Reading(one, served, wanted) for one, served in both]
        for reading in readings:
            reading.round()  # what is read for the first time comes from the disk, and that is nobody's merit
        for reading in readings:
            reading.taken.clear()
        measure.alternate(ROUNDS, *(reading.round for reading in readings))
    report(readings, whole="--all" in arguments or bool(wanted))


@dataclass
class Reading:
    """
    The lists of one story, read over and over: `taken` are the milliseconds of each page of each case, `shown` is how
    long the first page is.
    """

    story: story.Story
    served: Running
    wanted: list[str]
    taken: dict[tuple[Case, int], list[float]] = field(default_factory=dict)
    shown: dict[Case, int] = field(default_factory=dict)
    readers: dict[tuple[str, str], Reader] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found = cases(self.story)
        self.cases = [each for each in found if not self.wanted or any(word in each.name for word in self.wanted)]
        self.middle = middle_of(self.story, Reader(self.served.port, self.story.key()))

    def round(self) -> float:
        """Read all of them once."""
        for case in self.cases:
            for number, seen in enumerate(self.pages(case)):
                self.taken.setdefault((case, number), []).append(seen.milliseconds)
                self.shown.setdefault(case, len(seen.text))
        return 0.0

    def pages(self, case: Case) -> Iterator[Seen]:
        """The first pages of a list, and one in the middle of it where its cursors are known."""
        page = self.read(case, case.path)
        yield page
        for _ in range(DEEP - 1):
            if page.next_cursor:
                page = self.read(case, with_cursor(case.path, page.next_cursor))
                yield page
        if case.path.startswith(("/api/incidents?", "/incidents?")) and "sort_by" not in case.path:
            yield self.read(case, with_cursor(case.path, self.middle))

    def read(self, case: Case, path: str) -> Seen:
        """Read one page."""
        seen = self.reader(case).get(path)
        assert seen.status == 200, (seen.status, path, seen.text[:500])
        return seen

    def reader(self, case: Case) -> Reader:
        """Who reads a case."""
        who = (case.reader, case.team)
        if who not in self.readers:
            self.readers[who] = self.new_reader(case)
        return self.readers[who]

    def new_reader(self, case: Case) -> Reader:
        if case.reader == "api":
            return Reader(self.served.port, self.story.key(case.team))
        person = self.story.told["operator" if case.reader == "admin" else "person"]
        return Reader(self.served.port).log_in(person["email"], person["password"])

    def slowest(self) -> dict[Case, float]:
        """The slowest page of each case, in milliseconds: the median of its rounds."""
        found: dict[Case, float] = {}
        for (case, _), times in self.taken.items():
            found[case] = max(found.get(case, 0.0), median(times))
        return found


def middle_of(told: story.Story, reader: Reader) -> str:
    """A cursor in the middle of the large team's incidents, newest first."""
    with told.connect() as connection:
        row = connection.execute(
            "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY started_at) AS half FROM incidents_incident "
            "WHERE team_id = %s",
            [told.told["teams"]["Large"]["id"]],
        ).fetchone()
    assert row and isinstance(row["half"], datetime)
    half = row["half"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    cursor = reader.get(f"/api/incidents?limit=1&started_before={half}").next_cursor
    assert cursor
    return cursor


def report(readings: list[Reading], *, whole: bool) -> None:
    """Print what came of it: for each surface the worst, or all."""
    small, large = readings
    at_small = list(small.slowest().values())
    found = zip(at_small, small.shown.values(), large.slowest().items(), large.shown.values(), strict=True)
    rows = [
        Row(case, before, after, max(less, more) < AS_MUCH * min(less, more))
        for before, less, (case, after), more in found
    ]
    growth = (small.story.incidents, large.story.incidents)
    print(f"\nmilliseconds at {growth[0]:,} and {growth[1]:,} incidents, the slowest page of each list:")
    lines: list[measure.Line] = []
    for reader, search in ((reader, search) for reader in ("api", "page", "admin") for search in (False, True)):
        chosen = [row for row in rows if row.case.reader == reader and row.case.search == search]
        chosen.sort(key=lambda row: -row.after)
        for row in chosen if whole else chosen[:WORST_SHOWN]:
            print(f"  {reader:<6}{row.before:8.1f}{row.after:8.1f}  {row.exponent(*growth):6.2f}  {row.case.name}")
        if chosen:
            lines += told(f"{reader}, {'search' if search else 'lists'}", chosen, growth, search)
    measure.show("S6: lists, each with any single filter", lines)


@dataclass(frozen=True)
class Row:
    """A case, its milliseconds at both sizes, and whether its first page shows as much at both."""

    case: Case
    before: float
    after: float
    shows_as_much: bool

    def exponent(self, small: int, large: int) -> float:
        """How it grows."""
        return measure.exponent(small, self.before, large, self.after)


def told(name: str, rows: list[Row], growth: tuple[int, int], search: bool) -> Iterator[Any]:
    """The lines of one surface: its slowest list, and the one that grows most."""
    yield measure.at_most(f"{name} ({len(rows)}): the slowest", rows[0].after, LONGEST[search], "ms")
    if not search:
        steepest = max(row.exponent(*growth) for row in rows)
        yield measure.at_most(f"{name} ({len(rows)}): growth, exponent", steepest, 0.15)
        alike = [row.exponent(*growth) for row in rows if row.shows_as_much]
        yield measure.Line(f"    of the {len(alike)} that show as much at both sizes", f"{max(alike, default=0):.2f}")
