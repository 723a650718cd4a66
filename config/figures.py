"""
Rounded figures, of which every page and answer has its own from here: 100 % and 0 are said only of what is exactly so.

A day with a second of downtime in it is 99.999 % and not 100; what lasted half a millisecond did not last 0 s. Not
here: durations in words (dashboard.templatetags.moments).
"""

PLACES = 3


def rounded(figure: float, ends: tuple[float, ...] = (0,), places: int = PLACES) -> float:
    """A figure to some decimal places. One of the `ends` it only is if it is exactly that; else a step away from it."""
    near = round(figure, places)
    if near == figure or near not in ends:
        return near
    step = 10.0**-places
    return round(near + step if figure > near else near - step, places)


def percentage(part: float, whole: float) -> float | None:
    """How many per cent of a whole a part is; None where there is no whole. 0 and 100 only for none and for all."""
    if not whole:
        return None
    if part == whole:
        return 100.0
    # Of a very long whole a very short rest is lost to floating point; so it is asked for by itself.
    share = 100 * part / whole
    return rounded(share, ends=(0, 100)) if share < 100 else round(100 - 10.0**-PLACES, PLACES)
