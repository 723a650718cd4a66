"""
Lets a story happen: what sources send goes through the inbox and is applied as the worker does it, what staff do goes
through their verbs, all of it at the moments the story says.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from config import clock, strictjson
from dashboard.demo.cast import PEOPLE
from dashboard.demo.scripts import Act, Happening, Named, Sent
from incidents import lifecycle as incidents
from incidents.models import Incident
from integrations import applying, inbox
from integrations.models import Integration, Verdict
from monitors import lifecycle as monitors
from monitors.models import Monitor
from teams.models import Team, User

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
            inbox.receive(self.integrations[sent.source], sent.body, sent.headers, clock.now())
        except strictjson.Refused:
            return  # the source is told; its bytes are in quarantine
        self.waiting_since, self.last = self.waiting_since or sent.at, sent.at
        if sent.opens:
            self.begun.add(sent.opens)
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

    def by(self, act: Act) -> User:
        """Who does it."""
        return self.users[PEOPLE[act.by].key]

    def incident(self, act: Act) -> Incident:
        """The incident it is done to."""
        return self.team.incidents.get(integration_id=self.integrations[act.source].pk, source_id=act.number)

    def monitor(self, act: Act) -> Monitor:
        """The monitor it is done to."""
        return self.team.monitors.get(integration_id=self.integrations[act.source].pk, source_id=act.number)

    def note(self, act: Act) -> None:
        incidents.comment(self.incident(act), by=self.by(act), at=clock.now(), message=act.message)

    def close(self, act: Act) -> None:
        incidents.close(self.incident(act), by=self.by(act), at=clock.now())

    def delete(self, act: Act) -> None:
        incidents.destroy(self.incident(act), by=self.by(act), at=clock.now())

    def delete_monitor(self, act: Act) -> None:
        monitors.destroy(self.monitor(act), by=self.by(act), at=clock.now())


VERBS: dict[tuple[str, str], Callable[[Player, Act], None]] = {
    ("note", "incident"): Player.note,
    ("close", "incident"): Player.close,
    ("delete", "incident"): Player.delete,
    ("delete", "monitor"): Player.delete_monitor,
}
