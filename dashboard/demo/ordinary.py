"""
Ordinary days: what goes wrong now and then and is mended, drawn by lot and the same each time.

Not here: what is told to show something (story).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.demo.cast import BEGINNING, FAULTS, ON_CALL, PEOPLE, REGIONS, SOURCES, WATCHED, Fault
from dashboard.demo.courses import Course
from dashboard.demo.scripts import Script, minutes

INCIDENTS = 54
# So long before now the last of them begins: none goes on at the moment.
LATEST = timedelta(hours=9)


def ordinary_days(script: Script) -> None:
    """Things fail and are mended, about twice a day."""
    first = script.now - BEGINNING + timedelta(hours=14)
    slot = (script.now - LATEST - first) / INCIDENTS
    waiting: list[Fault] = []
    for number in range(INCIDENTS):
        if len(waiting) < len(FAULTS):
            waiting += script.chance.sample(FAULTS, len(FAULTS))
        start = first + slot * (number + script.chance.uniform(0.05, 0.8))
        lasts = script.chance.random()
        fault = next(each for each in waiting if fits(script, each, start))
        waiting.remove(fault)
        ordinary(script, fault, start, span(fault, lasts))


def fits(script: Script, fault: Fault, start: datetime) -> bool:
    """Whether a fault can happen then: its source is connected, and nothing else happens to the same thing."""
    connected = script.now - SOURCES[WATCHED[fault.on].source].since + timedelta(hours=2)
    return start > connected and script.is_free(fault.on, start, start + span(fault, 1) + timedelta(hours=1))


def span(fault: Fault, share: float) -> timedelta:
    """How long a fault lasts, from the shortest (0) to the longest (1)."""
    shortest, longest = fault.minutes
    return minutes(shortest + (longest - shortest) * share)


@dataclass(frozen=True)
class Handling:
    """How an ordinary incident is handled: by whom, from when to when."""

    who: str
    start: datetime
    end: datetime

    @property
    def is_short(self) -> bool:
        """Over before anybody looks."""
        return self.end - self.start < minutes(7)


def ordinary(script: Script, fault: Fault, start: datetime, lasts: timedelta) -> None:
    """One ordinary incident from its beginning to its end."""
    watched, chance = WATCHED[fault.on], script.chance
    course = Course(script, fault.on, fault.name, start)
    in_warehouse = watched.source == "warehouse"
    handling = Handling("daniel" if in_warehouse else chance.choice(ON_CALL), start, start + lasts)
    script.occupy(fault.on, start, handling.end + timedelta(hours=1))
    course.start(start, fault.cause, ["lisbon-dc"] if in_warehouse else some_regions(script))
    if not handling.is_short:
        taken(course, handling)
    ended(course, handling)
    for number, note in enumerate(fault.notes if chance.random() < 0.6 else ()):
        course.note(handling.end + minutes(chance.randint(3, 20) + 24 * number), handling.who, note)
    if chance.random() < 0.55 and handling.end < script.now - timedelta(days=2):
        course.close(handling.end + timedelta(hours=chance.randint(13, 30)), chance.choice(("mara", handling.who)))


def some_regions(script: Script) -> list[str]:
    """Between one and all of the regions, in the usual order."""
    chosen = script.chance.sample(REGIONS, script.chance.randint(1, len(REGIONS)))
    return [region for region in REGIONS if region in chosen]


def taken(course: Course, handling: Handling) -> None:
    """Somebody takes the incident, some only after others were called."""
    chance, lasts = course.script.chance, handling.end - handling.start
    taken_at = handling.start + lasts * chance.uniform(0.12, 0.4)
    if chance.random() < 0.18:
        course.escalate(taken_at, chance.choice([key for key in PEOPLE if key not in (handling.who, "aoife")]))
        taken_at += minutes(2)
    course.acknowledge(taken_at, "Slack" if chance.random() < 0.1 else handling.who)


def ended(course: Course, handling: Handling) -> None:
    """The incident ends by itself or by somebody's word; a watched site is observed for a moment first."""
    chance = course.script.chance
    if course.watched.kind == "monitor" and course.source.key == "better_stack":
        course.verify(handling.end - timedelta(seconds=chance.randint(70, 110)))
    course.resolve(handling.end, handling.who if not handling.is_short and chance.random() < 0.6 else None)
