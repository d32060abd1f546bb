"""Say what is reachable, which versions, which queue has workers, and what to do about faults."""

import json
import sys
from dataclasses import asdict
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from rapport import diagnosis
from rapport.diagnosis import Finding

WEB_ADDRESS = "http://127.0.0.1:8000/health/"


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
        parser.add_argument(
            "--web", action="store_true", help="only whether the web server on port 8000 answers"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        findings = [web()] if options["web"] else diagnosis.examine()
        for finding in findings:
            if options["json"]:
                self.stdout.write(json.dumps(asdict(finding)))
                continue
            sign = self.style.SUCCESS("ok  ") if finding.is_good else self.style.ERROR("FAIL")
            self.stdout.write(f"{sign} {finding.what:<16} {finding.found}")
            if finding.remedy and not finding.is_good:
                self.stdout.write(f"     {'':<16} {finding.remedy}")
        if not all(finding.is_good for finding in findings):
            sys.exit(1)


def web() -> Finding:
    host = next((host for host in settings.ALLOWED_HOSTS if "*" not in host), "localhost")
    try:
        with urlopen(Request(WEB_ADDRESS, headers={"Host": host}), timeout=10) as answer:
            return Finding("Web", answer.status == 200, f"{answer.status} {WEB_ADDRESS}")
    except (URLError, OSError) as error:
        remedy = "Look at the web server's log; it needs the database to answer."
        return Finding("Web", False, f"{WEB_ADDRESS}: {error}", remedy)
