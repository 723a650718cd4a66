"""
Ways in that are handed over: invitations to a team, and links by which somebody makes a new password.

Nobody is put into a team: whoever has an account accepts while logged in, whoever has none makes one, with a password
that nobody else knows. A manager is answered the same whether or not an address has an account. A link opens once,
for a week, and can be taken back; its text is not kept. Not here: the pages, and logging in.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from config.errors import Conflict
from config.vault import new_token, plain_digest
from teams.lifecycle import add_member, hold, set_password, sound_email, sound_name
from teams.models import EntryLink, Membership, Role, Team, User, address_key, with_address

PREFIX = "wlink_"
GOOD_FOR = timedelta(days=7)
# Of one team in a day: nobody finds out by inviting the whole world who has an account.
MADE_A_DAY = 100

DEAD = "This link does not open anything any more."
NOT_YOURS = "This invitation is for another e-mail address than yours."


class AddressTaken(Conflict):
    """A new account can't have the address of the invitation."""


def invite(team: Team, email: str, role: Role, *, by: User, at: datetime) -> tuple[EntryLink, str]:
    """
    Make an invitation, and its text, which is shown once. One that is open for the same address is taken back. Raises
    ValidationFailed for what is no address, Conflict for a member and for too many.
    """
    email = sound_email(email)
    with transaction.atomic():
        hold(team)
        member = team.memberships.filter(user__in=User.objects.with_address(email)).select_related("user").first()
        if member:
            raise Conflict(f"{member.user.get_full_name()} is a member already.")
        with_address(open_invitations(team, at=at), email).update(revoked_at=at)
        return make_link(team, at=at, email=email, role=role, made_by=by)


def invite_to_choose_password(member: Membership, *, by: User, at: datetime) -> tuple[EntryLink, str]:
    """
    Make a link by which a member makes a new password, and its text. Raises Conflict for those whose account is not
    this team's alone: whoever has the link has the account.
    """
    with transaction.atomic():
        hold(member.team)
        present = memberships_with_reach(member.team).filter(pk=member.pk).select_related("user").first()
        if present is None:
            raise Conflict(f"{member.user.get_full_name()} is no member any more.")
        if not may_get_password(present):
            raise Conflict("Their account is not this team’s alone. Only the operator can make them a new password.")
        # As who uses one: first the person, then their links, or two who do both at once would wait for each other.
        User.objects.select_for_update().get(pk=present.user_id)
        of_user = {"user": present.user, "email": present.user.email}
        team_links(member.team, at=at).filter(user=present.user).update(revoked_at=at)
        return make_link(member.team, at=at, made_by=by, **of_user)


def make_link(team: Team | None, *, at: datetime, **fields: Any) -> tuple[EntryLink, str]:
    """A new link, and its text. Raises Conflict where a team made too many."""
    if team and team.entry_links.filter(created_at__gt=at - timedelta(days=1)).count() >= MADE_A_DAY:
        raise Conflict(f"This team made {MADE_A_DAY} links in a day. Wait until tomorrow.")
    text = new_token(PREFIX)
    dates = {"created_at": at, "expires_at": at + GOOD_FOR}
    return EntryLink.objects.create(team=team, digest=plain_digest(text), **dates, **fields), text


def memberships_with_reach(team: Team) -> QuerySet[Membership]:
    """A team's memberships with `is_elsewhere`: whether the person is in another team, too."""
    from_others = Membership.objects.filter(user=OuterRef("user")).exclude(team=team)
    return team.memberships.annotate(is_elsewhere=Exists(from_others))


def may_get_password(member: Any) -> bool:
    """Whether a manager may make a member (of `memberships_with_reach`) a new password."""
    user = member.user
    return user.is_active and not (user.is_staff or user.is_superuser or member.is_elsewhere)


def team_links(team: Team, *, at: datetime) -> QuerySet[EntryLink]:
    """A team's links that open something at that moment, as far as a query can say."""
    return team.entry_links.filter(used_at=None, revoked_at=None, expires_at__gt=at)


def open_invitations(team: Team, *, at: datetime) -> QuerySet[EntryLink]:
    """Those of them that invite."""
    return team_links(team, at=at).filter(user=None)


