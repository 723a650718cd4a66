"""The addresses of the staff's pages. No trailing slashes."""

from typing import Any

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, path

from dashboard.views import (
    acting,
    correcting,
    declaring,
    deliveries,
    downloads,
    entrance,
    facts,
    groups,
    incidents,
    links,
    managing,
    overview,
    resources,
    team,
    team_endpoints,
    team_integrations,
    team_keys,
    team_messages,
)


def paths_of(relation: str, kind: str) -> list[URLPattern]:
    """The pages of monitors, or of heartbeats."""
    told: dict[str, Any] = {"relation": relation}
    one = f"{relation}/<int:pk>"
    return [
        path(relation, resources.resources, told, name=relation),
        path(f"{relation}/new", managing.new, told, name=f"{kind}-new"),
        path(one, resources.resource, told, name=kind),
        path(f"{one}/edit", managing.edit, told, name=f"{kind}-edit"),
        *(
            path(f"{one}/{verb}", managing.work, told | {"verb": verb}, name=f"{kind}-{verb}")
            for verb in managing.VERBS
        ),
        path(f"{one}/delete", managing.delete, told, name=f"{kind}-delete"),
    ]


urlpatterns = [
    path("", overview.overview, name="overview"),
    path("heard", overview.heard, name="heard"),
    path("login", entrance.Login.as_view(), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("team", entrance.change_team, name="team"),
    path("preferences", entrance.preferences, name="preferences"),
    path("password", entrance.password, name="password"),
    path("unsent", entrance.unsent_page, name="unsent"),
    path("link/<str:token>", links.link, name="link"),
    path("team/members", team.members, name="members"),
    path("team/members/new", team.new_member, name="member-new"),
    path("team/members/<int:pk>/role", team.member_role, name="member-role"),
    path("team/members/<int:pk>/password", team.member_password, name="member-password"),
    path("team/invitations/<int:pk>/revoke", team.revoke_invitation, name="invitation-revoke"),
    path("team/members/<int:pk>/remove", team.remove, name="member-remove"),
    path("team/integrations", team_integrations.integrations, name="integrations"),
    path("team/integrations/new", team_integrations.new_integration, name="integration-new"),
    path("team/integrations/<int:pk>", team_integrations.integration, name="integration"),
    path("team/integrations/<int:pk>/edit", team_integrations.edit, name="integration-edit"),
    path("team/integrations/<int:pk>/address", team_integrations.address, name="integration-address"),
    path("team/integrations/<int:pk>/rotate", team_integrations.rotate, name="integration-rotate"),
    path("team/integrations/<int:pk>/signing", team_integrations.signing, name="integration-signing"),
    path("team/integrations/<int:pk>/shut", team_integrations.shut, name="integration-shut"),
    path("team/integrations/<int:pk>/reopen", team_integrations.reopen, name="integration-reopen"),
    path("team/endpoints", team_endpoints.endpoints, name="endpoints"),
    path("team/endpoints/new", team_endpoints.new_endpoint, name="endpoint-new"),
    path("team/endpoints/<int:pk>", team_endpoints.endpoint, name="endpoint"),
    path("team/endpoints/<int:pk>/edit", team_endpoints.edit, name="endpoint-edit"),
    path("team/endpoints/<int:pk>/enable", team_endpoints.enable, name="endpoint-enable"),
    path("team/endpoints/<int:pk>/disable", team_endpoints.disable, name="endpoint-disable"),
    path("team/endpoints/<int:pk>/test", team_endpoints.test, name="endpoint-test"),
    path("team/endpoints/<int:pk>/rotate", team_endpoints.rotate, name="endpoint-rotate"),
    path("team/endpoints/<int:pk>/replay", team_endpoints.replay, name="endpoint-replay"),
    path("team/endpoints/<int:pk>/delete", team_endpoints.delete, name="endpoint-delete"),
    path("team/messages", team_messages.messages_sent, name="messages"),
    path("team/messages/<int:pk>", team_messages.message, name="message"),
    path("team/messages/<int:pk>/body", team_messages.body, name="message-body"),
    path("team/messages/<int:pk>/redeliver", team_messages.redeliver, name="message-redeliver"),
    path("team/keys", team_keys.keys, name="keys"),
    path("team/keys/new", team_keys.new_key, name="key-new"),
    path("team/keys/<int:pk>/revoke", team_keys.revoke, name="key-revoke"),
    path("incidents", incidents.incidents, name="incidents"),
    path("incidents.csv", downloads.incidents_csv, name="incidents-csv"),
    path("incidents/new", declaring.new, name="incident-new"),
    path("incidents/act", acting.act_on_several, name="incidents-act"),
    path("incidents/<uuid:uuid>", incidents.incident, name="incident"),
    path("incidents/<uuid:uuid>/act", acting.act, name="incident-act"),
    path("incidents/<uuid:uuid>/delete", acting.delete, name="incident-delete"),
    path("incidents/<uuid:uuid>/entries", correcting.entries, name="incident-entries"),
    path("incidents/<uuid:uuid>/entries/<int:pk>", correcting.entry, name="incident-entry"),
    path("groups", groups.groups, name="groups"),
    path("groups/<int:pk>", groups.group, name="group"),
    path("groups/<int:pk>/resolve", groups.resolve, name="group-resolve"),
    path("facts/<int:pk>", facts.fact, name="fact"),
    *paths_of("monitors", "monitor"),
    *paths_of("heartbeats", "heartbeat"),
    path("deliveries", deliveries.deliveries, name="deliveries"),
    path("deliveries.csv", downloads.deliveries_csv, name="deliveries-csv"),
    path("deliveries/replay", deliveries.redo_all, {"way": deliveries.REPLAYING}, name="deliveries-replay"),
    path("deliveries/apply", deliveries.redo_all, {"way": deliveries.APPLYING}, name="deliveries-apply"),
    path("deliveries/<int:pk>", deliveries.delivery, name="delivery"),
    path("deliveries/<int:pk>/body", deliveries.body, name="delivery-body"),
    path("deliveries/<int:pk>/replay", deliveries.redo_one, {"way": deliveries.REPLAYING}, name="delivery-replay"),
    path("deliveries/<int:pk>/apply", deliveries.redo_one, {"way": deliveries.APPLYING}, name="delivery-apply"),
]
