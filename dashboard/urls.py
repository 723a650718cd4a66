"""The addresses of the staff's pages. No trailing slashes."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from dashboard.views import deliveries, entrance, facts, incidents, overview, resources

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("login", entrance.Login.as_view(), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("team", entrance.change_team, name="team"),
    path("preferences", entrance.preferences, name="preferences"),
    path("incidents", incidents.incidents, name="incidents"),
    path("incidents/<uuid:uuid>", incidents.incident, name="incident"),
    path("facts/<int:pk>", facts.fact, name="fact"),
    path("monitors", resources.resources, {"relation": "monitors"}, name="monitors"),
    path("monitors/<int:pk>", resources.resource, {"relation": "monitors"}, name="monitor"),
    path("heartbeats", resources.resources, {"relation": "heartbeats"}, name="heartbeats"),
    path("heartbeats/<int:pk>", resources.resource, {"relation": "heartbeats"}, name="heartbeat"),
    path("deliveries", deliveries.deliveries, name="deliveries"),
    path("deliveries/replay", deliveries.replay_quarantine, name="deliveries-replay"),
    path("deliveries/<int:pk>", deliveries.delivery, name="delivery"),
    path("deliveries/<int:pk>/body", deliveries.body, name="delivery-body"),
    path("deliveries/<int:pk>/replay", deliveries.replay_one, name="delivery-replay"),
]
