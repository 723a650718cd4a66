"""
What our people do here themselves: monitors and heartbeats of their own, incidents that no source tells of, groups, and
corrections of what was told wrongly.

Chapters like those of story, which puts them in their place among the others.
"""

from datetime import timedelta

from dashboard.demo.cast import OWN, REGIONS, WATCHED
from dashboard.demo.courses import Course, Declared
from dashboard.demo.scripts import Script, minutes
from incidents.models import Severity, Type


def our_own_monitors(script: Script) -> None:
    """Some things are kept here and not at the vendor's; one rests, one was put away."""
    at = script.ago(days=18, hours=6)
    for own in OWN.values():
        script.manage(own, "create", at, "mara", name=own.name, **own.details)
        at += timedelta(seconds=script.chance.randint(70, 200))
    six_hours = 6 * OWN["renewal"].details["grace"]
    script.manage(OWN["renewal"], "edit", at + timedelta(days=1, hours=2), "mara", grace=six_hours)
    script.manage(OWN["kiosk"], "pause", script.ago(days=9, hours=2), "mara")
    script.manage(OWN["wiki"], "delete", script.ago(days=5, hours=7), "mara")


def a_store_calls(script: Script) -> None:
    """Nobody watches a store's line: what its staff say on the phone is declared later, and its end corrected."""
    start = script.ago(days=7, hours=9)
    work = Declared(
        script,
        start + minutes(24),
        "daniel",
        title="Porto store can’t take cards",
        error_message="Customers pay cash only; the terminals say “no connection”",
        severity=Severity.MAJOR,
        type=Type.CONNECTION_ERROR,
        started_at=start,
        affected=("porto_tills", "porto_cards"),
    )
    work.take(start + minutes(25), "daniel")
    work.assign(start + minutes(26), "daniel", "tomas")
    work.grade(start + minutes(31), "tomas", "critical")
    work.call(start + minutes(32), "tomas", "mara")
    work.edit(
        start + minutes(38),
        "tomas",
        error_message="The store’s router has lost its uplink: tills and terminals are offline",
        affected_regions=["porto"],
    )
    work.note(start + minutes(47), "tomas", "Provider confirms a cut fibre in the street. Store switches to its SIM.")
    work.settle(start + minutes(83), "tomas")
    work.correct(
        start + minutes(86),
        "tomas",
        "incident.resolved",
        "Took cards again as soon as the SIM was in; I was told only later",
        occurred_at=start + minutes(61),
    )
    work.close(start + timedelta(hours=19))


def the_power_dips(script: Script) -> None:
    """Three alarms of the warehouse have one cause, and are put into one group here."""
    start = script.ago(days=10, hours=13)
    struck = (
        ("scanners", "Scanner gateway offline", "Connection reset by peer"),
        ("conveyor", "Conveyor controller offline", "Modbus timeout"),
        ("doors", "Dock door sensors silent", "MQTT broker unreachable"),
    )
    for number, (key, name, cause) in enumerate(struck):
        begins = start + timedelta(seconds=13 * number)
        course = Course(script, key, name, begins)
        course.start(begins, cause, ["lisbon-dc"])
        course.gather(start + minutes(6) + timedelta(seconds=8 * number), "daniel", "Power dip in the Lisbon warehouse")
        course.resolve(start + minutes(17 + 2 * number))
        script.occupy(key, begins, start + minutes(40))
        if number == 0:
            course.grade(start + minutes(7), "daniel", "critical")
            course.note(start + minutes(31), "daniel", "0.4 s without mains. The UPS of rack 2 needs new batteries.")


def a_test_of_theirs(script: Script) -> None:
    """The vendor's support tries a webhook with an incident that was over: it is taken out of the record again."""
    start = script.ago(days=12, hours=10)
    course = Course(script, "stores", "Store finder is down", start)
    course.start(start, "Status 429 Too Many Requests", REGIONS[:2])
    course.acknowledge(start + minutes(5), "jonas")
    course.resolve(start + minutes(22), "jonas")
    course.reopen(start + minutes(170))
    course.correct(
        start + minutes(176),
        "mara",
        "incident.reopened",
        f"Test of the webhook by the vendor’s support; the {WATCHED['stores'].name.lower()} was up",
        hidden=True,
    )
    script.occupy("stores", start, start + minutes(180))


def declared_just_now(script: Script) -> None:
    """What customer care noticed before any monitor did."""
    start = script.ago(minutes=51)
    work = Declared(
        script,
        start + minutes(9),
        "jonas",
        title="Pickup codes are missing from e-mails",
        error_message="Click and collect: confirmations arrive without a pickup code",
        severity=Severity.MINOR,
        type=Type.KEYWORD_MISSING,
        started_at=start,
        affected=("collect",),
    )
    work.take(start + minutes(10), "jonas")
    work.assign(start + minutes(12), "jonas", "priya")
    work.note(start + minutes(28), "priya", "The template of Monday’s release lacks the field. Stores look codes up.")
