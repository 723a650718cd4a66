"""
The verbs that can be done to one incident and to several: what each is told, and what does it.

The API, its bulk, the staff's pages and admin look here for both, and each asks in its own way. Not here: what a verb's
fields may be (incidents.bodies), what it does (incidents.lifecycle and the rooms beside it), who may.
"""

from collections.abc import Callable
from dataclasses import dataclass

from config.fields import Body, NothingToSay
from incidents import bodies, corrections, details, grouping, lifecycle
from timeline.models import TimelineEvent

# Called as `do(incident, by=, at=, **told)`, as incidents.lifecycle has it.
Do = Callable[..., TimelineEvent | None]


@dataclass(frozen=True)
class Verb:
    """A verb's input, and what does it; where that remembers what it did to the one before, it is a class."""

    body: type[Body]
    does: Do | type[grouping.Together]

    def begin(self) -> Do:
        """What does it to one incident, or to several of one request."""
        return self.does() if isinstance(self.does, type) else self.does


VERBS = {
    "acknowledge": Verb(bodies.MovingBody, lifecycle.acknowledge),
    "resolve": Verb(bodies.MovingBody, lifecycle.resolve),
    "close": Verb(bodies.MovingBody, lifecycle.close),
    "reopen": Verb(bodies.ReopeningBody, lifecycle.reopen),
    "take": Verb(bodies.MovingBody, details.take),
    "escalate": Verb(bodies.EscalationBody, lifecycle.escalate),
    "group": Verb(bodies.GroupingBody, grouping.Together),
    "ungroup": Verb(NothingToSay, grouping.ungroup),
    "assign": Verb(bodies.AssignmentBody, details.assign),
    "change_severity": Verb(bodies.SeverityBody, details.change_severity),
    "edit": Verb(bodies.ChangesBody, details.edit),
    "comment": Verb(bodies.NoteBody, lifecycle.comment),
    "add_entry": Verb(bodies.EntryBody, corrections.add),
    "delete": Verb(NothingToSay, lifecycle.destroy),
}
