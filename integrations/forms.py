"""
What managers and operators type about integrations and the keys that send to them, and what of it can't be.

Not here: the pages that these forms stand on (dashboard, admin), or what senders send (ingest).
"""

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from config.adminforms import MomentField
from config.formfields import DetailsForm, Text
from config.momentfields import LocalMoment
from config.signing import sound_signing_secret
from integrations.models import IngestKey, Integration, IntegrationType
from teams.forms import MakersForm, still_to_come
from teams.models import Scope, Team

LONGEST_NAME = 200
COUNTED_AT_MOST = 100


class NamesField(Text):
    """Names, one to a line: a list of them, each once."""

    widget = forms.Textarea(attrs={"rows": 4, "cols": 60})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        names = list(dict.fromkeys(filter(None, (line.strip() for line in super().clean(value).splitlines()))))
        if len(names) > COUNTED_AT_MOST:
            raise ValidationError(f"At most {COUNTED_AT_MOST} names.")
        if any(len(name) > LONGEST_NAME for name in names):
            raise ValidationError(f"A name has at most {LONGEST_NAME} characters.")
        return names

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


KEEP, NEW, GIVEN, NONE = "keep", "new", "given", "none"
SIGNING = [
    (KEEP, "Leave it as it is"),
    (NEW, "Ask for signatures, with a new secret (shown once, after saving)"),
    (GIVEN, "Ask for signatures, with the secret that the sender gave"),
    (NONE, "Ask for no signatures"),
]
MAY_ACT = (
    "Of another Watchkeeper: what its people do to incidents of this team that are mirrored there is done here, too: "
    "acknowledging, resolving, closing, reopening, severity, assignee, edits and notes. Its own incidents come anyway."
)
COUNTED = "Names of unknown events to count and not to keep, one to a line."


class SigningForm(forms.Form):
    """Which signatures to ask for. A secret is typed here and never shown again."""

    signing = forms.ChoiceField(choices=SIGNING, initial=KEEP, widget=forms.RadioSelect, label="From now on")
    signing_secret = forms.CharField(
        required=False,
        max_length=200,
        label="The sender's secret",
        help_text="Begins with whsec_; only where the sender gave one.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        secret = said.get("signing_secret") or ""
        if said.get("signing") == GIVEN:
            try:
                sound_signing_secret(secret)
            except ValueError as error:
                self.add_error("signing_secret", str(error))
        elif secret:
            self.add_error("signing", "A secret was given: choose that signatures are made with it.")
        return said


class NamingForm(DetailsForm):
    """What a team says about an integration of its own."""

    name = Text(max_length=LONGEST_NAME, widget=forms.TextInput(attrs={"dir": "auto"}))
    type = forms.ChoiceField(label="Whose events it takes in", choices=IntegrationType.choices)
    count_only = NamesField(label="Names to count only", required=False, help_text=COUNTED)
    may_act = forms.BooleanField(label="May act on our incidents", required=False, initial=True, help_text=MAY_ACT)


class TeamKeyForm(forms.Form):
    """A new API key of a team; it acts for whoever makes it."""

    name = Text(max_length=LONGEST_NAME, help_text="What it is for.", widget=forms.TextInput(attrs={"dir": "auto"}))
    scopes = forms.MultipleChoiceField(
        label="It may", choices=Scope.choices, initial=[Scope.READ], widget=forms.CheckboxSelectMultiple
    )
    integration = forms.ModelChoiceField(
        queryset=Integration.objects.none(),
        required=False,
        empty_label="None",
        help_text="Where to, for a key that sends events in.",
    )
    expires_at = LocalMoment(
        label="It expires", required=False, step=60, help_text="Left empty, it is good until it is revoked."
    )

    def __init__(self, data: Any, team: Team) -> None:
        super().__init__(data)
        self.fields["integration"].queryset = team.integrations.order_by("name", "id")  # type: ignore[attr-defined]

    def clean_expires_at(self) -> datetime | None:
        return still_to_come(self.cleaned_data["expires_at"])

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if "scopes" not in said or "integration" not in said:
            return said
        if Scope.INGEST in said["scopes"] and said["integration"] is None:
            self.add_error("integration", "A key that sends events in needs an integration to send them to.")
        elif Scope.INGEST not in said["scopes"] and said["integration"] is not None:
            self.add_error("scopes", "An integration was chosen: choose that events are sent in, too.")
        return said


class IntegrationForm(SigningForm, forms.ModelForm):
    """An integration in admin. Its token is made with it; its signing secret is set here and never shown again."""

    count_only = NamesField(required=False, help_text=COUNTED)
    signing_secret = Text(
        required=False,
        max_length=200,
        label="The sender's secret",
        help_text="Begins with whsec_; only where the sender gave one.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "size": 70, "spellcheck": "false"}),
    )

    class Meta:
        model = Integration
        fields = ["team", "name", "type", "count_only", "may_act"]
        field_classes = {"name": Text}

    def clean_name(self) -> str:
        """A name that the team has not given yet; on the page of a known one its team is no field of the form."""
        name: str = self.cleaned_data["name"]
        team = self.instance.team if self.instance.pk else self.cleaned_data.get("team")
        if team and team.integrations.filter(name=name).exclude(pk=self.instance.pk).exists():
            raise ValidationError("The team has an integration of this name already.")
        return name


class NewIngestKeyForm(MakersForm):
    """A new API key that sends events to an integration, and may do more."""

    name = Text(max_length=LONGEST_NAME)
    further = forms.MultipleChoiceField(
        choices=[(Scope.READ, Scope.READ.label), (Scope.WRITE, Scope.WRITE.label)],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Further scopes",
    )
    expires_at = MomentField(required=False)

    class Meta:
        model = IngestKey
        fields = ["integration"]

    def clean_expires_at(self) -> datetime | None:
        return still_to_come(self.cleaned_data["expires_at"])

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        integration = said.get("integration")
        self.refuse_strangers(integration and integration.team, "integration")
        return said
