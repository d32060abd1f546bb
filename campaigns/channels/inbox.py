"""The development inbox: messages that stay in the house.  The only writer of ``InboxMail``."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from email import policy
from email.parser import BytesParser

from campaigns.channels.channel import Outgoing, Result, Verdict
from campaigns.models import InboxMail


class InboxChannel:
    """Keeps each message as it would have left.  A repeated one is kept once."""

    def __init__(self, clock: Callable[[], datetime], *, name: str = "email") -> None:
        self._clock, self._name = clock, name

    @contextmanager
    def open(self) -> Iterator["InboxSession"]:
        yield InboxSession(self._clock, name=self._name)


class InboxSession:
    is_open = True

    def __init__(self, clock: Callable[[], datetime], *, name: str = "email") -> None:
        self._clock, self._name = clock, name

    def send(self, batch: Sequence[Outgoing]) -> Iterator[Result]:
        now = self._clock()
        InboxMail.objects.bulk_create(
            [
                _mail(one, now) if self._name == "email" else _other(one, self._name, now)
                for one in batch
            ],
            ignore_conflicts=True,
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


def _other(outgoing: Outgoing, channel: str, now: datetime) -> InboxMail:
    words = outgoing.data.decode("utf-8", "replace")
    if channel != "sms":
        words = str(json.loads(words).get("title", ""))
    return InboxMail(
        channel=channel,
        sender=outgoing.sender[:300],
        recipient=outgoing.recipient[:254],
        subject=" ".join(words.split())[:300],
        message_id=outgoing.message_id,
        raw=outgoing.data,
        received_at=now,
    )
