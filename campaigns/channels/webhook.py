"""Messages to a system of the shop's own: JSON, signed as Standard Webhooks 1.0.0 says.  Writes
``WebhookCall``, the log of every try.

A message keeps its ``webhook-id`` in every try, by which the receiver drops repeats; so here, and
only here, one whose answer did not come is tried again.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.utils.crypto import salted_hmac

from campaigns.channels.channel import ChannelAway, Outgoing, Result, Verdict
from campaigns.models import WebhookCall, WebhookReceiver
from rapport import outgoing as door

BUSY = (408, 425, 429)


class WebhookChannel:
    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    @contextmanager
    def open(self) -> Iterator["WebhookSession"]:
        yield WebhookSession(self._clock)


class WebhookSession:
    """``Outgoing.sender`` is the number of the receiver."""

    is_open, at_once = True, door.AT_ONCE
    late: Sequence[Result] = ()

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def send(self, batch: Sequence[Outgoing]) -> Iterator[Result]:
        for start in range(0, len(batch), door.AT_ONCE):
            results, told = self._sent(batch[start : start + door.AT_ONCE]), 0
            try:
                for result in results:
                    told += 1
                    yield result
            finally:
                self.late = results[told:]

    def _sent(self, batch: Sequence[Outgoing]) -> list[Result]:
        now = self._clock()
        receivers = WebhookReceiver.objects.in_bulk({int(one.sender) for one in batch})
        if len(receivers) < len({one.sender for one in batch}):
            raise ChannelAway("The receiver of this campaign's webhooks was removed.")
        to = [receivers[int(one.sender)] for one in batch]
        requests = [
            door.Request(receiver.url, one.data, headers(receiver, one, now=now))
            for one, receiver in zip(batch, to, strict=True)
        ]
        answers = door.post_all(requests)
        WebhookCall.objects.bulk_create(
            _call(one, receiver, answer, now)
            for one, receiver, answer in zip(batch, to, answers, strict=True)
        )
        return [_judged(one, answer) for one, answer in zip(batch, answers, strict=True)]


def secret_of(receiver: WebhookReceiver) -> str:
    """The receiver's secret in the spelling of Standard Webhooks; derived, and stored nowhere."""
    return f"whsec_{base64.b64encode(_key(receiver)).decode()}"


def headers(receiver: WebhookReceiver, one: Outgoing, *, now: datetime) -> dict[str, str]:
    """The headers of one try, its signature among them."""
    name = f"msg_{one.message_id}" if one.message_id is not None else f"test_{now.timestamp():.0f}"
    timestamp = str(int(now.timestamp()))
    text = f"{name}.{timestamp}.".encode() + one.data
    signature = hmac.new(_key(receiver), text, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "User-Agent": "Rapport-Webhooks/1",
        "webhook-id": name,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def _judged(one: Outgoing, answer: door.Answer) -> Result:
    words = answer.error[:300]
    if answer.is_good:
        return Result(one.message_id, Verdict.ACCEPTED)
    if answer.is_refused:
        return Result(one.message_id, Verdict.REFUSED, words)
    if answer.status is None or answer.status in BUSY or answer.status >= 500:
        return Result(one.message_id, Verdict.TRY_LATER, words)
    return Result(one.message_id, Verdict.REFUSED, words)


def _call(
    one: Outgoing, receiver: WebhookReceiver, answer: door.Answer, now: datetime
) -> WebhookCall:
    return WebhookCall(
        receiver=receiver,
        message_id=one.message_id,
        happened_at=now,
        seconds=answer.seconds,
        status=answer.status,
        error=answer.error[:500],
        answer=answer.excerpt[:1_000],
    )


def _key(receiver: WebhookReceiver) -> bytes:
    return salted_hmac(
        "rapport.campaigns.webhook", receiver.secret_salt, algorithm="sha256"
    ).digest()
