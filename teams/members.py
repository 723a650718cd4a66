"""
Who is in a team: the one look-up of a member by whatever a door knows them by.

Only who can log in is found, and who is of another team is as good as nobody. Not here: changing who is in it
(teams.lifecycle).
"""

from uuid import UUID

from teams.models import Team, User


def find_member(team: Team, *, uuid: UUID | None = None, number: int | None = None, email: str = "") -> User | None:
    """The active member with a UUID, an integer id or an e-mail address; None for anybody else."""
    members = team.memberships.active()
    if email:
        members = members.filter(user__in=User.objects.with_address(email))
    elif uuid is not None:
        members = members.filter(user__uuid=uuid)
    else:
        members = members.filter(user=number)
    found = members.first()
    return found.user if found else None
