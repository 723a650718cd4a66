"""
What bench.lists reads: the lists of pages, API and Django admin, with each single filter, sort and search.

A case has a path for a story's own ids. `facts_of` finds what the paths name: a resource that has many incidents and
one that has few, somebody who has three, moments long ago and just now.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.story import Story

STATUSES = ("open", "acknowledged", "resolved", "closed")
SEVERITIES = ("critical", "major", "minor", "warning")
VERDICTS = ("received", "applied", "unrecognized", "quarantined", "duplicate", "conflict")
# What is searched for: in most titles; one letter; in old incidents only; in another team's; three times; two words; in
# causes; never.
SEARCHES = ("down", "a", "legacy", "foreign", "unicorn", "is down", "legacy unicorn", "connection", "zzz")


@dataclass(frozen=True)
class Case:
    """A list to be read: who reads (api, page, admin), in which team, and its path. `search`: it has words to find."""

    reader: str
    path: str
    team: str = "Large"
    search: bool = False

    @property
    def name(self) -> str:
        """Under which it is told."""
        return f"{self.path}{'' if self.team == 'Large' else f' ({self.team})'}"


def cases(story: Story) -> list[Case]:
    """All of them."""
    facts = facts_of(story)
    return [*api(facts), *pages(facts), *admin(facts)]


def api(facts: dict[str, Any]) -> Iterator[Case]:
    """The API's lists."""
    filters = [
        "",
        *(f"status={status}" for status in (*STATUSES, "open,acknowledged", "resolved,closed")),
        *(f"severity={severity}" for severity in (*SEVERITIES, "critical,warning", "minor,warning")),
        *(f"resource_type={kind}" for kind in ("monitor", "heartbeat", "workflow", "pipeline", "nothing")),
        *(f"resource_type=monitor&resource_id={facts[which]}" for which in ("busy", "calm")),
        *(f"resource_id={facts[which]}" for which in ("busy", "calm")),
        *(f"assignee={facts[who]}" for who in ("person", "seldom", "nobody")),
        *(f"{which}={facts[at]}" for which in ("started_after", "started_before") for at in ("long_ago", "just_now")),
        "destroyed=true",
        "destroyed=false",
        *(
            f"sort_by={column}&sort_order={way}"
            for column in ("started_at", "updated_at", "severity", "status")
            for way in ("desc", "asc")
        ),
    ]
    for asked in filters:
        yield Case("api", f"/api/incidents?{asked}")
    for team in ("Middle", "Small 3", "Tiny"):
        for asked in ("", "status=open", "severity=warning", "resource_type=pipeline", f"assignee={facts['seldom']}"):
            yield Case("api", f"/api/incidents?{asked}", team)
    for team in ("Large", "Middle", "Tiny"):
        for words in SEARCHES:
            yield Case("api", f"/api/incidents?q={words.replace(' ', '+')}", team, search=True)
    for status in ("", *VERDICTS, "received,quarantined", "applied,quarantined"):
        yield Case("api", f"/api/deliveries?status={status}" if status else "/api/deliveries?")
    for integration in ("integration", "other_integration"):
        yield Case("api", f"/api/deliveries?integration_id={facts[integration]}")
    for kind in ("monitors", "heartbeats"):
        for asked in ("", "status=up", "status=down", "status=maintenance", "destroyed=true", "q=zzz"):
            yield Case("api", f"/api/{kind}?{asked}")


def pages(facts: dict[str, Any]) -> Iterator[Case]:
    """The pages of the dashboard."""
    yield Case("page", "/")
    filters = [
        "",
        *(f"status={status}" for status in ("live", *STATUSES)),
        *(f"severity={severity}" for severity in SEVERITIES),
        *(f"resource_type={kind}" for kind in ("monitor", "heartbeat")),
        "destroyed=true",
        "destroyed=false",
    ]
    for asked in filters:
        yield Case("page", f"/incidents?{asked}")
    for words in SEARCHES:
        yield Case("page", f"/incidents?q={words.replace(' ', '+')}", search=True)
    for status in ("", *VERDICTS):
        yield Case("page", f"/deliveries?status={status}")
    yield Case("page", f"/deliveries?integration={facts['integration']}")
    for kind, which in (("monitors", "busy"), ("heartbeats", "busy_heartbeat")):
        for status in ("", "up", "down", "paused", "maintenance", "destroyed"):
            yield Case("page", f"/{kind}?status={status}")
        yield Case("page", f"/{kind}/{facts[which]}")


