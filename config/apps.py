"""The ground as a Django app: it has two tables of its own."""

from django.apps import AppConfig


class GroundConfig(AppConfig):
    """Counters and the worker's reports; see `config.models`."""

    name = "config"
    verbose_name = "Ground"
