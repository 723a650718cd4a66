"""
A link by which somebody makes a new password, for the operator to hand over: to a manager of several teams, to another
operator, or to whoever lost the first password.
"""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from config import clock
from teams.entry_links import make_link
from teams.models import User


class Command(BaseCommand):
    help = (
        "Makes a link by which somebody makes a new password. It opens once, for 7 days; the present one stays until."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", metavar="ADDRESS")
        parser.add_argument("--json", action="store_true", help="Say it as one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.with_address(options["email"]).first()
        if user is None:
            raise CommandError(f"Nobody has the address {options['email']}.")
        if not user.is_active:
            raise CommandError(f"{user.email} is deactivated; make them active in Django admin first.")
        link, text = make_link(None, at=clock.now(), email=user.email, user=user)
        path = reverse("link", args=[text])
        if options["json"]:
            self.stdout.write(
                json.dumps({"email": user.email, "path": path, "expires_at": link.expires_at.isoformat()})
            )
        else:
            self.stdout.write(
                f"For {user.email}, once, until {link.expires_at:%Y-%m-%d %H:%M} UTC, at your address:\n{path}"
            )
