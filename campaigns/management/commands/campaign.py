"""List campaigns, write one, say who would get it, launch it, report on it."""

import json
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone
from tqdm import tqdm

from campaigns.models import Campaign, Message
from campaigns.services import audience, campaigns, planning, reports
from rapport.errors import DomainError
from segments.models import Segment

UNDER_WAY = ("planning", "sending")
LOOK_EVERY_SECONDS = 0.5


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="All campaigns, the newest first")
        create = actions.add_parser("create", help="Write a draft, with the ready-made message")
        create.add_argument("name")
        create.add_argument("--to", nargs="+", required=True, metavar="SEGMENT", help="keys")
        create.add_argument("--not-to", nargs="+", default=[], metavar="SEGMENT", help="keys")
        create.add_argument("--subject", help="Liquid; without it the ready-made one")
        create.add_argument("--holdout", type=float, default=0.1, help="share, from 0 to 0.9")
        for name, words in (
            ("dry-run", "Who would be written to, who not, and why; writes nothing"),
            ("launch", "Launch a draft; a running worker plans and sends it"),
            ("report", "What it did, and what of it it caused"),
        ):
            action = actions.add_parser(name, help=words)
            action.add_argument("id", type=int, help="The campaign's number")
            if name == "launch":
                action.add_argument("--wait", action="store_true", help="until all have left")
            if name == "report":
                action.add_argument("--json", action="store_true", help="All figures as JSON")

    def handle(self, *, action: str, **options: Any) -> None:
        try:
            if action == "list":
                return self._list()
            if action == "create":
                return self._create(**options)
            campaign = Campaign.objects.filter(pk=options["id"]).first()
            if campaign is None:
                raise CommandError(f"There is no campaign {options['id']}.")
            if action == "dry-run":
                return self._dry_run(campaign)
            if action == "launch":
                return self._launch(campaign, wait=options["wait"])
            return self._report(campaign, as_json=options["json"])
        except DomainError as error:
            raise CommandError(str(error)) from error

    def _list(self) -> None:
        for campaign in Campaign.objects.all():
            self.stdout.write(f"{campaign.pk:>6}  {campaign.state:<10} {campaign.name}")

    def _dry_run(self, campaign: Campaign) -> None:
        found = audience.dry_run(campaign, now=timezone.now())
        lines = [
            ("in the included segments", found.included),
            ("taken out by excluded segments", -found.excluded),
            ("left alone to measure (holdout)", -found.holdout),
            *((f"cannot be written to: {why}", -n) for why, n in found.skipped.items()),
            *([("follow after the pilot", -found.later)] if found.later else []),
            ("would be written to", found.planned),
        ]
        for words, n in lines:
            self.stdout.write(f"{n:>12,}  {words}")

    def _create(self, *, name: str, to: list[str], not_to: list[str], **options: Any) -> None:
        given = {"subject": options["subject"]} if options["subject"] else {}
        campaign = campaigns.create(
            name=name,
            included=_segments(to),
            excluded=_segments(not_to),
            holdout_share=options["holdout"],
            user=None,
            now=timezone.now(),
            **given,
        )
        self.stdout.write(f"{campaign.name} is draft {campaign.pk}.")

    def _launch(self, campaign: Campaign, *, wait: bool) -> None:
        planning.launch(campaign, user=None, now=timezone.now())
        self.stdout.write(f"{campaign.name} is launched; a worker plans and sends it.")
        if wait:
            self._wait(campaign)

    def _wait(self, campaign: Campaign) -> None:
        """Show how far it is; Ctrl-C stops the showing, not the campaign."""
        with tqdm(desc=campaign.name, unit=" messages", file=self.stderr) as bar:
            while campaign.state in UNDER_WAY:
                time.sleep(LOOK_EVERY_SECONDS)
                campaign.refresh_from_db(fields=["state", "state_reason"])
                messages = Message.objects.filter(campaign=campaign)
                bar.total = messages.count()
                waiting = messages.filter(state__in=("planned", "sending")).count()
                bar.update(bar.total - waiting - bar.n)
        self.stdout.write(f"{campaign.get_state_display()}. {campaign.state_reason}".strip())

    def _report(self, campaign: Campaign, *, as_json: bool) -> None:
        found = reports.report(campaign, now=timezone.now())
        if as_json:
            self.stdout.write(json.dumps(found.as_dict(), cls=DjangoJSONEncoder))
            return
        self.stdout.write(f"{found.name} ({found.state}), as of {found.as_of:%Y-%m-%d %H:%M} UTC")
        self.stdout.write(found.conclusion)
        for arm in found.arms:
            self.stdout.write(
                f"{arm.arm:>10}: n = {arm.n:,}, {arm.buyers:,} ordered, {arm.orders:,.0f} orders, "
                f"{arm.revenue:,.2f} {found.currency}"
            )
        funnel = found.funnel
        self.stdout.write(
            f"{funnel.planned:,} planned, {funnel.sent:,} sent, {funnel.opened:,} opened "
            f"(and {funnel.opened_by_machines:,} by machines), {funnel.clicked:,} clicked, "
            f"{funnel.unsubscribed:,} unsubscribed, {funnel.ordered:,} ordered"
        )
        for reason, n in {**found.reasons, **found.not_sent}.items():
            self.stdout.write(f"{n:>12,}  not sent: {reason}")
        for note in found.notes:
            self.stdout.write(note)


def _segments(keys: list[str]) -> list[Segment]:
    found = {segment.key: segment for segment in Segment.objects.filter(key__in=keys)}
    missing = [key for key in keys if key not in found]
    if missing:
        known = ", ".join(Segment.objects.values_list("key", flat=True))
        raise CommandError(f"There is no segment {', '.join(missing)}; there are {known}.")
    return list(found.values())
