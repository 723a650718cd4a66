"""
What the storeys add to each other in Django admin, in plain sight: tables and links on the pages of a lower storey's
records, and what has to be done first where one of these is deleted.

Lower storeys know nothing of upper ones; they read this through config.composing, by the name that is in the settings.
Not here: how the worker's loops (dashboard.worker) and the API's paths (dashboard.api_urls) are put together.
"""

from config.composing import Composition
from incidents import resources
from incidents.admin import latest_incidents

COMPOSITION = Composition(
    # The lists of all that is a team's, on the team's page.
    belongings=[
        ("teams.apikey", "API keys"),
        ("timeline.timelineevent", "Facts"),
        ("timeline.endpoint", "Endpoints"),
        ("timeline.message", "Messages"),
        ("monitors.monitor", "Monitors"),
        ("monitors.heartbeat", "Heartbeats"),
        ("incidents.incident", "Incidents"),
        ("incidents.incidentgroup", "Incident groups"),
        ("integrations.integration", "Integrations"),
        ("integrations.inbounddelivery", "Deliveries"),
    ],
    # Above the tables that a record's own storey shows.
    panels={
        "monitors.monitor": [latest_incidents],
        "monitors.heartbeat": [latest_incidents],
    },
    # What is live about a resource is resolved before it goes.
    deleting={
        "monitors.monitor": resources.destroy,
        "monitors.heartbeat": resources.destroy,
    },
)
