"""Import a file of customers, products, orders, events, reviews or consent."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from customers.services import imports
from customers.services.importing.layout import PRESETS
from customers.services.importing.shapes import KINDS
from rapport.errors import DomainError


def pair(text: str) -> tuple[str, str]:
    """``column=field``, as ``--map`` takes it."""
    column, equals, target = text.rpartition("=")
    if not (column and equals and target):
        raise argparse.ArgumentTypeError(f"{text!r} is not column=field")
    return column, target


class Command(BaseCommand):
    help = (
        "Import CSV or JSON lines, plain or gzip, from a path or - for standard input. Rows that "
        "are wrong go to a reject file, the others land; the same file again changes nothing."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("kind", choices=list(KINDS), help="what the rows are")
        parser.add_argument("file", help="a path, or - for standard input")
        parser.add_argument("--source", required=True, help="the shop or system it comes from")
        parser.add_argument("--preset", choices=list(PRESETS), help="a known export")
        parser.add_argument(
            "--map",
            dest="mapping",
            metavar="COLUMN=FIELD",
            type=pair,
            action="extend",
            nargs="+",
            default=[],
            help="read our FIELD from the file's COLUMN",
        )
        parser.add_argument("--dry-run", action="store_true", help="check all, write nothing")
        parser.add_argument("--rejects", metavar="PATH", help="where to write the rejected rows")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = imports.import_file(
                options["kind"],
                options["file"],
                source=options["source"],
                now=timezone.now(),
                preset=options["preset"],
                mapping=dict(options["mapping"]),
                dry_run=options["dry_run"],
                reject_path=options["rejects"],
                bar=sys.stderr.isatty() and options["verbosity"] > 0,
            )
        except DomainError as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            sentence = str(error).strip().splitlines()[0]
            raise CommandError(
                f"The database stopped the import: {sentence}. Run the same command to resume."
            ) from None
        self._print(report, is_rehearsal=options["dry_run"])

    def _print(self, report: imports.ImportReport, *, is_rehearsal: bool) -> None:
        figures = report.figures
        if is_rehearsal:
            self.stdout.write(
                f"{report.read:,} rows read: {report.read - report.rejected:,} right, "
                f"{report.rejected:,} rejected. Nothing was written."
            )
        else:
            self.stdout.write(
                f"{report.read:,} rows read: {report.inserted:,} new, {report.changed:,} changed, "
                f"{report.unchanged:,} unchanged, {report.rejected:,} rejected."
            )
            if not report.inserted and not report.changed:
                self.stdout.write("0 rows changed: all of it was here already.")
        if figures.get("resumed_after"):
            self.stdout.write(f"Resumed after {figures['resumed_after']:,} rows.")
        if figures.get("blank_rows"):
            self.stdout.write(f"{figures['blank_rows']:,} rows were blank.")
        if figures.get("ignored_columns"):
            ignored = ", ".join(figures["ignored_columns"])
            self.stdout.write(f"These columns have no place and were not kept: {ignored}.")
        if report.rejected:
            self.stdout.write(f"The rejected rows are in {report.reject_path}.")
        seconds = figures["seconds"]
        self.stdout.write(f"{seconds:.1f} s, {figures['rows_per_second']:,} rows per second.")
