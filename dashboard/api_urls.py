"""
The API's paths, of all storeys. They stand here, in the uppermost one, because they name views of all the others.
"""

from django.urls import path

from integrations.door import Door

urlpatterns = [
    path("webhooks/incident-log", Door.as_view()),
    path("webhooks/incident-log/<str:token>", Door.as_view()),
]
