"""
The verbs of organizations, teams and their people, one place each.

Each makes what is not there yet and answers with what is: calling one twice, or twice at the same time, makes nothing
twice. Nobody is ever deleted, because the history names them: people and teams are deactivated, keys are revoked.
Who may call which verb is the doors' affair. Not here: making API keys (teams.authentication), logging in.
"""

import unicodedata
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from config.errors import Conflict, ValidationFailed
from config.turns import wait_for_turn
from teams.models import APIKey, EntryLink, Membership, Organization, Role, Team, User, with_address

LONGEST_NAME = 200
LONGEST_EMAIL = 254
# How long a first password that somebody else gave opens anything, where nothing else is said.
FIRST_PASSWORD_FOR = timedelta(days=7)


def make_organization(name: str, *, at: datetime, public_id: str = "") -> Organization:
    """The organization of that name, or (if a public id is given) that id. Raises ValidationFailed for a bad name."""
    name = sound_name(name, "organization")
    wanted = {"public_id": public_id} if public_id else {"name": name}
    with transaction.atomic():
        # Two organizations may bear one name, so no constraint would stop the second of two who make it at once.
        wait_for_turn(f"organization {public_id or name}")
        found = Organization.objects.filter(**wanted).order_by("id").first()
        return found or Organization.objects.create(**{"name": name, "created_at": at} | wanted)


def make_team(organization: Organization, name: str, *, at: datetime, public_id: str = "") -> Team:
    """The organization's team of that name; a new one gets the public id, if given. Raises ValidationFailed."""
    named = {"public_id": public_id} if public_id else {}
    name = sound_name(name, "team")
    team, _ = organization.teams.get_or_create(name=name, defaults={"created_at": at, **named})
    return team


def make_user(
    email: str,
    *,
    at: datetime,
    name: str = "",
    password: str | None = None,
    operator: bool = False,
    must_change_password: bool = False,
) -> tuple[User, bool]:
    """
    The user of that e-mail address, and whether it is new. Only a new one gets the name, the password (None: no login
    until one is set), which they may have to change, and, as an operator, all of Django admin. Raises ValidationFailed
    for a bad address.
    """
    email = sound_email(email)
    found = User.objects.with_address(email).first()
    if found:
        return found, False
    make = User.objects.create_superuser if operator else User.objects.create_user
    try:
        with transaction.atomic():
            return make(email, password, name=name, date_joined=at, must_change_password=must_change_password), True
    except IntegrityError:  # somebody else made it meanwhile
        return User.objects.with_address(email).get(), False


def add_member(team: Team, user: User, role: Role, *, at: datetime) -> Membership:
    """Make a user a member with at least that role; who has a higher one keeps it."""
    membership, _ = team.memberships.get_or_create(user=user, defaults={"role": role, "created_at": at})
    if not membership.may(role):
        membership.role = role
        membership.save(update_fields=["role"])
    return membership


def change_role(membership: Membership, role: Role, *, even_the_last: bool = False) -> bool:
    """
    Give a member another role; whether they had another. Raises Conflict for somebody who is no member any more, and
    for the last manager, unless an operator asks, who can always make another.
    """
    with transaction.atomic():
        hold(membership.team)
        present = Membership.objects.filter(pk=membership.pk).select_related("user").first()
        if present is None:
            raise Conflict(f"{membership.user.get_full_name()} is no member any more.")
        if present.role == role:
            return False
        if role != Role.MANAGER and not even_the_last:
            leave_a_manager(present)
        return bool(Membership.objects.filter(pk=present.pk).update(role=role))


def remove_member(membership: Membership, *, at: datetime, even_the_last: bool = False) -> bool:
    """
    Take a member out of the team and revoke their keys for it, and the links that they made or that would let them in
    again, so that these stay shut if the member comes back; whether they were in it. Raises Conflict for the last
    manager, unless an operator asks.
    """
    with transaction.atomic():
        hold(membership.team)
        present = Membership.objects.filter(pk=membership.pk).select_related("user").first()
        if present is None:
            return False
        if not even_the_last:
            leave_a_manager(present)
        APIKey.objects.filter(team=present.team_id, user=present.user_id, revoked_at=None).update(revoked_at=at)
        unused = EntryLink.objects.filter(team=present.team_id, used_at=None, revoked_at=None)
        unused.filter(made_by=present.user_id).update(revoked_at=at)
        with_address(unused, present.user.email).update(revoked_at=at)
        present.delete()
        return True


