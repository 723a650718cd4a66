"""A demo team with a month of history, to look around in. Loaded once; running it again changes nothing."""

import time
from typing import Any

from django.core.management.base import BaseCommand

from config import clock
from dashboard.demo.loading import Loaded, load

SAID_EVERY = 10


class Command(BaseCommand):
    help = "Loads a demo team with a month of monitors, heartbeats and incidents, if it is not there yet."

    def handle(self, *args: Any, **options: Any) -> None:
        begun = time.monotonic()
        done = load(clock.now(), self.progress)
        if done.is_new:
            self.say(f"{done.team} of {done.team.organization} is ready, after {time.monotonic() - begun:.1f} s")
        else:
            self.say("is there already")
        self.say_who_sees_it(done)

    def progress(self, incidents: int, total: int) -> None:
        """Say now and then how far it is."""
        if incidents % SAID_EVERY == 0:
            self.say(f"{incidents} of {total} incidents")

    def say_who_sees_it(self, done: Loaded) -> None:
        """Say whom it was opened to, and what to do if it was nobody."""
        if done.let_in:
            self.say(f"open to {', '.join(user.email for user in done.let_in)}")
        elif done.is_new:
            self.say("nobody is a manager who could see it; add a membership in Django admin")

    def say(self, words: str) -> None:
        """One line, at once: whoever waits may be reading a pipe."""
        self.stdout.write(f"watchkeeper: demo: {words}")
        self.stdout.flush()
