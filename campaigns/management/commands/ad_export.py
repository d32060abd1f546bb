"""``manage.py ad_export SEGMENT``: fingerprints of a segment for an advertising platform."""

import csv
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.services import ad_export
from rapport.errors import DomainError
from segments.models import Segment


class Command(BaseCommand):
    help = "Write the members who agreed to advertising, as SHA-256 of their addresses, as CSV."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("segment", help="Key of the segment")
        parser.add_argument("--platform", choices=list(ad_export.PLATFORMS), default="meta")

    def handle(self, *args: Any, **options: Any) -> None:
        segment = Segment.objects.filter(key=options["segment"]).first()
        if segment is None:
            raise CommandError(f"There is no segment {options['segment']!r}.")
        try:
            rows = ad_export.rows(segment, platform=options["platform"], user=None)
        except DomainError as error:
            raise CommandError(str(error)) from error
        csv.writer(self.stdout, lineterminator="\n").writerows(rows)
