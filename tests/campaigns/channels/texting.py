"""Campaigns by SMS and the other channels, planned and ready to be sent."""

from typing import Any

from campaigns.models import Campaign, Message
from customers.models import Customer
from customers.services import consent
from tests.campaigns.ledger import make_sending
from tests.makers import NOW, ago, make_customer

TEXT = "Hello {{ customer.first_name | default: 'you' }}! See https://shop.example/sale"
NUMBERS = {"ada": "+33600000001", "bob": "+33600000002", "eve": "+33600000003"}


def make_people(channel: str = "sms", **more: Any) -> dict[str, Customer]:
    """Ada, Bob and Eve, with numbers, who agreed to a channel."""
    people = {name: make_customer(name, phone=phone, **more) for name, phone in NUMBERS.items()}
    for one in people.values():
        agree(one, channel)
    return people


def agree(customer: Customer, channel: str, topic: str = "marketing") -> None:
    consent.record(
        customer.pk, channel=channel, topic=topic, is_granted=True, source="checkout",
        now=ago(300), proof_text="Yes.",
    )  # fmt: skip


def make_texting(people: list[Customer], channel: str = "sms", **given: Any) -> Campaign:
    """A campaign in state *sending* with a planned message for each of these people."""
    campaign = make_sending(people, **{"channel": channel, "text": TEXT, **given})
    Message.objects.filter(campaign=campaign).update(channel=channel)
    return campaign


__all__ = ["NOW", "NUMBERS", "TEXT", "agree", "make_people", "make_texting"]
