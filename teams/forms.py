"""
What managers and operators type about people, memberships and API keys, and what of it can't be.

Not here: the pages that these forms stand on (dashboard, admin), or what programs send (the API's serializers).
"""

import zoneinfo
from datetime import datetime
from functools import cache
from typing import Any

from django import forms
from django.contrib.auth.forms import AdminUserCreationForm, PasswordChangeForm, SetPasswordForm, UserChangeForm
from django.contrib.auth.password_validation import password_validators_help_texts
from django.core.exceptions import ValidationError

from config import clock
from config.formfields import DetailsForm, Text
from teams.lifecycle import LONGEST_EMAIL, LONGEST_NAME
from teams.models import APIKey, Role, Scope, Team, User

KEYS_NAMED = 10


@cache
def time_zones() -> frozenset[str]:
    """The time zones that this machine knows. Looking for them takes a third of a second, so it is done once."""
    return frozenset(zoneinfo.available_timezones())


class NewMembershipForm(forms.ModelForm):
    """A membership that there is not yet. (Inlines do not ask the constraint that would say so.)"""

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        team, user = said.get("team"), said.get("user")
        # A team or user that is only just being added has no memberships.
        if team and user and team.pk and user.pk and team.memberships.filter(user=user).exists():
            raise ValidationError("There is this membership already.")
        return said


class UserFields(forms.ModelForm):
    """What the forms of new and known users share: an address that nobody else has, a time zone that there is."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "time_zone" in self.fields:
            zones = sorted(time_zones() | {self.instance.time_zone})
            self.fields["time_zone"] = forms.ChoiceField(
                choices=[(zone, zone) for zone in zones], initial="UTC", help_text=self.fields["time_zone"].help_text
            )

    def clean_email(self) -> str:
        email = User.objects.normalize_email(self.cleaned_data["email"]).strip()
        if User.objects.with_address(email).exclude(pk=self.instance.pk).exists():
            raise ValidationError("There is a user with this e-mail address already.")
        return email


class NewUserForm(UserFields, AdminUserCreationForm):
    """A new user, with a password or without one."""

    class Meta:
        model = User
        fields = ["email", "name", "time_zone"]
        field_classes = {"name": Text, "time_zone": Text}


class UserForm(UserFields, UserChangeForm):
    """A known user; the password has a page of its own."""

    class Meta:
        model = User
        fields = ["email", "name", "time_zone", "password", "is_active", "is_staff", "is_superuser", "groups"]
        field_classes = {"name": Text, "time_zone": Text}


class MakersForm(forms.ModelForm):
    """A new key in admin: it acts for whoever makes it, who is in the team."""

    # Set where the form is made.
    maker: User

    def refuse_strangers(self, team: Team | None, field: str) -> None:
        """Say it where the maker is not in the team of the key."""
        if team is not None and not team.memberships.filter(user=self.maker).exists():
            self.add_error(field, "A key acts for whoever makes it, and you are not a member of this team.")


class NewKeyForm(MakersForm):
    """A new API key."""

    scopes = forms.MultipleChoiceField(
        choices=[(Scope.READ, Scope.READ.label), (Scope.WRITE, Scope.WRITE.label)],
        initial=[Scope.READ],
        widget=forms.CheckboxSelectMultiple,
        help_text="Keys that send events in are made under Integrations › Ingest keys.",
    )

    class Meta:
        model = APIKey
        fields = ["team", "name", "scopes", "expires_at"]
        field_classes = {"name": Text}

    def clean_expires_at(self) -> datetime | None:
        return still_to_come(self.cleaned_data["expires_at"])

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        self.refuse_strangers(said.get("team"), "team")
        return said


class KeyForm(forms.ModelForm):
    """
    What can be changed of a key: what it is called, and when it ends; later than it did only by whom it acts for, or by
    a superuser.
    """

    # Who changes it; set where the form is made.
    maker: User

    class Meta:
        model = APIKey
        fields = ["name", "expires_at"]
        field_classes = {"name": Text}

    def clean_expires_at(self) -> datetime | None:
        present: datetime | None = self.instance.expires_at
        if "expires_at" not in self.changed_data:
            return present  # more exact than the form can say
        wanted = still_to_come(self.cleaned_data["expires_at"])
        is_later = present is not None and (wanted is None or wanted > present)
        if is_later and self.instance.user_id != self.maker.pk and not self.maker.is_superuser:
            raise ValidationError("It acts for somebody else. Only they or a superuser can let it end later.")
        return wanted


class InvitationForm(forms.Form):
    """Somebody who is to be invited to a team. Whether they can be is for teams.entry_links.invite to say."""

    email = forms.EmailField(
        label="E-mail", max_length=LONGEST_EMAIL, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    role = forms.ChoiceField(choices=Role.choices, initial=Role.RESPONDER)


class RoleForm(DetailsForm):
    """What a member may do from now on."""

    role = forms.ChoiceField(choices=Role.choices, widget=forms.RadioSelect)


class OwnPasswordForm(PasswordChangeForm):
    """Another password of one's own. (Saved by teams.lifecycle.set_password.)"""

    revoke_keys = forms.BooleanField(required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["old_password"].label = "Present password"
        explain_new_password(self)
        self.keys = APIKey.objects.filter(user=self.user, revoked_at=None).select_related("team").order_by("-id")
        number = self.keys.count()
        if not number:
            del self.fields["revoke_keys"]
            return
        named = ", ".join(f"{key.name} ({key.prefix}…, {key.team})" for key in self.keys[:KEYS_NAMED])
        further = f" and {number - KEYS_NAMED} more" if number > KEYS_NAMED else ""
        self.fields["revoke_keys"].label = f"Also revoke my {number} API key{'s' if number > 1 else ''}"
        self.fields["revoke_keys"].help_text = f"If somebody may have known your password: {named}{further}."

    def clean_new_password1(self) -> str:
        password: str = self.cleaned_data["new_password1"]
        if self.user.check_password(password):
            raise ValidationError("This is the present password.")
        return password


class ChosenPasswordForm(SetPasswordForm):
    """A password for somebody who comes by a link, and has none of their own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        explain_new_password(self)


class NewAccountForm(ChosenPasswordForm):
    """Somebody new, who comes by an invitation."""

    name = Text(
        label="Your name",
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"autocomplete": "name", "dir": "auto"}),
    )
    field_order = ("name", "new_password1", "new_password2")


def explain_new_password(form: Any) -> None:
    """Say once what a new password has to be."""
    form.fields["new_password1"].help_text = " ".join(password_validators_help_texts())
    form.fields["new_password2"].label = "The new password again"
    form.fields["new_password2"].help_text = ""


def still_to_come(moment: datetime | None) -> datetime | None:
    """A moment that people typed for something to end. Raises ValidationError for one that has passed."""
    if moment is not None and moment <= clock.now():
        raise ValidationError("This moment has passed.")
    return moment
