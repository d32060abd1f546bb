"""Notifications of a campaign: the subject is the title, the text the body; an address alone on its
last line is where a click leads, else the shop.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from campaigns.channels.channel import Outgoing
from campaigns.messages.render import RenderError, Slots, TemplateError
from campaigns.models import Campaign
from campaigns.services.composing import Person
from campaigns.services.contents import Content
from campaigns.services.writing.texts import Texts, filled, liquid, parted, tracked

TITLE_MOST, BODY_MOST = 100, 300  # characters as filled in; systems show about half
SOURCE_MOST = 2_000


@dataclass(frozen=True)
class Notification:
    title: Slots
    body: Slots
    url: Slots


class PushWriter:
    def __init__(self, campaign: Campaign) -> None:
        self._texts = Texts(campaign, _compiled)

    def write(self, message_id: int, person: Person, *, now: datetime) -> Outgoing:
        text, values = self._texts.of(person), self._texts.values(person, now=now)
        title = " ".join(filled(text.title, values).split())[:TITLE_MOST]
        if not title:
            raise RenderError("nothing is left of the title")
        said = {
            "title": title,
            "body": filled(text.body, values)[:BODY_MOST],
            "url": tracked(filled(text.url, values), message_id, now=now),
            "icon": settings.PUSH_ICON_URL,
            "tag": f"rapport-{message_id}",  # shown twice, it replaces itself
        }
        data = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
        return Outgoing(message_id, "", str(person.customer_id), data)


def _compiled(content: Content) -> Notification:
    faults = [] if content.subject.strip() else ["The title is empty."]
    body, url = parted(content.text)
    try:
        made = Notification(
            liquid("title", content.subject, most=SOURCE_MOST),
            liquid("text", body, most=SOURCE_MOST),
            liquid("address", url, most=SOURCE_MOST),
        )
    except TemplateError as error:
        raise TemplateError([*faults, *error.faults]) from error
    if faults:
        raise TemplateError(faults)
    return made
