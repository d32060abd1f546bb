"""Messages that wait for their customer to open the shop's page.  Births ``InAppMessage``."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from campaigns.channels.channel import Outgoing, Result, Verdict
from campaigns.channels.inbox import InboxSession
from campaigns.models import InAppMessage

KEEP_DAYS = 30  # then a message that nobody came to see is over


class InAppChannel:
    """Keeps each message once; ``is_shown`` also on the inbox page."""

    def __init__(self, clock: Callable[[], datetime], *, is_shown: bool = False) -> None:
        self._clock, self._is_shown = clock, is_shown

    @contextmanager
    def open(self) -> Iterator["InAppSession"]:
        yield InAppSession(self._clock, is_shown=self._is_shown)


class InAppSession:
    is_open = True

    def __init__(self, clock: Callable[[], datetime], *, is_shown: bool) -> None:
        self._clock, self._is_shown = clock, is_shown

    def send(self, batch: Sequence[Outgoing]) -> Iterator[Result]:
        now = self._clock()
        rows = [_row(one, one.message_id, now) for one in batch if one.message_id is not None]
        InAppMessage.objects.bulk_create(rows, ignore_conflicts=True)
        if self._is_shown:
            list(InboxSession(self._clock, name="in_app").send(batch))
        for one in batch:
            yield Result(one.message_id, Verdict.ACCEPTED)


def _row(one: Outgoing, message_id: int, now: datetime) -> InAppMessage:
    said = json.loads(one.data)
    return InAppMessage(
        message_id=message_id,
        customer_id=int(one.recipient),
        title=said["title"][:200],
        html=said["html"],
        url=said["url"],
        created_at=now,
        expires_at=now + timedelta(days=KEEP_DAYS),
    )
