"""
What happens: a month up to now, in chapters. Everything is told relative to now and the same each time.

The chapters here are there to show something, as are those of what our people do themselves (ours); ordinary days fill
the month between them (ordinary). That they show it, and that nothing else looks strange, is what
tests/dashboard/test_demo.py holds the story to.
"""

import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta

from dashboard.demo.cast import BEGINNING, REGIONS, SOURCES, WATCHED
from dashboard.demo.courses import Course
from dashboard.demo.ordinary import ordinary_days
from dashboard.demo.ours import (
    a_store_calls,
    a_test_of_theirs,
    declared_just_now,
    our_own_monitors,
    the_power_dips,
)
from dashboard.demo.scripts import Happening, Script, minutes

SEED = 20_260_513
OUTAGE_GROUP = 4417
USED_TWICE = "msg_00000000000000a7"


def story(now: datetime) -> list[Happening]:
    """Everything that happens in the month before `now`, in order."""
    script = Script(now, random.Random(SEED))  # noqa: S311 - the same story each time, no secret
    for chapter in CHAPTERS:
        chapter(script)
    return script.in_order()


# --- what is set up, paused, put away --------------------------------------------------------------------------------


def setting_up(script: Script) -> None:
    """A month ago the team moved its monitors and heartbeats to the vendor, one after another."""
    at = script.ago(days=BEGINNING.days) + minutes(6)
    for watched in WATCHED.values():
        if watched.source == "better_stack" and watched.key != "landing":
            script.tell_of(watched, "created", at)
            at += timedelta(seconds=script.chance.randint(35, 160))


def a_campaign(script: Script) -> None:
    """A landing page is watched while its campaign runs, and paused since."""
    script.tell_of(WATCHED["landing"], "created", script.ago(days=12, hours=3))
    start = script.ago(days=9, hours=5)
    course = Course(script, "landing", "Autumn sale landing page is down", start)
    course.start(start, "Status 503 Service Unavailable", REGIONS[:3])
    course.acknowledge(start + minutes(3), "tomas")
    course.resolve(start + minutes(14), "tomas")
    course.note(
        start + minutes(31),
        "tomas",
        "Newsletter went out to 180,000 people at once. Doubled the web nodes until Sunday.",
    )
    course.close(start + timedelta(hours=17))
    script.tell_of(WATCHED["landing"], "paused", script.ago(days=3, hours=2))


def a_migration(script: Script) -> None:
    """The inventory's monitor rests while its database moves, and the newsletter's heartbeat still does."""
    start = script.ago(days=20, hours=1)
    script.tell_of(WATCHED["inventory"], "paused", start)
    script.tell_of(WATCHED["inventory"], "unpaused", start + minutes(47))
    script.occupy("inventory", start, start + minutes(47))
    script.tell_of(WATCHED["newsletter"], "paused", script.ago(days=2, hours=21))


def an_old_import_is_switched_off(script: Script) -> None:
    """The legacy import fails one last time and is taken down, like some mails and an old gate's reader."""
    start = script.ago(days=11, hours=7)
    course = Course(script, "legacy", "Legacy order import (SOAP) is down", start)
    course.start(start, "Connection refused", REGIONS[:1])
    course.acknowledge(start + minutes(9), "priya")
    course.note(
        start + minutes(16),
        "priya",
        "The last partner moved to the REST import on Monday. This can be switched off for good.",
    )
    course.resolve(start + minutes(55), "priya")
    course.close(start + timedelta(hours=20))
    script.tell_of(WATCHED["legacy"], "destroyed", start + timedelta(hours=21))
    script.tell_of(WATCHED["coupon_mail"], "destroyed", script.ago(days=10, hours=2))

    start = script.ago(days=22, hours=4)
    course = Course(script, "badges", "Badge reader offline", start)
    course.start(start, "Connection timed out", ["lisbon-dc"])
    course.resolve(start + minutes(26))
    script.tell_of(WATCHED["badges"], "destroyed", start + timedelta(days=2))


# --- incidents that went their own way -------------------------------------------------------------------------------


