"""Count who opens messages and follows their links.  The only writer of ``LinkVisit``.

A program that says so is counted apart at once.  Any other visit of a link is kept for
`SETTLE` and judged with what else was followed in the same message: scanners follow everything.
Only what people did becomes an event.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max, Min, Q

from campaigns.messages import visits
from campaigns.messages.visits import Visit
from campaigns.models import LinkVisit, Message, Outcome
from campaigns.services import outcomes
from campaigns.services.outcomes import Reaction

SETTLE = timedelta(seconds=5)  # a scan pauses for less
LONGEST = timedelta(seconds=60)  # nobody keeps a visit from being judged by visiting on
AT_ONCE = 500
Kind = Outcome.Kind


def opened(message_id: int, visit: Visit, *, now: datetime) -> None:
    """Count an opened message; one that does not exist leaves nothing."""
    message = _message(message_id)
    if message is not None:
        is_machine = visits.is_machine_open(_timed(visit, message, now))
        outcomes.opened(message_id, now=now, is_machine=is_machine)


def followed(message_id: int, visit: Visit, *, url: str, key: str, now: datetime) -> None:
    """Count a followed link: a program's at once, anybody else's when it is settled."""
    message = _message(message_id)
    if message is None:
        return
    if visits.is_machine_click(_timed(visit, message, now)):
        outcomes.clicked(message_id, url=url, key=key, now=now, is_machine=True)
    else:
        _keep(message_id, key, url, now)


def looked(message_id: int, page: str, *, now: datetime) -> None:
    """Note that a page of ours was asked for by a message's link: it counts as nothing, but gives
    away who followed the others."""
    if Message.objects.filter(pk=message_id).exists():
        _keep(message_id, page, "", now)


def settle(*, now: datetime) -> int:
    """Judge the visits of the messages that are quiet by now; return how many visits those were.

    Safe to repeat and in several workers: whoever locks a visit judges it, and all of a message's
    are judged together.
    """
    by_message = LinkVisit.objects.values("message_id").annotate(
        last=Max("happened_at"), first=Min("happened_at")
    )
    quiet = Q(last__lte=now - SETTLE) | Q(first__lte=now - LONGEST)
    ids = list(by_message.filter(quiet).values_list("message_id", flat=True)[:AT_ONCE])
    if not ids:
        return 0
    with transaction.atomic():
        found = LinkVisit.objects.select_for_update(skip_locked=True).filter(message_id__in=ids)
        rows = list(found.order_by("id"))
        outcomes.record(_reactions(rows), now=now)
        LinkVisit.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def _reactions(rows: Sequence[LinkVisit]) -> list[Reaction]:
    together: dict[int, list[LinkVisit]] = defaultdict(list)
    for row in rows:
        together[row.message_id].append(row)
    delivered = dict(
        Outcome.objects.filter(message_id__in=together, kind=Kind.DELIVERED).values_list(
            "message_id", "happened_at"
        )
    )
    reactions = []
    for message_id, of_one in together.items():
        scans = visits.bursts([(row.key, row.happened_at.timestamp()) for row in of_one])
        for row, is_scan in zip(of_one, scans, strict=True):
            # A provider's clock may be behind ours by a second.
            known = delivered.get(message_id, row.happened_at)
            is_early = row.happened_at < known - timedelta(seconds=1)
            if row.url:
                reactions.append(
                    Reaction(
                        message_id, Kind.CLICK, row.happened_at, row.key, row.url,
                        is_scan or is_early,
                    )
                )  # fmt: skip
    return reactions


def _message(message_id: int) -> Message | None:
    return Message.objects.filter(pk=message_id).only("pk", "state", "sent_at").first()


def _timed(visit: Visit, message: Message, now: datetime) -> Visit:
    if message.sent_at is not None:
        return replace(visit, seconds=(now - message.sent_at).total_seconds())
    # It may have left, though nobody can say when.
    return replace(visit, seconds=LONGEST.total_seconds() if message.state == "unknown" else None)


def _keep(message_id: int, key: str, url: str, now: datetime) -> None:
    """One row a second, however often somebody asks."""
    visit = LinkVisit(
        message_id=message_id, key=key[:40], url=url[:500], happened_at=now.replace(microsecond=0)
    )
    LinkVisit.objects.bulk_create([visit], ignore_conflicts=True)
