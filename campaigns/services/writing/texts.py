"""What the writers of all channels but e-mail share: each text of a campaign compiled once, the
values of a person, and tracked links.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.conf import settings

from campaigns.messages import links, render, sandbox
from campaigns.messages.render import RenderError, Slots, TemplateError
from campaigns.messages.sandbox import Sandbox
from campaigns.models import Campaign, Offer
from campaigns.services import composing
from campaigns.services.composing import Person
from campaigns.services.contents import Content, Contents

T = TypeVar("T")

_PLAIN = Sandbox(autoescape=False)
# The host is written out: where a value of a person decided it, we would sign any address.
_REST = r"(?:\{\{[^{}]*\}\}|[^\s{}])*"
_OWN_LINE = re.compile(
    rf"https?://[^\s/?#{{}}]+(?:[/?#]{_REST})?|\{{\{{-?\s*shop\.url\s*-?\}}\}}{_REST}"
)


class Texts(Generic[T]):
    """One compiled text for each step, variant and language.

    Raises `TemplateError` when the text that everybody gets cannot be compiled.  Those of one step,
    variant or language that cannot concern their readers alone.
    """

    def __init__(self, campaign: Campaign, compile: Callable[[Content], T]) -> None:
        self.campaign = campaign
        self._compile = compile
        self._contents = Contents(campaign)
        self._compiled: dict[composing.Key, tuple[Content, T]] = {}
        self._offers: dict[int, dict[str, Any]] = {}
        self._shop = composing.shop_values(campaign.sender_name or settings.SENDER_NAME)
        if not self._contents.variants:
            self._text((0, None, ""))

    def of(self, person: Person) -> T:
        """The text that is hers; raises `RenderError`."""
        try:
            return self._text(self._key(person))[1]
        except TemplateError as error:
            raise RenderError(str(error)) from error

    def values(self, person: Person, *, now: datetime) -> dict[str, Any]:
        """What her text may say of her."""
        content = self._text(self._key(person))[0]
        usual = content.offer
        offer_id = person.offer_id or (usual.pk if usual else None)
        if offer_id is not None and offer_id not in self._offers:
            found = usual if usual and usual.pk == offer_id else None
            found = found or Offer.objects.filter(pk=offer_id).first()
            self._offers[offer_id] = composing.offer_values(found)
        offer = self._offers[offer_id] if offer_id is not None else {}
        return composing.values_of(person, offer, self._shop, now=now)

    def _key(self, person: Person) -> composing.Key:
        return person.step, person.variant_id, self._contents.spoken(person.language)

    def _text(self, key: composing.Key) -> tuple[Content, T]:
        if key not in self._compiled:
            step, variant_id, language = key
            content = self._contents.of(step=step, variant_id=variant_id, language=language)
            self._compiled[key] = content, self._compile(content)
        return self._compiled[key]


def liquid(part: str, source: str, *, most: int, space: Sandbox = _PLAIN) -> Slots:
    """A short text compiled; raises `TemplateError`."""
    if len(source) > most:
        words = f"The {part} has {len(source):,} characters; at most {most:,}."
        raise TemplateError([words])
    if faults := render.liquid_faults(part, source):
        raise TemplateError(faults)
    return Slots(space.from_string(source))


def filled(slots: Slots, values: dict[str, Any]) -> str:
    """One person's text; raises `RenderError`."""
    return slots.join(slots.fill(values, None)).strip()


def parted(source: str) -> tuple[str, str]:
    """A text, and the address that stands alone on its last line; empty where none does.

    >>> parted("Hello\\nhttps://shop.example/sale")
    ('Hello', 'https://shop.example/sale')
    >>> parted("Hello\\nhttps://shop.example/?a={{ customer.country }}")[1]
    'https://shop.example/?a={{ customer.country }}'
    >>> parted("Look at https://shop.example/sale")
    ('Look at https://shop.example/sale', '')
    """
    text, _break, last = source.replace("\r\n", "\n").strip().rpartition("\n")
    if _OWN_LINE.fullmatch(last.strip()):
        return text.strip(), last.strip()
    return source.strip(), ""


def tracked(address: str, message_id: int, *, now: datetime) -> str:
    """The counted link to an address; the shop where it leads nowhere a message may lead."""
    safe = sandbox.safe_address(address or settings.SHOP_URL)
    if not sandbox.is_tracked(safe):
        safe = settings.SHOP_URL
    if len(safe) > links.ADDRESS_MOST:
        return safe  # followed, though not counted
    token = links.write(
        composing.key(), links.CLICK, message_id, day=now.date(), number=1, address=safe
    )
    return composing.public_url("c", token)
