"""Show a person what she agreed to, and take her word for what it shall be from now on.

The only writer of ``Pause``.  Nothing is stored but what the ledger of consent keeps, each word
with its proof; a pause is a no of every yes, and a yes again of those that nobody changed since.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from campaigns import querysets
from campaigns.models import Message, Pause
from campaigns.services import outcomes, topics
from campaigns.services.outcomes import Reaction
from customers.models import Customer
from customers.models.consent import Channel
from customers.services import consent

SOURCE, PAUSED, RESUMED = "preference_centre", "pause", "pause_over"
PAUSE_DAYS = (14, 30, 90)
AT_ONCE = 200
Pair = tuple[str, str]  # channel, topic

# The latest word of each channel and topic.
LATEST = """
    SELECT DISTINCT ON (channel, topic) channel, topic, is_granted, source
    FROM customers_consent WHERE customer_id = %s
    ORDER BY channel, topic, happened_at DESC, recorded_at DESC, id DESC"""


@dataclass(frozen=True)
class Wish:
    """One topic as a person sees it."""

    key: str
    name: str
    description: str
    channels: list[tuple[str, bool]]  # and whether she agreed


@dataclass(frozen=True)
class Preferences:
    wishes: list[Wish]
    hint: str  # enough of the address to know whose they are
    language: str
    paused_until: datetime | None

    def pairs(self) -> set[Pair]:
        return {(channel, wish.key) for wish in self.wishes for channel, _is in wish.channels}


@dataclass(frozen=True)
class Proof:
    """Where and how a word was given."""

    url: str = ""
    ip: str | None = None
    words: str = ""  # what the page said above the choice


def read(customer: Customer, *, language: str) -> Preferences:
    """The topics that are offered, and those that the person was ever asked about."""
    latest = _agreed(customer.pk)
    reach = _reach(customer)
    wishes = []
    offered = topics.offered()
    for topic in offered:
        name, description = topics.words_of(topic, language)
        channels = [one for one in topic.channels if one in reach or latest.get((one, topic.key))]
        asked = [(one, latest.get((one, topic.key), False)) for one in channels]
        if asked:
            wishes.append(Wish(topic.key, name, description, asked))
    # What she once agreed to can be taken back here, whatever became of the topic.
    others = sorted({key for (_c, key), is_yes in latest.items() if is_yes})
    known = {topic.key for topic in offered}
    named = topics.named(others)
    for key in others:
        if key not in known:
            plain = key.replace("_", " ").replace("-", " ").capitalize()
            name = topics.words_of(named[key], language)[0] if key in named else plain
            agreed = [(c, True) for (c, k), is_yes in sorted(latest.items()) if k == key and is_yes]
            wishes.append(Wish(key, name, "", agreed))
    until = Pause.objects.filter(customer=customer, ended_at=None).order_by("-until")
    paused_until = until.values_list("until", flat=True).first()
    return Preferences(wishes, consent.hint(customer.email or ""), language, paused_until)


@transaction.atomic
def keep(
    customer: Customer,
    wished: Mapping[Pair, bool],
    *,
    proof: Proof,
    now: datetime,
    message: Message | None = None,
) -> int:
    """Record what differs from what is on record; return how many words that were.

    Taking back what a message was sent under counts as unsubscribing from it.
    """
    latest = _agreed(customer.pk)
    changed = {
        pair: is_yes for pair, is_yes in sorted(wished.items()) if latest.get(pair, False) != is_yes
    }
    for (channel, topic), is_yes in changed.items():
        consent.record(
            customer.pk,
            channel=channel,
            topic=topic,
            is_granted=is_yes,
            source=SOURCE,
            now=now,
            proof_text=proof.words,
            proof_url=proof.url,
            proof_ip=proof.ip,
        )
    if message is not None:
        sent_under = message.channel, message.campaign.topic
        if changed.get(sent_under) is False:
            outcomes.record([Reaction(message.pk, "unsubscribe", now)], now=now)
    if any(changed.values()):  # a new yes ends the wish for silence
        resume(customer.pk, now=now)
    return len(changed)


@transaction.atomic
def pause(customer_id: int, *, days: int, proof: Proof, now: datetime) -> datetime:
    """Let a person hear nothing for some days; paused already, from now on that long.

    Transactional messages ask for no consent and are not held back.
    """
    until = now + timedelta(days=days)
    open_ones = Pause.objects.select_for_update().filter(customer_id=customer_id, ended_at=None)
    words: set[Pair] = set()
    for one in open_ones:
        words |= {(channel, topic) for channel, topic in one.words}
    agreed = {(row["channel"], row["topic"]) for row in _latest(customer_id) if row["is_granted"]}
    for channel, topic in sorted(agreed):
        consent.record(
            customer_id,
            channel=channel,
            topic=topic,
            is_granted=False,
            source=PAUSED,
            now=now,
            proof_text=proof.words,
            proof_url=proof.url,
            proof_ip=proof.ip,
        )
    open_ones.update(ended_at=now)
    Pause.objects.create(
        customer_id=customer_id,
        words=sorted(words | agreed),
        until=until,
        created_at=now,
    )
    return until


@transaction.atomic
def resume(customer_id: int, *, now: datetime) -> int:
    """End a person's pause: what was a yes before, and not changed since, is a yes again."""
    open_ones = list(
        Pause.objects.select_for_update().filter(customer_id=customer_id, ended_at=None)
    )
    words = {(channel, topic) for one in open_ones for channel, topic in one.words}
    still = {
        (row["channel"], row["topic"])
        for row in _latest(customer_id)
        if row["source"] == PAUSED and not row["is_granted"]
    }
    for channel, topic in sorted(words & still):
        consent.record(
            customer_id,
            channel=channel,
            topic=topic,
            is_granted=True,
            source=RESUMED,
            now=now,
            proof_text="The pause that she wished for is over; her yes before it stands again.",
        )
    Pause.objects.filter(pk__in=[one.pk for one in open_ones]).update(ended_at=now)
    return len(words & still)


def end_pauses(*, now: datetime) -> int:
    """End the pauses whose day has come; return how many people that were.  Safe to repeat."""
    due = Pause.objects.filter(ended_at=None, until__lte=now).order_by("until")
    people = list(dict.fromkeys(due.values_list("customer_id", flat=True)[:AT_ONCE]))
    alive = set(Customer.objects.filter(pk__in=people, erased_at=None).values_list("pk", flat=True))
    for customer_id in people:
        if customer_id in alive:
            resume(customer_id, now=now)
    Pause.objects.filter(customer_id__in=set(people) - alive, ended_at=None).update(ended_at=now)
    return len(people)


def _latest(customer_id: int) -> Iterable[dict]:
    return querysets.rows((LATEST, [customer_id]))


def _agreed(customer_id: int) -> dict[Pair, bool]:
    """The latest words; what is only paused is a yes that comes back."""
    return {
        (row["channel"], row["topic"]): row["is_granted"] or row["source"] == PAUSED
        for row in _latest(customer_id)
    }


def _reach(customer: Customer) -> set[str]:
    found = {Channel.EMAIL: customer.email, Channel.SMS: customer.phone}
    return {channel.value for channel, address in found.items() if address}
