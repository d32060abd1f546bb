"""Ask by mail whether somebody really wants to be written to.  The only writer of ``OptIn``.

    asked --confirmed by the button--> confirmed
    asked --`VALID`--> expired

Nothing is agreed to before the answer, and the answer is a button: scanners follow links.  It
counts once: the link of an answer that was taken back since gives nothing again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from campaigns.messages import links
from campaigns.models import Campaign, OptIn
from campaigns.services import campaigns, composing, planning, topics
from campaigns.services.planning import Wanted
from customers.collect.identity_rules import Claim
from customers.models import Customer
from customers.models.consent import Channel
from customers.services import consent, identity
from rapport.errors import DomainError, NotFound

SOURCE = "double_opt_in"
TOPIC = "double_opt_in"  # of the transactional campaign that asks; the newest that runs is taken
VALID = timedelta(days=7)
ASK_AGAIN = timedelta(minutes=10)  # sooner the same question is not sent once more
ASK_MOST, ASK_WITHIN = 3, timedelta(days=1)  # or strangers could fill somebody's mailbox
State = OptIn.State

SUBJECT = "{{ event.subject }}"
BODY = """<mjml><mj-body background-color="#f3f4f6"><mj-section background-color="#ffffff">
<mj-column>
<mj-text font-size="16px" line-height="1.5">{{ event.ask }}</mj-text>
<mj-text font-size="16px" line-height="1.5">{% for topic in event.topics %}– {{ topic }}<br />
{% endfor %}</mj-text>
<mj-button background-color="#005a8d" href="{{ event.link }}">{{ event.button }}</mj-button>
<mj-text font-size="14px" line-height="1.5" color="#4b5563">{{ event.foot }}</mj-text>
</mj-column></mj-section></mj-body></mjml>"""


class OptInRefused(DomainError):
    code = "opt_in_refused"


@transaction.atomic
def ask(
    *,
    keys: Sequence[str],
    source: str,
    proof_text: str,
    words: dict[str, str],
    now: datetime,
    customer_id: int | None = None,
    email: str = "",
    language: str = "",
    proof_url: str = "",
    proof_ip: str | None = None,
) -> OptIn | None:
    """Send the question; None when there is nothing to ask, or it was asked a moment ago.

    ``proof_text`` is what the person was shown when she asked for it; ``words`` are those of the
    mail (`campaigns.web.public_words`).
    """
    customer = _customer(customer_id, email, now=now)
    wanted = [
        key for key in dict.fromkeys(keys) if not consent.allows(customer.pk, Channel.EMAIL, key)
    ]
    if not keys or not proof_text.strip():
        raise OptInRefused("It needs at least one topic, and the words that were shown.")
    earlier = OptIn.objects.filter(customer=customer, asked_at__gt=now - ASK_WITHIN)
    if (
        not wanted
        or earlier.count() >= ASK_MOST
        or earlier.filter(state=State.ASKED, asked_at__gt=now - ASK_AGAIN).exists()
    ):
        return None
    asked = OptIn.objects.create(
        customer=customer,
        topics=wanted,
        address_sha256=consent.address_sha256(customer.email or ""),
        language=language[:10],
        source=source[:40],
        proof_text=proof_text,
        proof_url=proof_url[:500],
        proof_ip=proof_ip,
        asked_at=now,
        expires_at=now + VALID,
    )
    if _send(asked, words, now=now):
        OptIn.objects.filter(pk=asked.pk).update(sent_at=now)
    return asked


def find(token: str) -> OptIn:
    """The question that a link answers.  Raises `NotFound` for a link that is none of ours."""
    try:
        number = links.read(composing.key(), links.OPT_IN, token).message_id
    except links.BadToken:
        raise NotFound("There is no such question.") from None
    found = OptIn.objects.select_related("customer__merged_into").filter(pk=number).first()
    if found is None or _owner(found) is None:
        raise NotFound("There is no such question.")
    return found


def is_open(asked: OptIn, *, now: datetime) -> bool:
    """Whether the question can still be answered: in time, and for the address it was sent to."""
    owner = _owner(asked)
    return (
        asked.state == State.ASKED
        and now < asked.expires_at
        and owner is not None
        and consent.address_sha256(owner.email or "") == asked.address_sha256
    )


@transaction.atomic
def confirm(asked: OptIn, *, now: datetime, ip: str | None = None) -> bool:
    """Take the yes; return whether it is one now.  Only the first counts, of many at once."""
    held = OptIn.objects.select_for_update(of=("self",)).select_related("customer__merged_into")
    asked = held.get(pk=asked.pk)
    if asked.state == State.CONFIRMED:
        return True
    owner = _owner(asked)
    if owner is None or not is_open(asked, now=now):
        return False
    for key in asked.topics:
        consent.record(
            owner.pk,
            channel=asked.channel,
            topic=key,
            is_granted=True,
            source=SOURCE,
            now=now,
            proof_text=f"{asked.proof_text}\nAsked by mail on {asked.asked_at.isoformat()} from "
            f"{asked.source}, confirmed by the button in the mail’s page on {now.isoformat()}.",
            proof_url=asked.proof_url,
            proof_ip=ip or asked.proof_ip,
        )
    OptIn.objects.filter(pk=asked.pk).update(
        state=State.CONFIRMED, confirmed_at=now, confirmed_ip=ip
    )
    return True


def expire(*, now: datetime) -> int:
    """Mark the questions that nobody answered in time."""
    return OptIn.objects.filter(state=State.ASKED, expires_at__lte=now).update(state=State.EXPIRED)


def default_keys() -> list[str]:
    """What a sign-up asks for that names no topics."""
    offered = topics.offered()
    return [one.key for one in offered if one.is_default] or [one.key for one in offered[:1]]


def _send(asked: OptIn, words: dict[str, str], *, now: datetime) -> bool:
    named = topics.named(asked.topics)
    shown = [
        topics.words_of(named[key], asked.language)[0] if key in named else key
        for key in asked.topics
    ]
    token = links.write(composing.key(), links.OPT_IN, asked.pk, day=now.date())
    data: dict[str, Any] = {**words, "topics": shown, "link": composing.public_url("i", token)}
    wanted = Wanted(asked.customer_id, occasion=asked.pk, data=data)
    found = planning.plan_people(_campaign(now=now), [wanted], now=now)
    return "" in found.values()


def _campaign(*, now: datetime) -> Campaign:
    """The transactional campaign that asks: the shop's own, or one made here the first time."""
    running = Campaign.objects.filter(
        kind=Campaign.Kind.TRANSACTIONAL, topic=TOPIC, state=Campaign.State.SENDING
    )
    found = running.order_by("-pk").first()
    if found is not None:
        return found
    made = campaigns.create(
        user=None,
        now=now,
        name="Confirmation of sign-ups",
        kind=Campaign.Kind.TRANSACTIONAL,
        objective=Campaign.Objective.SATISFY,
        topic=TOPIC,
        subject=SUBJECT,
        body=BODY,
        holdout_share=0.0,
    )
    return planning.launch(made, user=None, now=now)


def _customer(customer_id: int | None, email: str, *, now: datetime) -> Customer:
    if customer_id is None:
        (customer_id,) = identity.resolve(
            [Claim(email=email.strip(), happened_at=now)], source=SOURCE, now=now
        )
        if customer_id is None:
            raise OptInRefused(f"{email[:80]!r} is not an e-mail address.")
    person = identity.surviving(customer_id)
    customer = Customer.objects.filter(pk=person, erased_at=None).first()
    if customer is None or not customer.email:
        raise NotFound(f"There is no customer {customer_id} with an e-mail address.")
    if email.strip() and customer.email.lower() != email.strip().lower():
        raise OptInRefused("The customer of this address is written to at another one.")
    return customer


def _owner(asked: OptIn) -> Customer | None:
    owner = asked.customer.merged_into or asked.customer
    return owner if owner.erased_at is None else None