def before_we_listened(script: Script) -> None:
    """The warehouse was connected in the middle of an incident: how that began was never told."""
    start = script.ago(days=24) + minutes(4)
    course = Course(script, "doors", "Dock door sensors silent", start)
    course.acknowledge(start, "daniel")
    course.resolve(start + minutes(18), "daniel")
    course.note(
        start + minutes(40),
        "daniel",
        "The broker's certificate was replaced just before the gateway began to report to us.",
    )


def a_name_server_fails(script: Script) -> None:
    """One cause, five incidents, one group; the vendor says of one of them twice that it is over."""
    start = script.ago(days=17, hours=6)
    struck = ("dns", "storefront", "accounts", "images", "smtp")
    courses = []
    for number, key in enumerate(struck):
        begins = start + timedelta(seconds=41 * number)
        course = Course(script, key, f"{WATCHED[key].name} can't be resolved", begins)
        course.start(begins, "DNS lookup failed: SERVFAIL", REGIONS)
        script.occupy(key, begins, begins + minutes(80))
        courses.append(course)
    first = courses[0]
    first.acknowledge(start + minutes(5), "mara")
    first.grade(start + minutes(6), "mara", "critical")
    first.escalate(start + minutes(7), "tomas", "priya")
    first.note(
        start + minutes(12), "mara", "All five come from ns1. Registrar's panel shows an expired DNSSEC signature."
    )
    for number, course in enumerate(courses):
        course.group(start + minutes(15) + timedelta(seconds=9 * number), OUTAGE_GROUP)
    first.note(
        start + minutes(33), "tomas", "Zone signed again by hand. Resolvers pick it up within the TTL of 15 minutes."
    )
    for number, course in enumerate(courses):
        course.verify(start + minutes(47) + timedelta(seconds=12 * number))
        course.resolve(start + minutes(52) + timedelta(seconds=21 * number))
    first.resolve(start + minutes(58), "mara")  # the vendor had resolved it by then: this one has no effect
    first.note(
        start + timedelta(hours=5), "mara",
        "Cause: the signing job failed silently for 14 days. Follow-up: alert on signature age (OPS-2302), a "
        "second name server at another provider (OPS-2303).",
    )  # fmt: skip
    first.add(
        start + timedelta(hours=6),
        "mara",
        start + minutes(2),
        "Customer care takes the first call about failing sign-ins.",
        "From the call log, which we got only now",
    )
    for number, course in enumerate(courses):
        course.close(start + timedelta(hours=26, minutes=number))


def it_comes_back(script: Script) -> None:
    """Payment callbacks are resolved too soon, reopened, and resolved again."""
    start = script.ago(days=13, hours=9)
    course = Course(script, "payments", "Payment callbacks fail", start)
    course.start(start, "Expected status 200, got 500", REGIONS[:2])
    course.acknowledge(start + minutes(4), "jonas")
    course.verify(start + minutes(21))
    course.resolve(start + minutes(26), "jonas")
    course.reopen(start + minutes(39), "jonas")
    course.note(
        start + minutes(44),
        "jonas",
        "Callbacks pile up again: the retry queue was never drained. 213 payments are unconfirmed.",
    )
    course.correct(
        start + minutes(46),
        "jonas",
        "incident.commented",
        "Digits swapped",
        message="Callbacks pile up again: the retry queue was never drained. 312 payments are unconfirmed.",
    )
    course.escalate(start + minutes(48), "mara")
    course.acknowledge(start + minutes(49), "jonas")
    course.resolve(start + minutes(96), "jonas")
    course.note(
        start + minutes(110),
        "jonas",
        "All 312 payments confirmed by hand against the provider's report. No customer was charged twice.",
    )
    course.close(start + timedelta(hours=22))
    script.occupy("payments", start, start + minutes(110))


def it_spreads(script: Script) -> None:
    """The vendor tells of one incident twice: it has spread to further regions, and its cause is better known."""
    start = script.ago(days=14, hours=2)
    course = Course(script, "search", "Product search is down", start)
    course.start(start, "Timeout after 30 s", REGIONS[:1])
    course.start_again(start + minutes(6), "Status 503 Service Unavailable", REGIONS[:3])
    course.acknowledge(start + minutes(8), "PagerDuty")
    course.resolve(start + minutes(37), "tomas")
    course.note(
        start + minutes(50),
        "tomas",
        "Disk of search node 1 was full; the cluster went read-only. Freed 80 GB of old indices.",
    )
    script.occupy("search", start, start + minutes(50))


