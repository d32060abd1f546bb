"""Write one person's message of a campaign.  Reads rows, writes none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from django.conf import settings

from campaigns.channels.channel import Outgoing
from campaigns.messages import bounces, links, render, wire
from campaigns.models import Campaign, Coupon, Offer
from campaigns.offers import terms
from campaigns.services import documents, offer_rows, picks
from campaigns.services.contents import Content, Contents
from customers.models import Customer
from customers.models.consent import Channel
from segments.models import Score

Key = tuple[int, int | None, str]  # step, variant and language


@dataclass(frozen=True)
class Person:
    """What the texts of a campaign may say about one customer."""

    customer_id: int
    email: str
    first_name: str = ""
    last_name: str = ""
    language: str = ""
    country: str = ""
    traits: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    code: str = ""
    expires_at: datetime | None = None
    phone: str = ""  # E.164
    time_zone: str = ""  # IANA; empty: the shop's
    # which of the campaign's texts she gets, and what set it off
    step: int = 0
    occasion: int = 0
    variant_id: int | None = None
    data: dict[str, Any] = field(default_factory=dict)
    offer_id: int | None = None  # of her coupon; None: what her text offers

    def address(self, channel: str) -> str:
        """Where a channel reaches her; empty: nowhere."""
        found = {Channel.EMAIL: self.email, Channel.SMS: self.phone}
        return found.get(Channel(channel), str(self.customer_id))


class Writer(Protocol):
    """Writes the messages of one campaign for one channel, its texts compiled once."""

    def write(self, message_id: int, person: Person, *, now: datetime) -> Outgoing:
        """Raises `render.RenderError` or `wire.AddressError`, which concern this person alone."""


def writer(campaign: Campaign, channel: str) -> Writer:
    """Raises `campaigns.messages.render.TemplateError` when the texts cannot be compiled."""
    if channel == Channel.EMAIL:
        return Composer(campaign)
    from campaigns.services.writing import chosen  # which reads the values of a person from here

    return chosen.writer(campaign, channel)


class Composer:
    """The e-mail of a campaign, each step, variant and language compiled when it is first written.

    Raises `campaigns.messages.render.TemplateError` when the texts that everybody gets cannot be
    compiled.  Those of one step, variant or language that cannot concern their readers alone.
    """

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.sender_name = campaign.sender_name or settings.SENDER_NAME
        self.sender_email = campaign.sender_email or settings.DEFAULT_FROM_EMAIL
        self.contents = Contents(campaign)
        self._texts: dict[Key, Text] = {}
        self._spoken: dict[str, str] = {}  # a reader's language -> the one we say it in
        self._offers: dict[int, dict[str, Any]] = {}
        self._picked: dict[int, picks.Picks] = {}
        self._shop = shop_values(self.sender_name)
        self._key = key()
        if not self.contents.variants:
            self.text((0, None, ""))

    def text(self, key: Key) -> "Text":
        """One step, variant and language compiled; raises `render.TemplateError`."""
        if key not in self._texts:
            step, variant_id, language = key
            content = self.contents.of(step=step, variant_id=variant_id, language=language)
            made = compiled(content, language)
            form = wire.Form(made, sender_name=self.sender_name, sender_email=self.sender_email)
            self._texts[key] = Text(content, form, offer_values(content.offer), _picks(made))
        return self._texts[key]

    def prepare(self, people: Sequence[Person], *, now: datetime) -> None:
        """Look up what the texts of these people need beyond them, all at once.

        Without it each is looked up when it is written, which costs a few statements a person.
        """
        wanted = []
        for person in people:
            try:
                is_wanted = self.text(self._key_of(person)).has_picks
            except render.TemplateError:
                continue  # said when it is written
            if is_wanted:
                wanted.append(person.customer_id)
        found = picks.picks(wanted, now=now) if wanted else {}
        self._picked = {one: found.get(one, {}) for one in wanted}

    def write(self, message_id: int, person: Person, *, now: datetime) -> Outgoing:
        """The message of the ledger's row ``message_id``.

        Raises `render.RenderError` or `wire.AddressError`, which concern this person alone.
        """
        address = wire.address(person.email)
        day = now.date()
        text = self._text_of(person)
        unsubscribe_url = public_url(
            "u", links.write(self._key, links.UNSUBSCRIBE, message_id, day=day)
        )
        values = self._values(person, text, now)
        values["unsubscribe_url"] = unsubscribe_url
        values["open_url"] = public_url(
            "o", links.write(self._key, links.OPEN, message_id, day=day)
        )
        about = wire.Personal(address, f"rapport-{message_id}", now, unsubscribe_url)
        data = text.form.write(about, values, self._tracking(message_id, day))
        sender = text.form.sender_email
        if settings.BOUNCE_DOMAIN:
            sender = bounces.write(self._key, message_id, address, settings.BOUNCE_DOMAIN)
        return Outgoing(message_id, sender, address, data)

    def write_test(self, address: str, person: Person, *, now: datetime) -> Outgoing:
        """The same for somebody of the house: nothing in it is tracked, and it says so."""
        bare = wire.address(address)
        text = self._text_of(person)
        values = self._values(person, text, now)
        values["unsubscribe_url"] = links_nowhere()
        about = wire.Personal(bare, f"rapport-test-{now:%Y%m%d%H%M%S%f}", now)
        data = text.form.write(about, values).replace(b"\r\nSubject: ", b"\r\nSubject: [Test] ", 1)
        return Outgoing(None, text.form.sender_email, bare, data)

    def render(self, person: Person, *, now: datetime) -> render.Rendered:
        text = self.text(self._key_of(person))
        values = self._values(person, text, now)
        return text.form.compiled.render({**values, "unsubscribe_url": links_nowhere()})

    def _key_of(self, person: Person) -> Key:
        language = self._spoken.get(person.language)
        if language is None:
            language = self._spoken[person.language] = self.contents.spoken(person.language)
        return person.step, person.variant_id, language

    def _text_of(self, person: Person) -> "Text":
        try:
            return self.text(self._key_of(person))
        except render.TemplateError as error:
            raise render.RenderError(str(error)) from error

    def _values(self, person: Person, text: "Text", now: datetime) -> dict[str, Any]:
        offer = text.offer
        if person.offer_id is not None and (
            text.content.offer is None or person.offer_id != text.content.offer.pk
        ):
            offer = self._other_offer(person.offer_id)
        values = values_of(person, offer, self._shop, now=now)
        if text.has_picks:
            one = person.customer_id
            if one not in self._picked:
                self._picked[one] = picks.picks([one], now=now).get(one, {})
            values["picks"] = self._picked[one]
        return values

    def _other_offer(self, offer_id: int) -> dict[str, Any]:
        """The offer that was chosen for one person, which need not be the campaign's."""
        if offer_id not in self._offers:
            self._offers[offer_id] = offer_values(Offer.objects.filter(pk=offer_id).first())
        return self._offers[offer_id]

    def _tracking(self, message_id: int, day: Any) -> Callable[[int, str], str]:
        made: dict[tuple[int, str], str] = {}  # HTML and text carry the same links

        def link(number: int, address: str) -> str:
            if len(address) > links.ADDRESS_MOST:
                return address  # followed, though not counted
            if (number, address) not in made:
                token = links.write(
                    self._key, links.CLICK, message_id, day=day, number=number, address=address
                )
                made[number, address] = public_url("c", token)
            return made[number, address]

        return link


