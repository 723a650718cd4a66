"""
What people can type or choose on the pages: logging in, notes, and preferences.

Not here: what is done with it (views and verbs), what lists are narrowed by (each app's filters).
"""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from config.clock import now
from config.formfields import Text, field_for
from incidents.bodies import NoteBody
from teams.forms import time_zones
from teams.lifecycle import LONGEST_EMAIL, has_expired_password
from teams.models import User


class LoginForm(AuthenticationForm):
    """E-mail and password. Says the same of an unknown address and of a wrong password."""

    error_messages = {
        "invalid_login": "The e-mail or the password is not right.",
        "inactive": "The e-mail or the password is not right.",
        "expired": "This first password has expired. Ask whoever gave it to you for a new link.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "E-mail"
        self.fields["username"].widget = forms.EmailInput(
            attrs={"autocomplete": "username", "autofocus": True, "maxlength": LONGEST_EMAIL}
        )

    def confirm_login_allowed(self, user: Any) -> None:
        super().confirm_login_allowed(user)
        if has_expired_password(user, at=now()):
            raise forms.ValidationError(self.error_messages["expired"], code="expired")


class NoteForm(forms.Form):
    """An investigation note."""

    message = field_for(
        NoteBody,
        "message",
        Text,
        label="Add a note",
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "What you saw, tried or decided", "dir": "auto"}),
        error_messages={"required": "A note needs some text."},
    )


class PreferencesForm(forms.ModelForm):
    """How a person is called, and in which time zone times are shown."""

    time_zone = forms.ChoiceField(label="Time zone", help_text="Every time on these pages is shown in it.")

    class Meta:
        model = User
        fields = ["name", "time_zone"]
        field_classes = {"name": Text}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autocomplete"] = "name"
        zones = sorted(time_zones() | {self.instance.time_zone})
        self.fields["time_zone"].choices = [(zone, zone.replace("_", " ")) for zone in zones]  # type: ignore[attr-defined]
