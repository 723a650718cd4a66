"""
Lets a story happen: what sources send is received and applied as the worker does it, what staff do goes
through their verbs, all of it at the moments the story says.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from config import clock
from config.errors import ApiError
from dashboard.demo.cast import PEOPLE
from dashboard.demo.scripts import HERE, Act, Happening, Named, Sent
from incidents import corrections, declaring, details, grouping, resources
from incidents import lifecycle as incidents
from incidents.models import Incident, Severity
from integrations import applying, ingest
from integrations.models import Integration, Verdict
from monitors import lifecycle as monitors
from monitors.keeper import MODELS
from monitors.models import Heartbeat, Monitor
from teams.models import Team, User
from timeline.events import INCIDENT, RESOURCES
from timeline.kept import chronology_of

# The worker takes up what came in within this time in one go; in a demo nobody waits for it.
TAKEN_UP_TOGETHER = timedelta(minutes=2)
TAKEN_UP_AFTER = timedelta(milliseconds=150)

# Told how many incidents have begun so far.
Progress = Callable[[int], None]


@dataclass
class Player:
    """One playing of a story, in the team and through the integrations (by key) it is given."""

    team: Team
    integrations: dict[str, Integration]
    users: dict[str, User]
    progress: Progress
    begun: set[Named] = field(default_factory=set)
    # The rows of what our people made, for nobody else numbers it.
    made: dict[Named, int] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    waiting_since: datetime | None = None
    last: datetime | None = None

    def play(self, story: Iterable[Happening]) -> None:
        """Let everything happen, in order."""
        for happening in story:
            if self.waiting_since and (
                isinstance(happening, Act) or happening.at - self.waiting_since > TAKEN_UP_TOGETHER
            ):
                self.apply()
            with clock.at(happening.at):
                self.happen(happening)
        self.apply()

    def happen(self, happening: Happening) -> None:
        """Let one thing happen."""
        if isinstance(happening, Act):
            self.act(happening)
        else:
            self.receive(happening)

    def receive(self, sent: Sent) -> None:
        """A request of a source, as the inbound door takes it."""
        try:
            ingest.receive_from(self.integrations[sent.source], sent.body, sent.headers, clock.now())
        except ApiError:
            return  # the source is told; its bytes are in quarantine
        self.waiting_since, self.last = self.waiting_since or sent.at, sent.at
        self.tell_progress(sent)

    def tell_progress(self, happening: Happening) -> None:
        """Say how many incidents have begun, if one just did."""
        if happening.opens:
            self.begun.add(happening.opens)
            self.progress(len(self.begun))

    def apply(self) -> None:
        """Apply what came in. Only this team's: others' deliveries are not to be applied at a moment of the story."""
        if self.last is None:
            return
        received = self.team.deliveries.filter(status=Verdict.RECEIVED).select_related("integration")
        applying.apply(list(received.order_by("id").select_for_update(of=("self",))), self.last + TAKEN_UP_AFTER)
        self.waiting_since = None

    def act(self, act: Act) -> None:
        """Something one of ours does."""
        VERBS[act.verb, act.kind](self, act)
        self.tell_progress(act)

    def by(self, act: Act) -> User:
        """Who does it."""
        return self.users[PEOPLE[act.by].key]

    def incident(self, act: Act) -> Incident:
        """The incident it is done to."""
        source, number = act.named
        if source == HERE:
            return self.team.incidents.get(pk=self.made[act.named])
        return self.team.incidents.get(integration_id=self.integrations[source].pk, source_id=number)

    def resource(self, kind: str, number: int) -> Monitor | Heartbeat:
        """One of our own monitors or heartbeats."""
        found: Monitor | Heartbeat = MODELS[kind]._default_manager.get(team=self.team, pk=self.made[kind, number])
        return found

    # --- work on incidents ------------------------------------------------------------------------------------

    def declare(self, act: Act) -> None:
        said = act.told | {"affected": [self.resource(*link) for link in act.told["affected"]]}
        made = declaring.declare(self.team, declaring.Declaration(**said), by=self.by(act), at=clock.now())
        self.made[act.named] = made.pk

    def take(self, act: Act) -> None:
        incidents.acknowledge(self.incident(act), by=self.by(act), at=clock.now())

    def settle(self, act: Act) -> None:
        incidents.resolve(self.incident(act), by=self.by(act), at=clock.now())

    def close(self, act: Act) -> None:
        incidents.close(self.incident(act), by=self.by(act), at=clock.now())

    def note(self, act: Act) -> None:
        incidents.comment(self.incident(act), by=self.by(act), at=clock.now(), **act.told)

    def assign(self, act: Act) -> None:
        assignee = self.users[act.told["assignee"]]
        details.assign(self.incident(act), by=self.by(act), at=clock.now(), assignee=assignee)

    def grade(self, act: Act) -> None:
        severity = Severity(act.told["severity"])
        details.change_severity(self.incident(act), by=self.by(act), at=clock.now(), severity=severity)

    def edit(self, act: Act) -> None:
        details.edit(self.incident(act), by=self.by(act), at=clock.now(), **act.told)

    def call(self, act: Act) -> None:
        targets = [self.users[key] for key in act.told["people"]]
        incidents.escalate(self.incident(act), by=self.by(act), at=clock.now(), targets=targets)

    def gather(self, act: Act) -> None:
        name = act.told["group"]
        if name in self.groups:
            into = self.team.incident_groups.get(pk=self.groups[name])
            grouping.group(self.incident(act), into, by=self.by(act), at=clock.now())
        else:
            made, _ = grouping.group_anew(self.incident(act), name, by=self.by(act), at=clock.now())
            self.groups[name] = made.pk

    def add(self, act: Act) -> None:
        corrections.add(self.incident(act), by=self.by(act), at=clock.now(), **act.told)

    def correct(self, act: Act) -> None:
        incident, said = self.incident(act), dict(act.told)
        entry = chronology_of((INCIDENT, incident.pk)).filter(event=said.pop("entry")).reverse()[0]
        corrections.correct(incident, entry.pk, by=self.by(act), at=clock.now(), **said)

    def delete(self, act: Act) -> None:
        incidents.destroy(self.incident(act), by=self.by(act), at=clock.now())

    # --- monitors and heartbeats of our own -------------------------------------------------------------------

    def create_resource(self, act: Act) -> None:
        made = monitors.create(MODELS[act.kind], self.team, by=self.by(act), at=clock.now(), **act.told)
        self.made[act.kind, act.named[1]] = made.pk

    def edit_resource(self, act: Act) -> None:
        monitors.edit(self.resource(act.kind, act.named[1]), by=self.by(act), at=clock.now(), **act.told)

    def pause_resource(self, act: Act) -> None:
        monitors.pause(self.resource(act.kind, act.named[1]), by=self.by(act), at=clock.now())

    def delete_resource(self, act: Act) -> None:
        resources.destroy(self.resource(act.kind, act.named[1]), by=self.by(act), at=clock.now())


VERBS: dict[tuple[str, str], Callable[[Player, Act], None]] = {
    **{
        (verb.__name__, INCIDENT): verb
        for verb in (
            Player.declare, Player.take, Player.settle, Player.close, Player.note, Player.assign, Player.grade,
            Player.edit, Player.call, Player.gather, Player.add, Player.correct, Player.delete,
        )
    },
    **{
        (verb, kind): called
        for kind in RESOURCES
        for verb, called in (
            ("create", Player.create_resource),
            ("edit", Player.edit_resource),
            ("pause", Player.pause_resource),
            ("delete", Player.delete_resource),
        )
    },
}  # fmt: skip
