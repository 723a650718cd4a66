"""
What the forms have in common by which responders work on incidents: what they carry, and whom they offer.

Not here: the forms themselves (dashboard.acts), doing what they ask for (dashboard.attempts).
"""

from datetime import datetime
from typing import ClassVar

from django.http import QueryDict

from config.seen import knowing, seen_field
from incidents.forms import VerbForm
from incidents.models import Incident
from teams.models import Team, User
from timeline.models import TimelineEvent


class Act(VerbForm):
    """
    One verb as a form. `word` stands on its button, `means` above it, `done` is said when it was done; `changing` are
    the facts that change what its sender saw, `changing_of` the columns that they change, and `changed` is what is said
    of whoever did that.
    """

    verb: ClassVar[str] = ""
    word: ClassVar[str] = ""
    icon: ClassVar[str] = ""
    done: ClassVar[str] = ""
    means: ClassVar[str] = ""
    changing: ClassVar[tuple[str, ...]] = ()
    changing_of: ClassVar[tuple[str, ...]] = ()
    changed: ClassVar[str] = ""
    # The field, if there is one, in which nothing chosen (None) leaves all as it is.
    choice: ClassVar[str] = ""
    # Templates read what a class says of itself, rather than make a form of it.
    do_not_call_in_templates = True

    seen = seen_field()

    def __init__(
        self,
        team: Team,
        data: QueryDict | None = None,
        incident: Incident | None = None,
        members: list[User] | None = None,
    ) -> None:
        # On the list one form has the fields of every verb, and no browser is to ask for those of another one.
        super().__init__(data, auto_id=f"{self.verb}-%s", use_required_attribute=incident is not None)
        self.team, self.members, self.begun = team, members, self.does.begin()
        if incident:
            self.fields["seen"].initial = self.standing(incident)
        self.fill(incident)

    def fill(self, incident: Incident | None) -> None:
        """Put in what can be chosen, and what is so now."""

    @staticmethod
    def standing(incident: Incident) -> str:
        """What of the incident its sender goes by, in short."""
        return "deleted" if incident.destroyed_at else incident.status

    def do(self, incident: Incident, *, by: User, at: datetime) -> TimelineEvent | None:
        """Do what the verb does, to this one of those that the form is about."""
        if self.choice and self.cleaned_data[self.choice] is None:
            return None
        return self.begun(incident, **self.told(self.team), by=by, at=at)

    def people(self) -> dict[str, User]:
        """The members of the team who can log in, by UUID."""
        if self.members is None:
            self.members = members_of(self.team)
        return {str(each.uuid): each for each in self.members}

    def shown_again(self, incident: Incident) -> None:
        """Let a form that came second be sent again, by somebody who knows now how the incident stands."""
        self.data = knowing(self.data, self.standing(incident))


def members_of(team: Team) -> list[User]:
    """The members of a team who can log in, by name."""
    return sorted(
        (each.user for each in team.memberships.active()), key=lambda user: (user.get_full_name().casefold(), user.pk)
    )


def named(user: User) -> str:
    """A member in a list to choose from."""
    return f"{user.name}, {user.email}" if user.name else user.email