def admin(facts: dict[str, Any]) -> Iterator[Case]:
    """Django admin, which shows all teams' together."""
    teams = [f"team__id__exact={facts[team]}" for team in ("large", "tiny")]
    sources = [facts["integration"], facts["tiny_integration"]]
    filters = [
        "",
        *(f"status__exact={status}" for status in STATUSES),
        *(f"severity__exact={severity}" for severity in SEVERITIES),
        *(f"{flag}__exact={answer}" for flag in ("is_live", "provisional") for answer in (0, 1)),
        *(f"destroyed={answer}" for answer in ("yes", "no")),
        *(f"of=monitor-{facts[which]}" for which in ("busy", "calm")),
        *(f"integration_id={source}" for source in sources),
        *teams,
        f"q={facts['number']}",
    ]
    for asked in filters:
        yield Case("admin", f"/admin/incidents/incident/?{asked}")
    for words in SEARCHES:
        yield Case("admin", f"/admin/incidents/incident/?q={words.replace(' ', '+')}", search=True)
    deliveries = ["", *(f"status__exact={status}" for status in VERDICTS), *teams]
    deliveries += [f"incident_id={facts['number']}", *(f"integration__id__exact={source}" for source in sources)]
    for asked in deliveries:
        yield Case("admin", f"/admin/integrations/inbounddelivery/?{asked}")
    events = ("incident.started", "incident.destroyed", "heartbeat.up")
    told = ["", *teams, *(f"event={event}" for event in events), "effect__exact=none", "effect__exact=applied"]
    told += [f"integration_id={source}" for source in sources]
    told += [f"about=incident-{facts['number']}", f"in=monitor-{facts['busy']}"]
    for asked in told:
        yield Case("admin", f"/admin/timeline/timelineevent/?{asked}")
    for asked in ("", "status__exact=up", "status__exact=down", "destroyed=yes", *teams, "q=zzz"):
        yield Case("admin", f"/admin/monitors/monitor/?{asked}")


def facts_of(story: Story) -> dict[str, Any]:
    """What the paths of a story name."""
    teams = story.told["teams"]
    with story.connect() as connection:

        def asked(sql: str) -> Any:
            row = connection.execute(sql.encode(), {"team": teams["Large"]["id"]}).fetchone()
            return next(iter(row.values())) if row else None

        by_resource = (
            "SELECT resource_id FROM incidents_incident WHERE team_id = %(team)s AND resource_type = '{kind}' "
            "GROUP BY 1 HAVING count(*) >= 3 ORDER BY count(*) {way}, 1 LIMIT 1"
        )
        moment = "SELECT to_char(now() AT TIME ZONE 'UTC' - interval '{ago}', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        return {
            "busy": asked(by_resource.format(kind="monitor", way="DESC")),
            "calm": asked(by_resource.format(kind="monitor", way="ASC")),
            "busy_heartbeat": asked(by_resource.format(kind="heartbeat", way="DESC")),
            "long_ago": asked(moment.format(ago="3 years")),
            "just_now": asked(moment.format(ago="1 day")),
            "number": asked("SELECT max(id) - 7 FROM incidents_incident WHERE team_id = %(team)s"),
            "person": story.told["person"]["uuid"],
            "seldom": story.told["seldom"]["uuid"],
            "nobody": "00000000-0000-4000-8000-000000000000",
            "integration": teams["Large"]["integration"],
            "other_integration": teams["Middle"]["integration"],
            "tiny_integration": teams["Tiny"]["integration"],
            "large": teams["Large"]["id"],
            "tiny": teams["Tiny"]["id"],
        }
