"""
Organizations, teams, people and API keys, as an operator needs them.

Nothing here is deleted that history names: teams and people are deactivated, keys revoked. A key's text is shown once,
when it is made. Not here: keys that send events in (integrations.admin).
"""

from datetime import datetime
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config import clock
from config.admin import OperatorAdmin, Retiring, when
from config.adminforms import StrictInline
from config.changelist import RelatedFilter, margin
from config.composing import composition
from config.panels import Panel, shows
from config.shown import link, listing, state
from teams.authentication import make_key
from teams.filters import KeyFilters, TeamFilters
from teams.forms import KeyForm, NewKeyForm, NewMembershipForm, NewUserForm, UserForm
from teams.lifecycle import (
    add_member,
    change_role,
    deactivate_team,
    deactivate_user,
    reactivate_team,
    remove_member,
    revoke_key,
)
from teams.models import APIKey, Membership, Organization, Role, Team, User

TEAMS_AT_MOST = 20


def shown_once(request: HttpRequest, what: str, secret: str) -> None:
    """Show a secret in a message, for the one time that it can be seen."""
    words = "{} It is shown this once only, so copy it now: {}"
    messages.warning(request, format_html(words, what, format_html('<code class="secret">{}</code>', secret)))


# --- organizations ---------------------------------------------------------------------------------------------------


def state_of(team: Team) -> SafeString:
    """Whether a team is active."""
    return state("active") if team.is_active else state("deactivated")


@shows("teams.team")
def teams_of(organization: Organization) -> Panel:
    """An organization's teams, the first ones by name."""
    teams = organization.teams.all()[:TEAMS_AT_MOST]
    return Panel(
        title="Teams",
        columns=["Name", "Public id", "State"],
        rows=[[link("teams.team", each.pk, each.name), each.public_id, state_of(each)] for each in teams],
        more=[(listing("teams.team", organization__id__exact=organization.pk), "All teams of this organization")],
    )


@admin.register(Organization)
class OrganizationAdmin(OperatorAdmin):
    """Organizations. One that has teams stays."""

    list_display = ["name", "public_id", "team_count", "created"]
    search_fields = ["name", "public_id"]
    fields = ["name", "public_id", "created"]
    readonly_fields = ["public_id", "created"]
    panels: ClassVar = [teams_of]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        return super().get_queryset(request).annotate(teams_there_are=Count("teams"))

    @admin.display(description="teams")
    def team_count(self, organization: Any) -> int:
        return int(organization.teams_there_are)

    created = when("created_at")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Teams keep their organization; naming the first ones says enough."""
        teams = Team.objects.filter(organization__in=[each.pk for each in objs])[:TEAMS_AT_MOST]
        return [str(each) for each in objs], {}, set(), [link("teams.team", each.pk, each) for each in teams]

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        words = {"protected_means": "An organization with teams stays. Its teams can be deactivated instead:"}
        return super().delete_view(request, object_id, words | (extra_context or {}))


# --- teams -----------------------------------------------------------------------------------------------------------


class Members(StrictInline):
    """Who is in a team, or in which teams a person is; the role can be changed."""

    model = Membership
    # As many as a form has room for: three fields each (DATA_UPLOAD_MAX_NUMBER_FIELDS).
    at_most = max_num = 660
    extra = 0
    fields = ["whom", "role", "since"]
    readonly_fields = ["whom", "since"]
    verbose_name_plural = "memberships"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("team", "user").order_by("pk")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="member")
    def whom(self, membership: Membership) -> SafeString | str:
        if self.parent_model is Team:
            return link("teams.user", membership.user_id, membership.user)
        return link("teams.team", membership.team_id, membership.team)

    since = when("created_at", "since")


class NewMembers(StrictInline):
    """Further memberships. Apart from those there are, so that no field must look up each name."""

    model = Membership
    form = NewMembershipForm
    extra = 1
    fields = ["team", "user", "role"]
    autocomplete_fields = ["team", "user"]
    verbose_name = "membership"
    verbose_name_plural = "further memberships"
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).none()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class HasMembers(Retiring):
    """Records on whose pages memberships are added, changed and removed: by the verbs."""

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        if formset.model is not Membership:
            super().save_formset(request, form, formset, change)
            return
        formset.save(commit=False)
        at = clock.now()
        for added in formset.new_objects:
            add_member(added.team, added.user, Role(added.role), at=at)
        for changed, _ in formset.changed_objects:
            change_role(changed, Role(changed.role), even_the_last=True)
        for removed in formset.deleted_objects:
            remove_member(removed, at=at, even_the_last=True)


@shows("teams.team")
def belongings_of(team: Team) -> Panel:
    """The lists of all that is a team's."""
    return Panel(
        title="What belongs to it",
        more=[(listing(model, team__id__exact=team.pk), words) for model, words in composition().belongings],
        empty="",
    )


@admin.register(Team)
class TeamAdmin(HasMembers):
    """Teams, with their people and the way to all that is theirs."""

    list_display = ["name", "organization", "public_id", "is_open", "created"]
    list_filter = [*margin(TeamFilters), ("organization", RelatedFilter)]
    list_select_related = ["organization"]
    search_fields = ["name", "public_id"]
    autocomplete_fields = ["organization"]
    fields = ["organization", "name", "public_id", "created", "deactivated"]
    readonly_fields = ["public_id", "created", "deactivated"]
    inlines = [Members, NewMembers]
    actions = ["reactivate"]
    panels: ClassVar = [belongings_of]
    retire_means = (
        "Nobody can enter a deactivated team, its keys open nothing, and its integrations take nothing in. "
        "Everything that happened stays, and the team can be reactivated."
    )

    def retire(self, record: Team, *, by: Any, at: datetime) -> bool:
        return deactivate_team(record, at=at)

    def is_retired(self, record: Team) -> bool:
        return not record.is_active

    @admin.action(permissions=["change"], description="Reactivate")
    def reactivate(self, request: HttpRequest, queryset: QuerySet[Team]) -> None:
        done = [team for team in queryset if reactivate_team(team)]
        for team in done:
            self.log_change(request, team, "Reactivated.")
        self.message_user(request, f"{len(done)} reactivated.", messages.SUCCESS)

    def offers(self, action: str, record: Team) -> bool:
        return action != "reactivate" or not record.is_active

    @admin.display(description="state")
    def is_open(self, team: Team) -> SafeString:
        return state_of(team)

    created = when("created_at")
    deactivated = when("deactivated_at")


