"""Look at the models, approve them for campaigns, and decide which run serves."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from rapport.errors import DomainError
from segments.models import LearntApproval, ModelRun
from segments.services import approvals, promotion, scoring, training


class Command(BaseCommand):
    help = "List models; approve, withdraw, promote, roll back and retrain them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        words = parser.add_subparsers(dest="word", required=True)
        words.add_parser("list", help="which run of each kind serves, and who approved the kind")
        approve = words.add_parser("approve", help="let campaigns address people by these kinds")
        approve.add_argument("kinds", nargs="+", metavar="KIND", choices=ModelRun.Kind.values)
        approve.add_argument("--note", default="", help="why")
        withdraw = words.add_parser("withdraw", help="take an approval back")
        withdraw.add_argument("kinds", nargs="+", metavar="KIND", choices=ModelRun.Kind.values)
        withdraw.add_argument("--note", default="", help="why")
        promote = words.add_parser("promote", help="let a judged run serve, and score everybody")
        promote.add_argument("run", type=int, metavar="RUN", help="its number")
        back = words.add_parser("rollback", help="let the run before serve again")
        back.add_argument("kind", metavar="KIND", choices=ModelRun.Kind.values)
        retrain = words.add_parser("retrain", help="train what is due, or these kinds")
        retrain.add_argument("kinds", nargs="*", metavar="KIND")

    def handle(self, *, word: str, **given: Any) -> None:
        try:
            getattr(self, f"_{word}")(**given)
        except DomainError as error:
            raise CommandError(str(error)) from None

    def _list(self, **_: Any) -> None:
        words = {row.kind: row for row in LearntApproval.objects.select_related("approved_by")}
        for kind in ModelRun.Kind.values:
            serving = promotion.serving(kind)
            state = f"run {serving.pk}, {serving.state}" if serving else "nothing serves"
            approved = "not approved"
            if kind in words:
                row = words[kind]
                by = f" by {row.approved_by}" if row.approved_by else ""
                approved = f"approved{by} on {row.approved_at:%Y-%m-%d}"
            self.stdout.write(f"{kind:<16} {state:<20} {approved}")
            if serving:
                self.stdout.write(f"    {serving.summary}")

    def _approve(self, kinds: list[str], note: str, **_: Any) -> None:
        for kind in kinds:
            approvals.approve(kind, user=None, now=timezone.now(), note=note)
            self.stdout.write(f"{kind}: approved for campaigns.")

    def _withdraw(self, kinds: list[str], note: str, **_: Any) -> None:
        for kind in kinds:
            was = approvals.withdraw(kind, user=None, note=note)
            self.stdout.write(f"{kind}: {'approval withdrawn' if was else 'was not approved'}.")

    def _promote(self, run: int, **_: Any) -> None:
        row = ModelRun.objects.filter(pk=run).first()
        if row is None:
            raise CommandError(f"there is no run {run}")
        row = promotion.promote(row, user=None, now=timezone.now(), then_score=False)
        self._serve(row)

    def _rollback(self, kind: str, **_: Any) -> None:
        self._serve(promotion.roll_back(kind, user=None, now=timezone.now(), then_score=False))

    def _serve(self, row: ModelRun) -> None:
        now = timezone.now()
        self.stdout.write(f"{row.kind}: run {row.pk} is {row.state}. {row.summary}")
        if row.state == ModelRun.State.LIVE:
            written = scoring.rescore(row.pk, now=now)
            self.stdout.write(f"{written:,} scores written, segments refreshed.")

    def _retrain(self, kinds: list[str], verbosity: int = 1, **_: Any) -> None:
        now = timezone.now()
        because = dict.fromkeys(kinds, "asked for") if kinds else training.due(now=now)
        if not because:
            self.stdout.write("Nothing is due: there is too little news since the last training.")
            return
        given: dict[str, Any] = {"kinds": list(because), "because": because, "now": now}
        for run in training.retrain(as_of=now, bar=verbosity > 0, **given):
            self.stdout.write(f"{run.kind} ({because[run.kind]}): {run.state}. {run.summary}")
