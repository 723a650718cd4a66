"""Django's name card of the teams app."""

from importlib import import_module

from django.apps import AppConfig


class TeamsConfig(AppConfig):
    name = "teams"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("teams.checks")  # it needs the models, which are not there before