# --- people ----------------------------------------------------------------------------------------------------------


@admin.register(User)
class UserAdmin(HasMembers, DjangoUserAdmin):
    """People. Operators are made and changed by superusers only, and nobody shuts themselves out."""

    form = UserForm
    add_form = NewUserForm
    list_display = ["email", "name", "is_active", "is_staff", "is_superuser", "last_seen", "joined"]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    search_fields = ["email", "name"]
    search_help_text = "An id, or the beginning of an e-mail address or a name"
    ordering = ["-id"]
    readonly_fields = ["uuid", "last_seen", "joined"]
    filter_horizontal = ["groups"]
    fieldsets = [
        (None, {"fields": ["email", "name", "time_zone", "password"]}),
        ("What they may do", {"fields": ["is_active", "is_staff", "is_superuser", "groups"]}),
        ("Kept", {"fields": ["uuid", "last_seen", "joined"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["email", "name", "time_zone", "usable_password", "password1", "password2"]}),
    ]
    retire_means = (
        "A deactivated user can't log in, and no API key acts for them any more. "
        "Everything they did stays under their name. They can be made active again on their page."
    )

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return [Members, NewMembers] if obj else []

    def retire(self, record: User, *, by: Any, at: datetime) -> bool:
        return deactivate_user(record)

    def is_retired(self, record: User) -> bool:
        return not record.is_active

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self.is_below(request, obj)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        """Whoever sets somebody's password can act as them: superusers may, and nobody for themselves here."""
        if id == str(request.user.pk):
            return redirect("password")
        if not getattr(request.user, "is_superuser", False):
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        themselves = obj is not None and obj.pk == request.user.pk
        return super().has_delete_permission(request, obj) and self.is_below(request, obj) and not themselves

    def is_below(self, request: HttpRequest, user: User | None) -> bool:
        """Whether somebody may change a user; whoever sets an operator's password could act as that operator."""
        if user is None or user.pk == request.user.pk or getattr(request.user, "is_superuser", False):
            return True
        return not (user.is_staff or user.is_superuser)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = [str(each) for each in super().get_readonly_fields(request, obj)]
        if not getattr(request.user, "is_superuser", False):
            fixed += ["is_staff", "is_superuser", "groups", *(["email"] if obj is not None else [])]
        if obj is not None and obj.pk == request.user.pk:
            fixed += ["is_active", "is_staff", "is_superuser"]
        return list(dict.fromkeys(fixed))

    last_seen = when("last_login")
    joined = when("date_joined", "joined")


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(OperatorAdmin, DjangoGroupAdmin):
    """Groups of operators: what their members may do in admin. Whoever changes one could give themselves everything."""

    search_fields = ["name"]
    ordering = ["-id"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))


# --- API keys --------------------------------------------------------------------------------------------------------


def standing_of(key: APIKey) -> SafeString:
    """Whether a key opens anything, and if not, why."""
    if key.revoked_at is not None:
        return state("revoked")
    if key.is_usable(clock.now()):
        return state("active")
    return state("expired" if key.user.is_active and key.team.is_active else "deactivated")


@admin.register(APIKey)
class APIKeyAdmin(Retiring):
    """API keys: their text is shown once, and only its digest is kept. One that is made here acts for its maker."""

    list_display = ["name", "prefix", "team", "user", "scope_words", "standing", "expires", "last_used", "created"]
    list_filter = [*margin(KeyFilters), ("team", RelatedFilter)]
    list_select_related = ["team", "user"]
    search_fields = ["name", "prefix"]
    search_help_text = "An id, or the beginning of a name or of the key itself"
    autocomplete_fields = ["team"]
    retire_word = "Revoke"
    retired_word = "revoked"
    retire_means = "A revoked key opens nothing any more, and stays revoked. What was done with it stays as it is."

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **{"form": KeyForm if obj else NewKeyForm} | options)
        form.maker = request.user
        return form

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ["team", "name", "scopes", "expires_at"]
        return ["name", "expires_at", "team", "user", "prefix", "scope_words", "created", "last_used", "revoked"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else ["team", "user", "prefix", "scope_words", "created", "last_used", "revoked"]

    def save_model(self, request: HttpRequest, obj: APIKey, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=["name", "expires_at"])
            return
        maker = cast(User, request.user)
        key, text = make_key(obj.team, maker, obj.name, obj.scopes, expires_at=obj.expires_at)
        obj.pk = key.pk
        obj.refresh_from_db()
        shown_once(request, f"This is the key “{key.name}”.", text)

    def retire(self, record: APIKey, *, by: Any, at: datetime) -> bool:
        return revoke_key(record, at=at)

    def is_retired(self, record: APIKey) -> bool:
        return record.revoked_at is not None

    @admin.display(description="scopes")
    def scope_words(self, key: APIKey) -> str:
        return ", ".join(key.scopes)

    @admin.display(description="state")
    def standing(self, key: APIKey) -> SafeString:
        return standing_of(key)

    expires = when("expires_at")
    last_used = when("last_used_at")
    created = when("created_at")
    revoked = when("revoked_at")
