"""Train the models, judge them, and let the good ones serve."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from segments.models import ModelRun
from segments.services import training


class Command(BaseCommand):
    help = "Train the models, judge them, promote what passes, score everybody."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--kind",
            action="append",
            choices=ModelRun.Kind.values,
            help="only this kind; may be given several times",
        )
        parser.add_argument(
            "--as-of",
            metavar="ISO",
            help="learn from what was known then, such as 2011-12-09 or 2011-12-09T12:00+01:00",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        as_of = _moment(options["as_of"]) if options["as_of"] else now
        if as_of > now:
            raise CommandError(f"--as-of is {as_of.isoformat()}, which has not come yet")
        trained = training.retrain(
            as_of=as_of, kinds=options["kind"], now=now, bar=options["verbosity"] > 0
        )
        for run in trained:
            self.stdout.write(f"{run.kind}: {run.state}. {run.summary}")
        failed = [run for run in trained if run.state == ModelRun.State.FAILED]
        if failed:
            told = "; ".join(f"{run.kind}: {run.error}" for run in failed)
            raise CommandError(f"could not be trained: {told}")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"--as-of is {text!r}, expected a date such as 2011-12-09") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
