"""Webhook messages of a campaign: JSON about one customer, with what the campaign's text says.

A text that is JSON keeps its shape: Liquid is filled in inside its strings alone, so that no value
of a customer can add a field.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from campaigns.channels.channel import Outgoing
from campaigns.messages.render import TemplateError
from campaigns.models import Campaign, WebhookReceiver
from campaigns.services.composing import Person
from campaigns.services.contents import Content
from campaigns.services.writing.texts import Texts, filled, liquid

TYPE = "campaign.message"
SOURCE_MOST = 20_000

Filler = Callable[[dict[str, Any]], Any]


class WebhookWriter:
    """Raises `TemplateError` where no receiver is set up."""

    def __init__(self, campaign: Campaign) -> None:
        own = WebhookReceiver.objects.filter(campaign=campaign).first()
        receiver = own or WebhookReceiver.objects.filter(campaign=None).first()
        if receiver is None:
            raise TemplateError(["No receiver of webhooks is set up."])
        self._receiver = receiver
        self._campaign = campaign
        self._texts = Texts(campaign, _compiled)

    def write(self, message_id: int, person: Person, *, now: datetime) -> Outgoing:
        fill, values = self._texts.of(person), self._texts.values(person, now=now)
        said = {
            "type": TYPE,
            "timestamp": now.isoformat().replace("+00:00", "Z"),
            "data": {
                "message_id": message_id,
                "campaign": {"id": self._campaign.pk, "name": self._campaign.name},
                "step": person.step,
                "customer_id": person.customer_id,
                "event": person.data,
                "code": person.code,
                "content": fill(values),
            },
        }
        data = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
        return Outgoing(message_id, str(self._receiver.pk), str(person.customer_id), data)


def _compiled(content: Content) -> Filler:
    if len(content.text) > SOURCE_MOST:
        raise TemplateError([f"The text has more than {SOURCE_MOST:,} characters."])
    try:
        shape = json.loads(content.text) if content.text.strip() else {}
    except (ValueError, RecursionError):
        shape = content.text
    return _filler(shape)


def _filler(shape: Any) -> Filler:
    if isinstance(shape, str):
        slots = liquid("text", shape, most=SOURCE_MOST)
        return lambda values: filled(slots, values)
    if isinstance(shape, list):
        parts = [_filler(one) for one in shape]
        return lambda values: [part(values) for part in parts]
    if isinstance(shape, dict):
        fields = {name: _filler(one) for name, one in shape.items()}
        return lambda values: {name: field(values) for name, field in fields.items()}
    return lambda values: shape