def revoke_link(link: EntryLink, *, at: datetime) -> bool:
    """Take a link back; whether it was neither used nor taken back yet."""
    unused = EntryLink.objects.filter(pk=link.pk, used_at=None, revoked_at=None)
    return bool(unused.update(revoked_at=at))


# Opening them


def find_link(text: str, *, at: datetime) -> EntryLink | None:
    """The link with that text, if it opens anything now."""
    found = EntryLink.objects.select_related("team__organization", "user", "made_by").filter(digest=plain_digest(text))
    link = found.first()
    return link if link and opens(link, at=at) else None


def opens(link: EntryLink, *, at: datetime) -> bool:
    """Whether a link opens anything: who made it is still a manager, and whose password it makes is still theirs."""
    if not link.is_open(at):
        return False
    if link.user is not None and not link.user.is_active:
        return False
    if link.team is None:
        return True
    is_managers = Q(user=link.made_by, role=Role.MANAGER, user__is_active=True)
    if not link.team.memberships.filter(is_managers).exists():
        return False
    if link.user is None:
        return True
    member = memberships_with_reach(link.team).filter(user=link.user).select_related("user").first()
    return member is not None and may_get_password(member)


def accept(link: EntryLink, user: User, *, at: datetime, new_password: str = "") -> Membership:
    """
    Make somebody who is logged in a member. Raises Conflict for a link that is dead by now or somebody else's, and
    where `needs_own_password` and there is none.
    """
    with transaction.atomic():
        team, link = use(link, at=at)
        user = User.objects.select_for_update().get(pk=user.pk)
        if not is_for(link, user) or not user.is_active:
            raise Conflict(NOT_YOURS)
        if needs_own_password(user):
            if not new_password:
                raise Conflict("Choose a new password.")
            set_password(user, new_password)
            User.objects.filter(pk=user.pk).update(own_since=at)
        return add_member(team, user, Role(link.role), at=at)


def is_for(link: EntryLink, user: User) -> bool:
    """Whether an invitation is for somebody's address."""
    return address_key(user.email) == address_key(link.email)


def needs_own_password(user: User) -> bool:
    """
    Whether somebody has to choose a new password before they come into one more team: whoever made their account may
    know the present one, and would come in with them.
    """
    return user.own_since is None


def join_anew(link: EntryLink, name: str, password: str, *, at: datetime) -> User:
    """
    Make an account for whom an invitation is for, and a member of it. Raises ValidationFailed for a bad name,
    AddressTaken, and Conflict for a link that is dead by now.
    """
    name = sound_name(name, "name")
    try:
        with transaction.atomic():
            team, link = use(link, at=at)
            user = User.objects.create_user(link.email, password, name=name, date_joined=at)
            add_member(team, user, Role(link.role), at=at)
            return user
    except IntegrityError:
        raise AddressTaken("No new account can be made with this address. If you have one, log in with it.") from None


def choose_password(link: EntryLink, password: str, *, at: datetime) -> User:
    """Give the person of a link a password that they chose. Raises Conflict for a link that is dead by now."""
    with transaction.atomic():
        _, link = use(link, at=at)
        assert link.user
        set_password(link.user, password)
        unused = EntryLink.objects.filter(user=link.user, used_at=None, revoked_at=None)
        unused.update(revoked_at=at)  # whoever finds an older one must not undo it
        if link.team_id:  # whoever made the link could have used it
            User.objects.filter(pk=link.user.pk).update(own_since=None)
        return link.user


def use(link: EntryLink, *, at: datetime) -> tuple[Any, EntryLink]:
    """
    Use a link up, for this transaction alone; its team and the link as it is. Raises Conflict. Whose password it makes
    comes into no other team meanwhile: a new membership waits for the lock on its user.
    """
    if link.team:
        hold(link.team)
    if link.user_id:
        User.objects.select_for_update().get(pk=link.user_id)
    present = (
        EntryLink.objects.select_for_update(of=("self",)).select_related("team", "user", "made_by").get(pk=link.pk)
    )
    if not opens(present, at=at):
        raise Conflict(DEAD)
    EntryLink.objects.filter(pk=present.pk).update(used_at=at)
    return present.team, present
