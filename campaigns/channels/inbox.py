"""The development inbox: mail that stays in the house.  The only writer of ``InboxMail``."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from email import policy
from email.parser import BytesParser

from campaigns.channels.channel import Outgoing, Result, Verdict
from campaigns.models import InboxMail


class InboxChannel:
    """Keeps each message as it would have left.  A repeated one is kept once."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    @contextmanager
    def open(self) -> Iterator["InboxSession"]:
        yield InboxSession(self._clock)


class InboxSession:
    is_open = True

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def send(self, batch: Sequence[Outgoing]) -> Iterator[Result]:
        now = self._clock()
        InboxMail.objects.bulk_create(
            [_mail(outgoing, now) for outgoing in batch], ignore_conflicts=True
        )
        for outgoing in batch:
            yield Result(outgoing.message_id, Verdict.ACCEPTED)


def _mail(outgoing: Outgoing, now: datetime) -> InboxMail:
    headers = BytesParser(policy=policy.default).parsebytes(outgoing.data, headersonly=True)
    return InboxMail(
        sender=str(headers["From"] or outgoing.sender)[:300],
        recipient=outgoing.recipient[:254],
        subject=str(headers["Subject"] or "")[:300],
        message_id=outgoing.message_id,
        raw=outgoing.data,
        received_at=now,
    )
