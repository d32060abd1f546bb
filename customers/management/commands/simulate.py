"""Fill the product with an invented shop whose truth is known."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from customers.services import simulate
from customers.simulation.plan import Plan


class Command(BaseCommand):
    help = "Simulate a shop, load it through the import, and keep its truth in a file beside."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--customers", type=int, required=True, help="how many customers")
        parser.add_argument("--seed", type=int, required=True, help="the same seed, the same shop")
        parser.add_argument("--days", type=int, default=730, help="days since the shop opened")
        parser.add_argument("--until", default="", help="ISO date at which history ends (today)")
        parser.add_argument(
            "--tracked-days", type=int, default=120, help="days with browse and cart events"
        )
        parser.add_argument(
            "--pace", type=float, default=1.0, help="multiplies every purchase rate"
        )
        parser.add_argument("--source", default="demo", help="the source to load it as")
        parser.add_argument("--out", type=Path, help="folder of the files")
        parser.add_argument("--files-only", action="store_true", help="write, do not load")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            plan = Plan(
                customers=options["customers"],
                seed=options["seed"],
                until=_until(options["until"], now),
                days=options["days"],
                tracked_days=min(options["tracked_days"], options["days"]),
                pace=options["pace"],
                currency=settings.CURRENCY,
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        done = simulate.simulate(
            plan,
            source=options["source"],
            now=now,
            folder=options["out"],
            load=not options["files_only"],
            bar=options["verbosity"] > 0,
        )
        for kind, count in done.rows.items():
            report = done.imported.get(kind)
            loaded = f"{report.inserted:,} new, {report.changed:,} changed" if report else "written"
            self.stdout.write(f"{kind:<10}{count:>12,} rows  {loaded}")
        self.stdout.write(f"The truth, which the product never sees: {done.folder}")


def _until(text: str, now: datetime) -> datetime:
    if not text:
        return now.replace(hour=0, minute=0, second=0, microsecond=0)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
