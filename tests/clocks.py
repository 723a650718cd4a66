"""
Clocks that are set, forward and back: that of our processes and that of the database. The machine's is left alone.

The one is set by config.clock's file or in its place, the other by a function of our own that is found before
PostgreSQL's. Nobody can set the clock that pauses go by; a test that runs in no time lets it run.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

HOURS, DAYS = timedelta(hours=2), timedelta(days=3)
JUMPS = [-HOURS, HOURS, -DAYS, DAYS]

# What `SELECT clock_timestamp()` finds from then on, in this database.
SET_DATABASE_UP = """
CREATE SCHEMA clocks;
CREATE TABLE clocks.off (by interval NOT NULL);
INSERT INTO clocks.off VALUES ('0');
CREATE FUNCTION clocks.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
AS 'SELECT pg_catalog.clock_timestamp() + (SELECT by FROM clocks.off)';
"""
SEARCH_PATH = "clocks, pg_catalog, public"
SET_DATABASE = "UPDATE clocks.off SET by = %s"


class Clocks:
    """In a test's own process, within its transaction: both clocks are off by `by`, and nobody's ticks are `ticks`."""

    def __init__(self, cursor: Any, monkeypatch: Any) -> None:
        from config import clock

        self.cursor = cursor
        self.by = timedelta(0)
        self.ticks = 1000.0
        cursor.execute(SET_DATABASE_UP)
        cursor.execute(f"SET LOCAL search_path = {SEARCH_PATH}")
        wall = clock._wall
        monkeypatch.setattr(clock, "_wall", lambda: wall() + self.by)
        monkeypatch.setattr(clock.time, "monotonic", lambda: self.ticks)

    def set(self, by: timedelta) -> None:
        """The clocks are set, and show so much more."""
        self.by += by
        self.cursor.execute(SET_DATABASE, [self.by])

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.ticks += seconds
        self.set(timedelta(seconds=seconds))


def set_clocks(running: Any, faults: Path, by: timedelta) -> None:
    """Set the clocks of a running Watchkeeper and of its database, which `let_clocks_be_set` prepared."""
    draft = faults / ".clock"
    draft.write_text(str(by.total_seconds()))
    with running.connect() as connection:
        connection.execute(SET_DATABASE, [by])
        draft.rename(faults / "clock")


def let_clocks_be_set(running: Any) -> None:
    """Prepare a running Watchkeeper's database; whoever is connected connects anew."""
    with running.connect() as connection:
        connection.execute(SET_DATABASE_UP)
        connection.execute(f"ALTER DATABASE watchkeeper SET search_path = {SEARCH_PATH}")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'watchkeeper'"
        )
