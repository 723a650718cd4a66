"""
What people can type or choose on the pages: logging in, notes, preferences, and the filters of the lists.

Not here: what is done with it (views and verbs).
"""

from typing import Any, TypeVar

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.text import Truncator

from config.clock import now
from config.formfields import Text
from config.momentfields import LocalMoment
from incidents.models import Severity, Status
from integrations.models import Integration, Verdict
from monitors.models import Status as ResourceStatus
from teams.forms import time_zones
from teams.lifecycle import has_expired_password
from teams.models import Team, User
from timeline.events import EVENTS, VENDOR_EVENTS
from timeline.outbound.models import Endpoint, Standing
from timeline.outbound.shapes import TEST

NOTE_LENGTH = 1_000
SEARCH_LENGTH = 200
ENDPOINT_LENGTH = 50

Records = TypeVar("Records", bound=QuerySet[Any])


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
            attrs={"autocomplete": "username", "autofocus": True, "maxlength": 254}
        )

    def confirm_login_allowed(self, user: Any) -> None:
        super().confirm_login_allowed(user)
        if has_expired_password(user, at=now()):
            raise forms.ValidationError(self.error_messages["expired"], code="expired")


class NoteForm(forms.Form):
    """An investigation note."""

    message = Text(
        label="Add a note",
        max_length=NOTE_LENGTH,
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


class Filters(forms.Form):
    """
    What a list is narrowed to, from the query string. Nothing is required. What is not a choice is an error, to which
    nothing fits; what else was chosen stays.
    """

    def __init__(self, query: QueryDict) -> None:
        super().__init__(query, use_required_attribute=False, auto_id="filter-%s")
        for field in self.fields.values():
            field.required = False
            field.wide = isinstance(field.widget, forms.TextInput)  # type: ignore[attr-defined]

    def chosen(self) -> dict[str, Any]:
        """What was chosen, by name, without what was left open and what made no sense."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    def fitting(self, found: Records) -> Records:
        """Records that were narrowed to what was chosen; none where a part of that made no sense."""
        return found if self.is_valid() else found.none()

    @property
    def is_used(self) -> bool:
        """Whether anything was chosen."""
        return any(self.data.get(name) for name in self.fields)


class IncidentFilters(Filters):
    """Narrows the list of incidents."""

    q = Text(
        label="Search",
        max_length=SEARCH_LENGTH,
        widget=forms.TextInput(
            attrs={"type": "search", "placeholder": "Search titles, causes, resources", "dir": "auto"}
        ),
    )
    status = forms.ChoiceField(label="Status", choices=[("", "Any status"), ("live", "Live"), *Status.choices])
    severity = forms.ChoiceField(label="Severity", choices=[("", "Any severity"), *Severity.choices])
    resource_type = forms.ChoiceField(
        label="Resource", choices=[("", "Any resource"), ("monitor", "Monitors"), ("heartbeat", "Heartbeats")]
    )
    destroyed = forms.ChoiceField(
        label="Deleted",
        choices=[("", "Not deleted"), ("true", "Deleted"), ("any", "Deleted or not")],
    )

    def __init__(self, query: QueryDict) -> None:
        if query.get("destroyed") == "false":  # as addresses of before have it
            query = query.copy()
            query["destroyed"] = ""
        super().__init__(query)


class ResourceFilters(Filters):
    """Narrows the list of monitors or heartbeats."""

    status = forms.ChoiceField(
        label="State",
        choices=[("", "Any state"), ("not_up", "Not up"), *ResourceStatus.choices, ("destroyed", "Deleted")],
    )


class DeliveryFilters(Filters):
    """Narrows the list of deliveries to a verdict or one of the team's integrations."""

    status = forms.ChoiceField(label="Verdict", choices=[("", "Any verdict"), *Verdict.choices])
    integration = forms.ModelChoiceField(
        label="Integration", queryset=Integration.objects.none(), empty_label="Any integration", to_field_name="pk"
    )

    def __init__(self, query: QueryDict, team: Team) -> None:
        super().__init__(query)
        self.fields["integration"].queryset = team.integrations.all()  # type: ignore[attr-defined]


class EndpointField(forms.ModelChoiceField):
    """One of the team's endpoints, each with as much of its name as a choice needs."""

    def label_from_instance(self, obj: Any) -> str:
        return Truncator(obj).chars(ENDPOINT_LENGTH) + (" (deleted)" if obj.deleted_at else "")


class MessageFilters(Filters):
    """Narrows the list of messages; to an incident, only by a link."""

    status = forms.ChoiceField(label="State", choices=[("", "Any state"), *Standing.choices])
    event = forms.ChoiceField(
        label="Event",
        choices=[
            ("", "Any event"),
            ("The incident log", [(name, name) for name in VENDOR_EVENTS]),
            ("Further events", [(name, name) for name in EVENTS if name not in VENDOR_EVENTS]),
            (TEST, TEST),
        ],
    )
    endpoint = EndpointField(
        label="Endpoint", queryset=Endpoint.objects.none(), empty_label="Any endpoint", to_field_name="pk"
    )
    incident = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, query: QueryDict, team: Team) -> None:
        super().__init__(query)
        self.fields["endpoint"].queryset = team.endpoints.all()  # type: ignore[attr-defined]


class ReplayForm(forms.Form):
    """Which time is sent again."""

    since = LocalMoment(label="From")
    until = LocalMoment(label="Until", help_text="Left out itself. In your time zone, both.")

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if "since" in said and "until" in said and said["since"] >= said["until"]:
            self.add_error("until", "It must be later than the beginning.")
        return said
