"""`reseal`: when a new encryption key stands before an old one, seals all with the new one, so that the old can go."""

from typing import Any

from django.core.management.base import BaseCommand

from config import canary


class Command(BaseCommand):
    """Beside a running system, as often as one likes."""

    help = "Seals everything with the first encryption key, so that the others can be taken away."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Sealed with the first key: {canary.reseal()}.")
        lost = canary.summed_up(canary.unopened())
        for line in lost:
            self.stdout.write(f"No present key opens {line}.")
        if not lost:
            self.stdout.write("The other keys can be taken away.")