def word_comes_late(script: Script) -> None:
    """An acknowledgement reaches us seven minutes after it was given: the vendor's sender had stopped."""
    start = script.ago(days=8, hours=20)
    course = Course(script, "checkout", "Checkout API is down", start)
    course.start(start, "Status 502 Bad Gateway", REGIONS[:2])
    course.acknowledge(start + minutes(3), "priya", after=minutes(7) + timedelta(seconds=12))
    course.resolve(start + minutes(9), "priya")
    course.close(start + timedelta(hours=15))
    script.occupy("checkout", start, start + minutes(20))


def deleted(script: Script) -> None:
    """A false alarm is deleted by the vendor's user, a double one by ours."""
    start = script.ago(days=15, hours=11)
    course = Course(script, "vpn", "Office VPN is unreachable", start)
    course.start(start, "No reply to 3 pings", REGIONS[1:2])
    course.vanish(start + minutes(12))
    script.occupy("vpn", start, start + minutes(12))

    start = script.ago(days=6, hours=8)
    course = Course(script, "conveyor", "Conveyor controller offline (test by the installer)", start)
    course.start(start, "Modbus timeout", ["lisbon-dc"])
    course.resolve(start + minutes(4))
    course.note(start + minutes(30), "daniel", "Announced test of the emergency stop, no incident.")
    course.delete(start + minutes(31), "daniel")
    script.occupy("conveyor", start, start + minutes(31))


def never_resolved(script: Script) -> None:
    """A source forgot an incident; staff closed it here."""
    start = script.ago(days=19, hours=3)
    course = Course(script, "labels", "Label print server offline", start)
    course.start(start, "Connection refused", ["lisbon-dc"])
    course.acknowledge(start + minutes(11), "daniel")
    course.note(
        start + timedelta(hours=8),
        "daniel",
        "Works since it was restarted. The gateway did not report it: it was down itself.",
    )
    course.close(start + timedelta(hours=8, minutes=1), "daniel")
    script.occupy("labels", start, start + timedelta(hours=9))


def a_certificate(script: Script) -> None:
    """An incident about a kind of resource that is not watched here."""
    start = script.ago(days=5, hours=16)
    course = Course(
        script, "storefront", "Certificate of www.harbourpine.example expires in 7 days", start, "certificate"
    )
    course.start(start, "TLS certificate expires in 7 days", [])
    course.acknowledge(start + timedelta(hours=2), "Slack")
    course.note(start + timedelta(hours=2, minutes=20), "priya", "Renewed; the new one is good for 90 days.")
    course.resolve(start + timedelta(hours=3), "priya")


# --- deliveries that are not as they should be -----------------------------------------------------------------------


def not_understood(script: Script) -> None:
    """Events that this version does not know, and some that are broken. Nothing of them is lost."""
    source = SOURCES["better_stack"]
    for number, key in enumerate(("storefront", "checkout")):
        watched = WATCHED[key]
        fields = {
            "monitor_id": watched.id,
            "monitor_name": watched.name,
            "monitor_url": watched.url,
            "response_time_ms": 412,
        }
        at = script.ago(days=4, hours=number)
        script.tell(source, "monitor.checked", at, f'Monitor "{watched.name}" checked', fields)

    wrong = {"incident_id": "INC-70991", "incident_name": "Returns portal is down", "regions": "eu-west-1"}
    script.tell(
        source, "incident.started", script.ago(days=7, hours=3), 'Incident "Returns portal is down" started', wrong
    )
    warehouse = SOURCES["warehouse"]
    no_zone = {
        "dt": f"{script.ago(days=2, hours=4):%Y-%m-%dT%H:%M:%S}",
        "event": "incident.resolved",
        "message": 'Incident "Dock door sensors silent" resolved',
        "organization_id": warehouse.organization_id,
        "team_id": warehouse.team_id,
        "incident_id": 51120,
    }
    script.send(warehouse, json.dumps(no_zone).encode(), script.ago(days=2, hours=4))
    cut = json.dumps(no_zone | {"message": "Scanner gateway: buffer flush"}).encode()[:133]
    script.send(warehouse, cut, script.ago(days=1, hours=6))


