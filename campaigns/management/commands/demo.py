"""A shop with history, models, segments and a measured campaign; then the site until Ctrl-C."""

import json
import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from campaigns.services import demo
from rapport import serving
from rapport.errors import DomainError

LOGIN = "demo"


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--customers", type=int, default=20_000)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument(
            "--once", action="store_true", help="build, print one JSON line with figures, and exit"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("The demo invents customers, so it does not run in production.")
        if not 100 <= options["customers"] <= 1_000_000:
            raise CommandError("--customers must lie between 100 and 1,000,000.")
        call_command("migrate", verbosity=0, interactive=False)
        user, password = login()
        try:
            found = demo.build(
                customers=options["customers"],
                seed=options["seed"],
                now=timezone.now(),
                user=user,
                bar=options["verbosity"] > 0,
                say=self.stderr.write,
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        if options["once"]:
            self.stdout.write(json.dumps(found, cls=DjangoJSONEncoder))
            return
        self._serve(options["port"], password, found)

    def _serve(self, wanted: int, password: str, found: dict[str, Any]) -> None:
        def ready() -> None:
            address = self.style.SUCCESS(f"http://127.0.0.1:{port}/")
            self.stdout.write(
                f"\n{found['customers']:,} customers, {found['orders']:,} orders, "
                f"{found['segments']} segments. {found['conclusion']}\n\n"
                f"Rapport is at {address}   login: {LOGIN}   password: {password}\n"
                "Ctrl-C stops it; make demo continues where it was."
            )

        try:
            port = serving.free_port(wanted)
            serving.serve(port, ready=ready)
        except serving.CannotServe as error:
            raise CommandError(str(error)) from error


def login() -> tuple[Any, str]:
    """The demo's administrator, with a password of this installation alone."""
    kept = settings.RAPPORT_HOME / "demo-password"
    user, is_new = get_user_model().objects.get_or_create(
        username=LOGIN,
        defaults={"is_staff": True, "is_superuser": True, "email": "demo@example.com"},
    )
    if is_new or not kept.exists():
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept.touch(mode=0o600)
        kept.write_text(secrets.token_hex(6), encoding="utf-8")
        user.set_password(kept.read_text(encoding="utf-8"))
        user.save(update_fields=["password"])
    return user, kept.read_text(encoding="utf-8")
