"""
Who there is: organizations, teams, people, their roles, and the keys that act for them.

A team is the unit of isolation: whatever belongs to a team is reached through that team (`team.incidents`, …).
Not here: what happened (timeline), what is watched (monitors), who sends us events (integrations).
"""

import secrets
import unicodedata
import uuid
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

# As many characters as nobody guesses and everybody can still paste.
PUBLIC_ID_BYTES = 9


def organization_id() -> str:
    """A new public id of an organization: `org_…`."""
    return "org_" + secrets.token_urlsafe(PUBLIC_ID_BYTES)


def team_id() -> str:
    """A new public id of a team: `team_…`."""
    return "team_" + secrets.token_urlsafe(PUBLIC_ID_BYTES)


class Organization(models.Model):
    """The owner of teams."""

    public_id = models.CharField(max_length=40, unique=True, default=organization_id, editable=False)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class Team(models.Model):
    """The unit of isolation. The updates document calls it a project."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="teams")
    public_id = models.CharField(max_length=40, unique=True, default=team_id, editable=False)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deactivated_at = models.DateTimeField(null=True, blank=True, help_text="Since when nobody can enter it.")

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "name"], name="team_name_once_per_organization"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        """Whether people and keys can enter it."""
        return self.deactivated_at is None


def address_key(email: str) -> str:
    """
    What tells one e-mail address from another: without case and white space around it, and with letters that only look
    different made the same, as the log-in makes them. Addresses are compared, looked up and counted by nothing else:
    what one part takes for the same, another must not take for two.
    """
    return unicodedata.normalize("NFKC", email).strip().lower()


def with_address(records: "models.QuerySet[Any]", email: str) -> "models.QuerySet[Any]":
    """Those of some records whose `email` is that address; of users one at most, by the constraint."""
    return records.alias(address=Lower("email")).filter(address=address_key(email))


class UserManager(BaseUserManager["User"]):
    """Makes and finds users."""

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.with_address(username or "").get()

    def with_address(self, email: str) -> "models.QuerySet[User]":
        """The user of an e-mail address."""
        return with_address(self.get_queryset(), email)

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        return super().normalize_email(unicodedata.normalize("NFKC", email or ""))

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A user, with a password or (None) without one that could be used."""
        user = self.model(email=self.normalize_email(email).strip(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A user who may do everything in Django admin."""
        return self.create_user(email, password, **({"is_staff": True, "is_superuser": True} | fields))


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Public under its UUID; the incident log names it by e-mail, name and integer id."""

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=200, blank=True)
    time_zone = models.CharField(max_length=60, default="UTC", help_text="In which times are shown.")
    is_staff = models.BooleanField("operator", default=False, help_text="May enter Django admin.")
    is_active = models.BooleanField("active", default=True, help_text="May log in, and keys may act for it.")
    must_change_password = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="Somebody else knows it, and it opens one page only."
    )
    password_expires_at = models.DateTimeField(
        null=True, editable=False, help_text="Until when a first password opens anything."
    )
    own_since = models.DateTimeField(
        null=True, editable=False, help_text="Since when no team that it was made for can know its password."
    )
    # Wrong passwords from places where the person never logged in, since they last did: told when they next do.
    failed_logins = models.IntegerField(default=0, db_default=0, editable=False)
    failed_login_at = models.DateTimeField(null=True, editable=False)
    failed_login_from = models.TextField(default="", db_default="", editable=False)
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ["email"]
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_once")]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        """What people call this user: the name, or else the address."""
        return self.name or self.email

    get_short_name = get_full_name


class LoginPlace(models.Model):
    """A network from which a person logged in: there they are not slowed down by strangers who guess elsewhere."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="login_places")
    place = models.BinaryField(max_length=32, help_text="A keyed digest of the person and the network.")
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "place"], name="login_place_once")]

    def __str__(self) -> str:
        return f"a place of {self.user_id}"


class Role(models.TextChoices):
    """What a member may do; each role may all that the one before may."""

    VIEWER = "viewer", "Viewer: reads"
    RESPONDER = "responder", "Responder: works on incidents"
    MANAGER = "manager", "Manager: also monitors, keys, endpoints, members"

    def covers(self, other: "Role") -> bool:
        """Whether this role may whatever `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class MembershipQuerySet(models.QuerySet["Membership", "Membership"]):
    """Questions about members."""

    def active(self) -> "MembershipQuerySet":
        """Of those who can log in."""
        return self.filter(user__is_active=True).select_related("user")


class Membership(models.Model):
    """A user's role in a team."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        ordering = ["team", "user"]
        constraints = [
            models.UniqueConstraint(fields=["team", "user"], name="membership_once"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"

    def may(self, role: Role) -> bool:
        """Whether the member has at least this role."""
        return Role(self.role).covers(role)


class EntryLink(models.Model):
    """
    A way in that a manager or operator hands over: an invitation to a team, or (`user` is set) a new password for
    somebody. It opens once, for some days; its text is shown once, and only its SHA-256 digest is kept.
    """

    team = models.ForeignKey(Team, null=True, on_delete=models.CASCADE, related_name="entry_links")
    email = models.EmailField(max_length=254, help_text="Whom it is for.")
    role = models.CharField(max_length=20, choices=Role.choices, blank=True, help_text="Of an invitation.")
    user = models.ForeignKey(
        User, null=True, on_delete=models.CASCADE, related_name="entry_links", help_text="Whose password is made."
    )
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    made_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["team", "created_at"], name="entry_link_of_team")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=False, role="")
                | models.Q(user__isnull=True, team__isnull=False, role__in=Role.values),
                name="entry_link_of_one_kind",
            )
        ]

    def __str__(self) -> str:
        return f"a link for {self.email}"

    def is_open(self, at: datetime) -> bool:
        """Whether it opens anything at that moment: not used, not taken back, not expired, its team active."""
        is_spent = self.used_at is not None or self.revoked_at is not None or self.expires_at <= at
        return not is_spent and (self.team is None or self.team.is_active)


class Scope(models.TextChoices):
    """What an API key may be used for."""

    READ = "read", "Read"
    WRITE = "write", "Write"
    INGEST = "ingest", "Send events in"


class APIKey(models.Model):
    """
    Lets a program act for a user in one team. Shown once when made; only its SHA-256 digest is kept.

    A key with the scope `ingest` is bound to one integration (integrations.models.IngestKey).
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="api_keys")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=200)
    prefix = models.CharField(
        max_length=20, editable=False, help_text="The key's first characters, to tell keys apart."
    )
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices), default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="To within a minute.")

    # What its user is in its team; set by teams.authentication when the key is used.
    membership: Membership

    class Meta:
        verbose_name = "API key"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(scopes__contained_by=Scope.values), name="apikey_scopes_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_usable(self, at: datetime) -> bool:
        """Whether the key opens anything at that moment: neither revoked nor expired, its user and team active."""
        return (
            self.revoked_at is None
            and (self.expires_at is None or self.expires_at > at)
            and self.user.is_active
            and self.team.is_active
        )
