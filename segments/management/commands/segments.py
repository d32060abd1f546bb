"""Look at segments and refresh them from the command line."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from customers.models import Customer, Identity
from rapport.errors import DomainError
from segments import querysets
from segments.models import Segment
from segments.services import as_code, membership, preview, segments, why


class Command(BaseCommand):
    help = "List, refresh, preview and explain segments; keep them as files in git."

    def add_arguments(self, parser: ArgumentParser) -> None:
        words = parser.add_subparsers(dest="word", required=True)
        words.add_parser("list", help="all segments in use with their members")
        refresh = words.add_parser("refresh", help="ask everybody again")
        refresh.add_argument("keys", nargs="*", metavar="KEY", help="only these segments")
        words.add_parser("verify", help="the nightly proof, now; exits with 1 on differences")
        preview = words.add_parser("preview", help="who a rule in a JSON file would select")
        preview.add_argument("file", help="path, or - for standard input")
        reason = words.add_parser("why", help="why a customer is in a segment or not")
        reason.add_argument("key")
        reason.add_argument("customer", help="e-mail address, the shop's own number, or our id")
        export = words.add_parser("export", help="all segments as YAML files, or as one JSON")
        export.add_argument("folder", nargs="?", metavar="DIR", help="one file a segment")
        export.add_argument("--output", default="-", help="path of the JSON, without DIR")
        diff = words.add_parser("diff", help="what apply would change; status 1 if anything")
        diff.add_argument("folder", metavar="DIR")
        apply = words.add_parser("apply", help="make the segments those of the files")
        apply.add_argument("folder", metavar="DIR")
        apply.add_argument("--dry-run", action="store_true", help="say what would be done")
        apply.add_argument("--prune", action="store_true", help="archive what has no file")

    def handle(self, *, word: str, **given: Any) -> None:
        try:
            getattr(self, f"_{word}")(**given)
        except as_code.FilesRefused as refused:
            raise CommandError(str(refused), returncode=2) from None
        except DomainError as error:
            raise CommandError(str(error)) from None

    def _list(self, **_: Any) -> None:
        for one in querysets.in_use():
            fresh = f"{one.refreshed_at:%Y-%m-%d %H:%M}" if one.refreshed_at else "never"
            self.stdout.write(
                f"{one.key:<28} {one.members_count:>9} members, as of {fresh:<16}  {one.state}"
            )
            if one.error:
                self.stdout.write(f"    {one.error}")

    def _refresh(self, keys: list[str], **_: Any) -> None:
        now = timezone.now()
        if not keys:
            self._say(membership.refresh_all(cause="edit", now=now))
        for key in keys:
            self._say(membership.refresh_segment(_segment(key), cause="edit", now=now))

    def _verify(self, **_: Any) -> None:
        done = membership.verify(now=timezone.now())
        self._say(done)
        if done.differences:
            raise CommandError(
                f"{done.differences} memberships were not as the rules say; repaired"
            )

    def _say(self, done: membership.Refreshed) -> None:
        self.stdout.write(
            f"{done.segments} segments, {done.entered} entered, {done.exited} exited, "
            f"{done.invalid} invalid, in {done.seconds:.2f} s"
        )

    def _preview(self, file: str, **_: Any) -> None:
        try:
            text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
            rule = json.loads(text)
        except (OSError, ValueError) as error:
            raise CommandError(f"{file} cannot be read as JSON: {error}") from None
        found = preview.exact(rule, now=timezone.now())
        self.stdout.write(found.sentence)
        self.stdout.write(
            f"{found.count} of {found.base} customers, {found.reachable_email} of them reachable "
            f"by e-mail, {found.reachable_sms} by SMS, in {found.seconds:.2f} s"
        )
        for clause in found.clauses:
            self.stdout.write(f"  {clause.count:>9}  {clause.words}")
        for one in found.sample:
            self.stdout.write(f"  #{one.id} {one.name} {one.email}")

    def _why(self, key: str, customer: str, **_: Any) -> None:
        found = why.why(_segment(key), _customer_id(customer), now=timezone.now())
        self.stdout.write(found.sentence)
        stay = f" since {found.entered_at:%Y-%m-%d %H:%M}" if found.entered_at else ""
        self.stdout.write(f"In{stay}." if found.is_member else "Not in.")
        for clause in found.clauses:
            mark = "yes" if clause.holds else "no "
            actual = f": {clause.actual}" if clause.actual else ""
            self.stdout.write(f"  {mark} {'  ' * clause.depth}{clause.words}{actual}")

    def _export(self, folder: str | None, output: str, **_: Any) -> None:
        if folder is not None:
            self._export_files(Path(folder))
            return
        text = json.dumps(segments.export(), indent=2, ensure_ascii=False) + "\n"
        if output == "-":
            self.stdout.write(text, ending="")
        else:
            Path(output).write_text(text, encoding="utf-8")

    def _export_files(self, folder: Path) -> None:
        written, removed = as_code.write(folder)
        for name in written:
            self.stdout.write(f"wrote   {name}")
        for name in removed:
            self.stdout.write(f"removed {name}")
        for one in as_code.left_out():
            why_not = "from a cluster of this installation" if one.cluster_id else "as shipped"
            self.stdout.write(f"left    {one.key} ({why_not})")
        total = len(as_code.export())
        self.stdout.write(f"{total} segments, {len(written)} written, {len(removed)} removed")

    def _diff(self, folder: str, **_: Any) -> None:
        found = as_code.compare(Path(folder))
        for one in found:
            self.stdout.write(one.text, ending="")
        if found:
            kinds = [one.kind for one in found]
            said = ", ".join(
                f"{kinds.count(kind)} {kind}"
                for kind in ("new", "changed", "only here")
                if kind in kinds
            )
            raise CommandError(f"{said}", returncode=1)
        self.stdout.write("No difference.")

    def _apply(self, folder: str, dry_run: bool, prune: bool, **_: Any) -> None:
        done = as_code.apply(Path(folder), now=timezone.now(), prunes=prune, is_dry=dry_run)
        for word, keys in vars(done).items():
            if word != "unchanged":
                for key in keys:
                    self.stdout.write(f"{word:<8} {key}")
        said = ", ".join(f"{len(keys)} {word}" for word, keys in vars(done).items())
        self.stdout.write(f"{said}{'; nothing was written' if dry_run else ''}")


def _segment(key: str) -> Segment:
    segment = querysets.in_use().filter(key=key).first()
    if segment is None:
        known = ", ".join(querysets.in_use().order_by("key").values_list("key", flat=True))
        raise CommandError(f"There is no segment {key!r}; there are: {known}")
    return segment


def _customer_id(given: str) -> int:
    """A customer by an address or number of the shop, else by our own id."""
    found = Identity.objects.filter(value__in={given, given.lower()}).order_by("pk")
    owners = set(found.values_list("customer_id", flat=True))
    owners |= set(Customer.objects.filter(email__iexact=given).values_list("pk", flat=True))
    if len(owners) > 1:
        raise CommandError(f"{given!r} names {len(owners)} customers; give one of {sorted(owners)}")
    if owners:
        return owners.pop()
    if given.isdecimal() and len(given) < 19:
        return int(given)
    raise CommandError(f"There is no customer {given!r}.")
