"""
The fold: what one more fact costs an incident of 10 facts and one of 100,000, and what a late one costs.

A fact is folded and written (and taken back) in a process of its own, without HTTP and without the commit. The first
run makes the long history, which takes some minutes.
"""

import json

from bench import ground, measure
from bench.measure import Line, at_most, median

MEASURE = "from bench import histories; histories.measured({rounds})"


def main(arguments: list[str]) -> None:
    """Measure and print."""
    options = measure.asked("fold", arguments, rounds=5)
    with ground.cluster() as cluster:
        url = ground.kept(cluster, "fold")
        within = ["shell", "--no-imports", "--verbosity=0", "-c", MEASURE.format(rounds=options.rounds)]
        found = json.loads(ground.manage(url, *within))
    short, long = (median(history["milliseconds"]) for history in found["histories"])
    few, many = (history["facts"] for history in found["histories"])
    batch = found["batch"]
    lines = [
        Line(f"one fact onto {few:,}", f"{short:.2f} ms"),
        Line(f"one fact onto {many:,}", f"{long:.2f} ms"),
        at_most("    as a ratio", long / short, 1.2),
    ]
    for late in found["tails"]:
        figure = f"{late['milliseconds']:,.1f} ms, {late['steps']:,.0f} steps"
        lines.append(Line(f"one fact {late['tail']:,} before the end of {many:,}", figure))
    what = f"a batch of {batch['events']} events about {batch['records']} records, folds"
    lines.append(at_most(what, batch["folds"], batch["records"]))
    measure.show("The fold", lines)
