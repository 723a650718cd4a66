"""The first way in: a superuser with a random password, which is kept in the data folder and shown again on demand."""

import secrets
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config import keepsakes
from teams.models import User

EMAIL = "admin@example.com"


class Command(BaseCommand):
    help = "Makes a superuser with a random password, if there is none of that name yet, and shows the login."

    def handle(self, *args: Any, **options: Any) -> None:
        file = settings.DATA_DIR / "staff-login.json"
        if not User.objects.with_address(EMAIL).exists():
            login = keepsakes.keep(file, lambda: {"email": EMAIL, "password": secrets.token_urlsafe(12)})
            User.objects.create_superuser(login["email"], login["password"], name="Admin")
        elif not file.exists():
            self.stdout.write(
                f"{EMAIL} exists, but its password isn't kept here; set one: ./watchkeeper changepassword {EMAIL}"
            )
            return
        login = keepsakes.keep(file, dict)
        self.stdout.write(f"{login['email']} {login['password']}")
