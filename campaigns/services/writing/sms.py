"""Text messages of a campaign: Liquid, short links on our own domain, and how to stop them."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from campaigns.channels.channel import Outgoing
from campaigns.messages import sms, wire
from campaigns.messages.render import RenderError, TemplateError
from campaigns.models import Campaign
from campaigns.services import short_links
from campaigns.services.composing import Person
from campaigns.services.contents import Content
from campaigns.services.short_links import Shortener
from campaigns.services.writing.texts import Texts

SEGMENTS_MOST = 10  # of one message: what many networks put together again


@dataclass
class Compiled:
    """A text, and what shortens its links once it is first written."""

    text: sms.Text
    shortener: Shortener | None = None


class SmsWriter:
    """The texts of a campaign compiled for writing many messages."""

    def __init__(self, campaign: Campaign) -> None:
        self._stop_words = ""
        if campaign.kind != Campaign.Kind.TRANSACTIONAL:
            self._stop_words = settings.SMS_OPT_OUT_WORDS
        self._texts = Texts(campaign, self._compiled)

    def write(self, message_id: int, person: Person, *, now: datetime) -> Outgoing:
        found = self._texts.of(person)
        values = self._texts.values(person, now=now)
        found.shortener = found.shortener or Shortener(found.text.fixed, now=now)
        written = self._finished(found.text.write(values, found.shortener.link(message_id)))
        return Outgoing(message_id, "", _number(person.phone), written.encode())

    def render(self, person: Person, *, now: datetime) -> str:
        """What she would read; its links are as long as real ones and lead nowhere."""
        text = self._texts.of(person).text
        written = text.write(self._texts.values(person, now=now), short_links.sample)
        return self._finished(written)

    def _compiled(self, content: Content) -> Compiled:
        if not content.text.strip():
            raise TemplateError(["The text is empty."])
        return Compiled(sms.compile(content.text))

    def _finished(self, written: str) -> str:
        if not written:
            raise RenderError("nothing is left of the text")
        if self._stop_words and self._stop_words not in written:
            written = f"{written}\n{self._stop_words}"
        simpler = sms.simpler(written)
        if not sms.size(simpler).foreign:
            written = simpler  # typographic signs alone would halve what fits
        segments = sms.size(written).segments
        if segments > SEGMENTS_MOST:
            raise RenderError(f"the text takes {segments} segments; at most {SEGMENTS_MOST}")
        return written


def _number(phone: str) -> str:
    """The number as gateways take it; raises `wire.AddressError`.

    >>> _number("+33 6 12 34 56 78")
    '+33612345678'
    """
    number = "".join(phone.split())
    digits = number.removeprefix("+")
    if not (digits.isascii() and digits.isdecimal() and 6 <= len(digits) <= 15):
        raise wire.AddressError("The phone number is not one of E.164.")
    return number
