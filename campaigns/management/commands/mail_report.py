"""``manage.py mail_report < message``: a bounce or a complaint, piped in by a mail server."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from campaigns.messages.reports_read import SIZE_MOST
from campaigns.services import mail_reports


class Command(BaseCommand):
    help = (
        "Read one bounce or complaint from standard input. What is none is kept as rejected and "
        "named; the exit code is 0 all the same, or the mail server would bounce the bounce."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--to", default="", help="The address that it was delivered to (Postfix: ${recipient})"
        )
        parser.add_argument(
            "--strict", action="store_true", help="Exit with 65 (EX_DATAERR) for what is no report"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        raw = sys.stdin.buffer.read(SIZE_MOST + 1)
        try:
            said = mail_reports.take(raw, now=timezone.now(), envelope_to=options["to"])
        except mail_reports.ReportRefused as refusal:
            self.stderr.write(str(refusal))
            if options["strict"]:
                sys.exit(65)
            return
        self.stdout.write(", ".join(said))