@dataclass(frozen=True)
class Text:
    """One step, variant and language, compiled."""

    content: Content
    form: wire.Form
    offer: dict[str, Any]
    has_picks: bool


def compiled(content: Content | Campaign, language: str = "") -> render.Compiled:
    """The words of one content, its blocks made a body; raises `render.TemplateError`."""
    body = documents.mjml(content.blocks, language=language) if content.blocks else content.body
    return render.compile(
        content.subject, content.preheader, body, footer=settings.SENDER_ADDRESS_LINE
    )


def _picks(compiled: render.Compiled) -> bool:
    """Whether a message shows products that are picked for each person."""
    return any("picks" in used for used in (compiled.html.names, compiled.text.names))


def key() -> bytes:
    return settings.SECRET_KEY.encode()


def public_url(kind: str, token: str) -> str:
    # Written out, for `reverse` costs more than all the rest of a link.
    return f"{settings.SITE_URL}/m/{kind}/{token}"


def links_nowhere() -> str:
    return f"{settings.SITE_URL}/m/u/preview"


def values_of(
    person: Person, offer: dict[str, Any], shop: dict[str, Any], *, now: datetime
) -> dict[str, Any]:
    """The plain values that a template sees of one person.

    What is empty is nothing: to Liquid an empty text is true, and ``{% if %}`` would not notice.
    """
    expires_at = person.expires_at.isoformat() if person.expires_at else None
    return {
        "customer": {
            "first_name": _name(person.first_name),
            "last_name": _name(person.last_name),
            "email": person.email or None,
            "language": person.language or None,
            "country": person.country or None,
            "traits": person.traits,
        },
        "scores": person.scores,
        "offer": {**offer, "code": person.code or None, "expires_at": expires_at} if offer else {},
        "event": person.data,
        "shop": shop,
        "now": now,
        "today": now.date(),
    }


def _name(name: str) -> str | None:
    """A name, unless it carries an address: forms are filled in with those to have us send them."""
    return None if not name or "://" in name or "www." in name else name


def offer_values(offer: Offer | None) -> dict[str, Any]:
    if offer is None:
        return {}
    return {
        "name": offer.name,
        "kind": offer.kind,
        "percent": _bare(offer.share, 100) if offer.share is not None else None,
        "amount": _bare(offer.amount) if offer.amount is not None else None,
        "currency": offer.currency or None,
        "gift": offer.gift or None,
        "points": offer.points,
        "order_least": _bare(offer.order_least) if offer.order_least is not None else None,
        "words": terms.words(offer_rows.terms_of(offer)),
    }


def shop_values(name: str) -> dict[str, Any]:
    return {"name": name, "url": settings.SHOP_URL, "address": settings.SENDER_ADDRESS_LINE}


def person(customer_id: int, *, campaign: Campaign | None = None) -> Person | None:
    """One customer as her message would see her, with the coupon she has in ``campaign``."""
    customer = Customer.objects.filter(pk=customer_id, erased_at=None).first()
    if customer is None:
        return None
    coupon = None
    if campaign is not None:
        coupon = Coupon.objects.filter(campaign=campaign, customer_id=customer_id).first()
    return Person(
        customer.pk,
        customer.email or "",
        customer.first_name,
        customer.last_name,
        customer.language,
        customer.country,
        customer.traits,
        dict(Score.objects.filter(customer_id=customer_id).values_list("name", "value")),
        coupon.code if coupon else "",
        coupon.expires_at if coupon else None,
        customer.phone or "",
        customer.time_zone,
    )


def _bare(number: Decimal | float | str, times: int = 1) -> str:
    """A number as people write it: 20, not 20.0000.

    >>> _bare(Decimal("0.2000"), 100), _bare(Decimal("7.5000")), _bare(0.07, 100)
    ('20', '7.5', '7')
    """
    # Before its row is read again, an offer holds what it was given.
    return format((Decimal(str(number)) * times).normalize(), "f")