def said_twice(script: Script) -> None:
    """A source repeats itself to be sure; another uses the id of one delivery for a second, different one."""
    start = script.ago(days=4, hours=12)
    course = Course(script, "scanners", "Scanner gateway offline", start)
    course.start(start, "Connection reset by peer", ["lisbon-dc"])
    again = course.resolve(start + minutes(8))
    script.send(SOURCES["warehouse"], again, start + minutes(9))
    script.send(SOURCES["warehouse"], again, start + minutes(11))
    script.occupy("scanners", start, start + minutes(11))

    start = script.ago(days=3, hours=15)
    course = Course(script, "aisle_b", "Handhelds offline in aisle B", start, "network")
    course.start_again(start, "Link down", ["lisbon-dc"], webhook_id=USED_TWICE, opens=course.named)
    course.resolve(start + minutes(19))
    start += minutes(1)
    never_heard = Course(script, "aisle_d", "Handhelds offline in aisle D", start, "network")
    never_heard.start_again(start, "Link down", ["lisbon-dc"], webhook_id=USED_TWICE)


# --- now -------------------------------------------------------------------------------------------------------------


def right_now(script: Script) -> None:
    """What is broken at this moment, and who works on it."""
    start = script.ago(hours=1, minutes=52)
    search = Course(script, "search", "Product search is slow", start)
    search.start(start, "Response time above 4 s for 5 minutes", REGIONS[:3])
    search.acknowledge(start + minutes(6), "priya")
    search.assign(start + minutes(7), "priya", "priya")
    search.note(
        start + minutes(19),
        "priya",
        "Queries for “rain jacket” scan all variants since the last release. Preparing a rollback.",
    )
    search.note(
        start + minutes(71), "priya", "Rollback is in review. Response times are at 5.1 s (p95), search still answers."
    )

    start = script.ago(hours=2, minutes=35)
    labels = Course(script, "labels", "Label print server offline", start)
    labels.start(start, "Connection refused", ["lisbon-dc"])
    labels.acknowledge(start + minutes(13), "daniel")
    labels.note(
        start + minutes(22),
        "daniel",
        "Power supply is dead. Spare part arrives with the courier; dock 2 prints for everyone meanwhile.",
    )

    start = script.ago(minutes=58)
    images = Course(script, "images", "Image delivery is degraded", start)
    images.start(start, "Status 504 Gateway Timeout", REGIONS[1:3])
    images.acknowledge(start + minutes(4), "tomas")
    images.resolve(start + minutes(23), "tomas")
    images.reopen(start + minutes(37), "tomas")
    images.note(
        start + minutes(41), "tomas", "Errors are back since the CDN moved traffic to Frankfurt again. Case 118311."
    )
    images.verify(start + minutes(55))

    start = script.ago(minutes=24)
    checkout = Course(script, "checkout", "Checkout API is down", start)
    checkout.start(start, "Status 502 Bad Gateway", REGIONS)
    checkout.grade(start + minutes(9), "jonas", "critical")
    checkout.escalate(start + minutes(10), "jonas", "mara")
    checkout.group(start + minutes(16), OUTAGE_GROUP + 61)

    start = script.ago(minutes=8)
    settlement = Course(script, "settlement", "Payment settlement run was missed", start)
    settlement.start(start, "No heartbeat for 30 minutes", [])
    settlement.group(start + minutes(3), OUTAGE_GROUP + 61)


CHAPTERS: tuple[Callable[[Script], None], ...] = (
    setting_up,
    a_campaign,
    a_migration,
    an_old_import_is_switched_off,
    our_own_monitors,
    before_we_listened,
    a_name_server_fails,
    it_comes_back,
    it_spreads,
    word_comes_late,
    deleted,
    the_power_dips,
    a_store_calls,
    a_test_of_theirs,
    never_resolved,
    a_certificate,
    not_understood,
    said_twice,
    right_now,
    declared_just_now,
    ordinary_days,
)
