"""
Which of two events of the same millisecond comes first, as numbers that never change.

Pure. Not here: what events there are (timeline.events), and ranks that were stored otherwise (timeline.renumbering).
"""

# Which of two events of the same millisecond comes first. The number is stored with each fact, so once landed it never
# changes; a new action takes one from the gap where it belongs.
RANKS = {
    "created": 100,
    "unpaused": 200,
    "started": 300,
    "reopened": 400,
    "down": 500,
    "verifying_recovery": 600,
    "acknowledged": 700,
    "escalated": 800,
    "grouped": 900,
    "ungrouped": 950,
    "assigned": 1000,
    "severity_changed": 1100,
    "updated": 1200,
    "commented": 1300,
    "resolved": 1400,
    "up": 1500,
    "closed": 1600,
    "paused": 1700,
    "destroyed": 1800,
    "corrected": 1900,
}
# Before there were numbers, places in a list were stored: 0 to 18. No number is as low.
LOWEST_RANK = 100


def rank_now(stored: int) -> int:
    """The number of a stored rank, which may be a place of before."""
    return (stored + 1) * 100 if 0 <= stored < LOWEST_RANK else stored
