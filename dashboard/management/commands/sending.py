"""
`sending`: whether this installation sends its webhooks, and letting it go on after a backup was restored.

Exit 0: it sends, or what was asked for is done. Exit 1: it is paused, or what was asked for can't be.
"""

import json
from argparse import SUPPRESS
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config import clock
from timeline.outbound import lifecycle
from timeline.outbound.installation import go, pause, remembered, this_installation, why_not
from timeline.outbound.models import WAITING, Message, Progress

NOT_SENT = "Not sent: restored from a backup."
STOPPED = "An operator stopped it."


class Command(BaseCommand):
    """A restored database knows nothing of what was sent since its backup; somebody has to say what to do about it."""

    help = "Whether webhooks are sent. `go` lets sending go on after a restore, `stop` pauses it."

    def add_arguments(self, parser: CommandParser) -> None:
        as_json: dict[str, Any] = {"action": "store_true", "help": "the standing as one JSON object"}
        parser.add_argument("--json", **as_json)
        verbs = parser.add_subparsers(dest="verb", title="verbs", parser_class=type(parser))
        going = verbs.add_parser("go", help="let sending go on")
        going.add_argument("--skip", action="store_true", help="first give up what waits, as it may have been sent")
        going.add_argument("--as-new", action="store_true", help="this is a copy that lives on: it gets a new id")
        stopping = verbs.add_parser("stop", help="send nothing until somebody says go")
        for each in (going, stopping):
            each.add_argument("--json", default=SUPPRESS, **as_json)

    def handle(self, *args: Any, verb: str | None, **options: Any) -> None:
        if verb == "go":
            self.go(skip=options["skip"], as_new=options["as_new"])
        elif verb == "stop":
            this_installation()
            pause(clock.now(), STOPPED)
        self.say(standing(), as_json=options["json"], is_asked=verb is None)

    def go(self, *, skip: bool, as_new: bool) -> None:
        """Let sending go on."""
        if skip and not why_paused():
            raise CommandError("Sending is not paused, so nothing was given up. Say `sending stop` before.")
        if skip:
            waiting = Message.objects.filter(status__in=WAITING)
            self.stderr.write(f"Given up: {lifecycle.give_up(waiting, at=clock.now(), why=NOT_SENT)}.")
        go(anew=as_new)

    def say(self, now: dict[str, Any], *, as_json: bool, is_asked: bool) -> None:
        """Say how it stands."""
        if as_json:
            self.stdout.write(json.dumps(now))
        else:
            self.stdout.write(f"{now['installation_id']}, counter {now['counter']}")
            self.stdout.write(f"Paused: {now['reason']}" if now["paused"] else "Sending.")
            self.stdout.write(f"{now['waiting']} messages wait, {now['dead']} were given up.")
        if is_asked and now["paused"]:
            raise SystemExit(1)


def why_paused() -> str:
    """Why sending is paused, or will be as soon as a worker looks; empty where it goes on."""
    present = this_installation()
    return present.paused_why if present.paused_at else why_not(present.public_id, present.counter, remembered())


def standing() -> dict[str, Any]:
    """Whether it sends, and what there is to send."""
    present = this_installation()
    reason = why_paused()
    return {
        "installation_id": present.public_id,
        "counter": present.counter,
        "paused": bool(reason),
        "reason": reason or None,
        "waiting": Message.objects.filter(status__in=WAITING).count(),
        "dead": Message.objects.filter(status=Progress.DEAD).count(),
    }
