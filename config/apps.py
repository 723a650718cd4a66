"""The ground as a Django app: it has two tables of its own."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin


class GroundConfig(AppConfig):
    """Counters and the worker's reports; see `config.models`."""

    name = "config"
    verbose_name = "Ground"


class OperatorAdminConfig(admin.AdminConfig):
    """Django admin with the site of `config.admin`."""

    default = False
    default_site = "config.admin.OperatorSite"