def leave_a_manager(membership: Membership) -> None:
    """Raises Conflict if, without this member, no manager who can log in would be left. The team must be held."""
    if membership.role != Role.MANAGER or not membership.user.is_active:
        return
    others = Membership.objects.filter(team=membership.team_id, role=Role.MANAGER, user__is_active=True)
    if not others.exclude(pk=membership.pk).exists():
        who = membership.user.get_full_name()
        raise Conflict(f"{who} is the team’s last manager. Make somebody else a manager first.")


def hold(team: Team) -> None:
    """
    Until the transaction ends, let nobody else change who is in a team and as what. Events can be taken in meanwhile:
    records that name the team need not wait.
    """
    Team.objects.select_for_update(no_key=True).get(pk=team.pk)


def make_operator(user: User) -> None:
    """Let a user do everything in Django admin."""
    user.is_staff = user.is_superuser = True
    user.save(update_fields=["is_staff", "is_superuser"])


def set_password(user: User, password: str) -> None:
    """Give a user a password that they chose."""
    user.set_password(password)
    user.must_change_password, user.password_expires_at = False, None
    user.save(update_fields=["password", "must_change_password", "password_expires_at"])


def has_expired_password(user: User, *, at: datetime) -> bool:
    """Whether a user's password is a first one that opens nothing any more."""
    expires_at = user.password_expires_at or user.date_joined + FIRST_PASSWORD_FOR
    return user.must_change_password and expires_at <= at


def revoke_own_keys(user: User, *, at: datetime) -> int:
    """Revoke all keys that act for a user, in every team; how many they were."""
    return APIKey.objects.filter(user=user, revoked_at=None).update(revoked_at=at)


def deactivate_team(team: Team, *, at: datetime) -> bool:
    """Shut a team, its doors included; whether it was open."""
    return bool(Team.objects.filter(pk=team.pk, deactivated_at=None).update(deactivated_at=at))


def reactivate_team(team: Team) -> bool:
    """Open a team again; whether it was shut."""
    return bool(Team.objects.filter(pk=team.pk, deactivated_at__isnull=False).update(deactivated_at=None))


def deactivate_user(user: User) -> bool:
    """Let a user no longer log in, nor keys act for them; whether they could."""
    return bool(User.objects.filter(pk=user.pk, is_active=True).update(is_active=False))


def revoke_key(key: APIKey, *, at: datetime) -> bool:
    """Let a key open nothing any more, for good; whether it was not revoked yet."""
    return bool(APIKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=at))


def sound_name(text: str, field: str) -> str:
    """A name without white space around it. Raises ValidationFailed, naming the field, for one that can't be kept."""
    name = text.strip()
    if not name:
        raise ValidationFailed({field: ["A name is required."]})
    if len(name) > LONGEST_NAME:
        raise ValidationFailed({field: [f"A name has at most {LONGEST_NAME} characters."]})
    if not can_be_kept(name):
        raise ValidationFailed({field: ["A name is UTF-8 text without NUL."]})
    return name


def sound_email(text: str) -> str:
    """An e-mail address without white space around it. Raises ValidationFailed for what is none."""
    email = unicodedata.normalize("NFKC", text).strip()
    try:
        validate_email(email)
    except ValidationError:
        raise ValidationFailed({"email": ["This is no e-mail address."]}) from None
    if len(email) > LONGEST_EMAIL:
        raise ValidationFailed({"email": [f"An e-mail address has at most {LONGEST_EMAIL} characters."]})
    return email


def can_be_kept(text: str) -> bool:
    """Whether PostgreSQL can store a text: no NUL, no lone surrogate (as which broken UTF-8 arrives from a shell)."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
