"""The ground as a Django app: it has two tables of its own."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.core.checks import register

from config import checks


class GroundConfig(AppConfig):
    """Counters and the worker's reports; see `config.models`."""

    name = "config"
    verbose_name = "Ground"

    def ready(self) -> None:
        """Let `check` know what it is to look at."""
        register(checks.unknown_variables)
        register(checks.tell_of_pooler)


class OperatorAdminConfig(admin.AdminConfig):
    """Django admin with the site of `config.admin`."""

    default = False
    default_site = "config.admin.OperatorSite"
