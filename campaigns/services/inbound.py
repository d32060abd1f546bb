"""Take what people text to the shop.  The only writer of ``InboundText``, but for erasure.

Stop means stop at once: the number is suppressed, whoever owns it and whatever the topic, and each
customer of this number takes back what she agreed to, with her own words as the proof.  Start lifts
that again.  Everything else is an event of the customer.  A text that is told twice counts once.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from campaigns.channels.smpp import Inbound, Receipt
from campaigns.messages import keywords
from campaigns.messages.keywords import Meaning
from campaigns.models import InboundText, Message, Outcome
from campaigns.services import arrivals, outcomes
from campaigns.services.arrivals import Arrival
from campaigns.services.outcomes import Reaction
from customers.models import Consent, Customer, Identity, Suppression
from customers.services import consent, events
from customers.services.events import NewEvent

SOURCE = "rapport"
EVENT = "SMS Received"
STOPPED, STARTED = "sms_stop", "sms_start"  # sources of consent
TEXT_MOST = 2_000
ANSWERS_WITHIN = timedelta(days=7)  # a stop is told of the last message of so many days
HELP_AN_HOUR = 3  # replies; two machines could else talk for ever
LIFTED = (Suppression.Reason.UNSUBSCRIBED, Suppression.Reason.HARD_BOUNCE)

# {shop}, {address}, {url}; within GSM, so that one segment holds them.
REPLIES = {
    "en": {
        keywords.STOP: "{shop}: you will get no more messages. Text START to begin again.",
        keywords.START: "{shop}: welcome back. Text STOP to end, HELP for help.",
        keywords.HELP: "{shop}, {address}. {url} Text STOP to end messages.",
    },
    "fr": {
        keywords.STOP: "{shop} : vous ne recevrez plus de messages. START pour reprendre.",
        keywords.START: "{shop} : les messages reprennent. STOP pour arrêter, AIDE pour l'aide.",
        keywords.HELP: "{shop}, {address}. {url} STOP pour ne plus recevoir de messages.",
    },
    "de": {
        keywords.STOP: "{shop}: Sie erhalten keine Nachrichten mehr. START beginnt wieder.",
        keywords.START: "{shop}: Willkommen zurück. STOPP beendet, HILFE hilft.",
        keywords.HELP: "{shop}, {address}. {url} STOPP beendet die Nachrichten.",
    },
    "es": {
        keywords.STOP: "{shop}: no recibirá más mensajes. START para volver a recibirlos.",
        keywords.START: "{shop}: volverá a recibir mensajes. BAJA para terminar.",
        keywords.HELP: "{shop}, {address}. {url} BAJA para no recibir mensajes.",
    },
    "it": {
        keywords.STOP: "{shop}: non riceverà altri messaggi. START per riprendere.",
        keywords.START: "{shop}: riceverà di nuovo i messaggi. STOP per finire.",
        keywords.HELP: "{shop}, {address}. {url} STOP per non ricevere messaggi.",
    },
}


@transaction.atomic
def received(
    channel: str, sender: str, text: str, *, provider: str, provider_id: str, now: datetime
) -> str | None:
    """Act on one text and return what to answer, if anything.

    Safe to repeat, and in two workers at once: ``provider_id`` is kept, and a repeat gets the same
    answer without anything being done again.
    """
    sender, text = _number(sender), text.replace("\x00", "").strip()[:TEXT_MOST]
    # A gateway that names no message: what is the same within a minute is one.
    fallback = hashlib.sha256(f"{sender}\0{text}\0{now:%Y%m%d%H%M}".encode()).hexdigest()
    provider_id = provider_id[:120] or fallback
    people = _people(sender)
    found = keywords.meaning(text, _more_words())
    row, is_new = InboundText.objects.get_or_create(
        provider=provider,
        provider_id=provider_id,
        defaults={
            "channel": channel,
            "customer": people[0] if people else None,
            "sender": sender,
            "text": text,
            "meaning": found.kind,
            "received_at": now,
        },
    )
    if not is_new:
        return row.reply or None
    reply = _act(channel, sender, text, found, people, row, now=now)
    if reply:
        InboundText.objects.filter(pk=row.pk).update(reply=reply[:500])
    return reply or None


def heard(said: Receipt | Inbound, *, now: datetime) -> str | None:
    """Take what came over an SMPP session."""
    if isinstance(said, Receipt):
        arrival = Arrival(
            said.kind, now, provider="smpp", provider_id=said.provider_id, detail=said.detail,
            channel="sms", event_id=said.detail,
        )  # fmt: skip
        arrivals.record([arrival], now=now)
        return None
    reply = received(
        "sms", said.sender, said.text, provider="smpp", provider_id=said.provider_id, now=now
    )
    return reply if settings.SMS_REPLIES else None


def opted_out(channel: str, address: str, *, now: datetime) -> None:
    """Believe a provider that says this number has stopped us."""
    consent.suppress(
        address, channel=channel, reason=Suppression.Reason.UNSUBSCRIBED, source="provider", now=now
    )


def _act(
    channel: str, sender: str, text: str, found: Meaning, people: list[Customer],
    row: InboundText, *, now: datetime,
) -> str:  # fmt: skip
    if found.kind == keywords.STOP:
        return _stop(channel, sender, text, found, people, now=now)
    if found.kind == keywords.START:
        is_lifted = consent.lift(sender, channel=channel, reasons=LIFTED)
        if is_lifted or found.word not in keywords.PLAIN_YES:
            _grant(channel, text, people, now=now)
            return _words(found, people)
    if found.kind == keywords.HELP:
        lately = InboundText.objects.filter(
            sender=sender, meaning=keywords.HELP, received_at__gt=now - timedelta(hours=1)
        )
        return _words(found, people) if lately.count() <= HELP_AN_HOUR else ""
    _tell(channel, text, people, row, now=now)
    return ""


def _stop(
    channel: str, sender: str, text: str, found: Meaning, people: list[Customer], *, now: datetime
) -> str:
    """One answer confirms a stop; to a number that has stopped already nothing is said."""
    is_repeat = bool(consent.suppressed([sender], channel=channel))
    consent.suppress(
        sender, channel=channel, reason=Suppression.Reason.UNSUBSCRIBED, source=STOPPED, now=now
    )
    for person in people:
        for topic, is_granted, _source in _latest(person, channel):
            if is_granted:
                _word(person, channel, topic, False, text, now=now)
    _note_unsubscribed(channel, people, now=now)
    return "" if is_repeat else _words(found, people)


def _grant(channel: str, text: str, people: list[Customer], *, now: datetime) -> None:
    """What a stop took back; for somebody who never said anything, what marketing needs."""
    for person in people:
        latest = _latest(person, channel)
        topics = [topic for topic, granted, source in latest if not granted and source == STOPPED]
        for topic in topics or ([] if latest else ["marketing"]):
            _word(person, channel, topic, True, text, now=now)


def _word(
    person: Customer, channel: str, topic: str, is_granted: bool, text: str, *, now: datetime
) -> None:
    consent.record(
        person.pk,
        channel=channel,
        topic=topic,
        is_granted=is_granted,
        source=STARTED if is_granted else STOPPED,
        now=now,
        proof_text=f"Texted: {text}",
    )


def _latest(person: Customer, channel: str) -> list[tuple[str, bool, str]]:
    """The last word of each topic: topic, yes or no, and where it was said."""
    rows = (
        Consent.objects.filter(customer=person, channel=channel)
        .order_by("topic", "-happened_at", "-recorded_at", "-id")
        .distinct("topic")
    )
    return list(rows.values_list("topic", "is_granted", "source"))


def _note_unsubscribed(channel: str, people: Iterable[Customer], *, now: datetime) -> None:
    """Tell it of the message that she answers."""
    last = (
        Message.objects.filter(
            customer__in=[person.pk for person in people], channel=channel,
            sent_at__gt=now - ANSWERS_WITHIN,
        )
        .order_by("customer", "-sent_at")
        .distinct("customer")
        .values_list("pk", flat=True)
    )  # fmt: skip
    outcomes.record([Reaction(pk, Outcome.Kind.UNSUBSCRIBE, now) for pk in last], now=now)


def _tell(
    channel: str, text: str, people: list[Customer], row: InboundText, *, now: datetime
) -> None:
    told = [
        NewEvent(
            source=SOURCE,
            message_id=f"inbound-{row.pk}-{person.pk}",
            customer_id=person.pk,
            anonymous_id="",
            name=EVENT,
            properties={"text": text, "channel": channel, "provider": row.provider},
            happened_at=now,
        )
        for person in people
    ]
    events.record(told, now=now)


def _words(found: Meaning, people: list[Customer]) -> str:
    known = next((person.language[:2].lower() for person in people if person.language), "")
    said = found.language if found.language not in ("", "en") else known or found.language
    return REPLIES.get(said, REPLIES["en"])[found.kind].format(
        shop=settings.SENDER_NAME, address=settings.SENDER_ADDRESS_LINE, url=settings.SHOP_URL
    )


def _people(number: str) -> list[Customer]:
    """Everybody of this number; families share phones."""
    known = Identity.objects.filter(kind=Identity.Kind.PHONE, value=number).values("customer_id")
    found = Customer.objects.filter(Q(phone=number) | Q(pk__in=known), erased_at=None)
    return list(found.order_by("pk")[:20])


def _more_words() -> dict[str, Any]:
    return {
        keywords.STOP: settings.SMS_STOP_WORDS,
        keywords.START: settings.SMS_START_WORDS,
        keywords.HELP: settings.SMS_HELP_WORDS,
    }


def _number(sender: str) -> str:
    """E.164 where it is a number; gateways leave out the plus.

    >>> _number("33612345678"), _number(" 33612345678"), _number("SHOP")
    ('+33612345678', '+33612345678', 'SHOP')
    """
    bare = "".join(sender.replace("\x00", "").split())[:40]
    digits = bare.removeprefix("+")
    # "00" is how some networks write the plus.
    digits = digits.removeprefix("00") if not bare.startswith("+") else digits
    return f"+{digits}" if digits.isdecimal() and len(digits) > 6 else bare
