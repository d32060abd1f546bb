"""Serve site, worker and clock, on embedded PostgreSQL and Valkey unless told otherwise."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from rapport import serving


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--reload", action="store_true", help="restart the web on code changes")

    def handle(self, *_: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        try:
            port = serving.free_port(options["port"])
            serving.serve(port, ready=lambda: self._say(port), reload=options["reload"])
        except serving.CannotServe as error:
            raise CommandError(str(error)) from error

    def _say(self, port: int) -> None:
        self.stdout.write(self.style.SUCCESS(f"Rapport is at http://127.0.0.1:{port}/"))
        if not get_user_model().objects.exists():
            self.stdout.write(
                "Nobody can sign in yet: run `python manage.py createsuperuser` beside this."
            )
        self.stdout.write("Ctrl-C stops it.")
