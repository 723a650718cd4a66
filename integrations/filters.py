"""Which integrations and deliveries a list shows: what its query string may say, and what that asks of the database."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from config.filtering import ListFilters, Number, Place, Since, Word, Words
from integrations.models import Integration, IntegrationType, Verdict


class IntegrationFilters(ListFilters):
    """The lists of integrations."""

    deactivated = Since("deactivated_at", ("Active", "Deactivated"))
    type = Word(IntegrationType.choices, admin="type__exact")


class DeliveryFilters(ListFilters):
    """The lists of deliveries. In admin one integration's are found by its own kind of filter, which offers some."""

    status = Words(Verdict, "Verdict", [("", "Any verdict"), *Verdict.choices], lookup_expr="in", admin="status__exact")
    incident = Number("", "incident_id", api=None, admin="incident_id")
    integration_id = Number(
        "Only those of this integration.",
        method="of_integration",
        page="integration",
        control=forms.ModelChoiceField(
            label="Integration", queryset=Integration.objects.none(), empty_label="Any integration", to_field_name="pk"
        ),
    )

    def offered(self) -> dict[str, QuerySet[Any]]:
        return {"integration": self.team.integrations.all()}

    def of_integration(self, deliveries: QuerySet[Any], name: str, number: int) -> QuerySet[Any]:
        # Of another team's integration there are none; to find that out among all deliveries would take long. A page
        # has offered it.
        mine = self.place == Place.PAGE or self.team.integrations.filter(pk=number).exists()
        return deliveries.filter(integration_id=number if mine else None)
