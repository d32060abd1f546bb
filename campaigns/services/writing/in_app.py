"""In-app messages of a campaign: the subject is the title, the text a piece of HTML, cleaned after
filling in; an address alone on its last line becomes the button.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from campaigns.channels.channel import Outgoing
from campaigns.messages import pieces
from campaigns.messages.render import RenderError, Slots, TemplateError
from campaigns.messages.sandbox import Sandbox
from campaigns.models import Campaign
from campaigns.services.composing import Person
from campaigns.services.contents import Content
from campaigns.services.writing.texts import Texts, filled, liquid, parted, tracked

_HTML = Sandbox(autoescape=True)


@dataclass(frozen=True)
class Card:
    title: Slots
    body: Slots
    url: Slots
    has_url: bool


class InAppWriter:
    def __init__(self, campaign: Campaign) -> None:
        self._texts = Texts(campaign, _compiled)

    def write(self, message_id: int, person: Person, *, now: datetime) -> Outgoing:
        card, values = self._texts.of(person), self._texts.values(person, now=now)
        body = filled(card.body, values)
        if len(body) > pieces.HTML_MOST:
            raise RenderError(f"the text has {len(body):,} characters as filled in")
        url = tracked(filled(card.url, values), message_id, now=now) if card.has_url else ""
        said = {
            "title": " ".join(filled(card.title, values).split())[: pieces.TITLE_MOST],
            "html": pieces.clean(body),
            "url": url,
        }
        data = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
        return Outgoing(message_id, "", str(person.customer_id), data)


def _compiled(content: Content) -> Card:
    body, url = parted(content.text)
    if not body:
        raise TemplateError(["The text is empty."])
    return Card(
        liquid("title", content.subject, most=pieces.TITLE_MOST),
        liquid("text", body, most=pieces.SOURCE_MOST, space=_HTML),
        liquid("address", url, most=pieces.SOURCE_MOST),
        bool(url),
    )
