"""Campaigns that are being sent, with their messages planned, without planning itself."""

from collections import Counter
from typing import Any

from campaigns.models import Campaign, Coupon, Message, Offer
from customers.models import Customer
from tests.makers import NOW, ago, make_campaign, make_crowd

BODY = """<mjml><mj-body><mj-section><mj-column>
<mj-text>Hello {{ customer.first_name }},
see <a href="https://shop.example/sale">the sale</a></mj-text>
</mj-column></mj-section></mj-body></mjml>"""
SUBJECT = "News for {{ customer.first_name | default: 'you' }}"


def make_sending(people: int | list[Customer] = 3, **given: Any) -> Campaign:
    """A campaign in state *sending* with a planned message for each of these people."""
    crowd = make_crowd(people) if isinstance(people, int) else people
    campaign = make_campaign(**{"subject": SUBJECT, "body": BODY, **given})
    campaign.state = Campaign.State.SENDING
    campaign.launched_at = NOW
    campaign.save(update_fields=["state", "launched_at"])
    Message.objects.bulk_create(
        Message(
            campaign=campaign, customer=one, channel="email", planned_at=ago(0.01), due_at=ago(0.01)
        )
        for one in crowd
    )
    return campaign


def give_coupon(campaign: Campaign, customer: Customer, code: str, **given: Any) -> Coupon:
    offer = campaign.offer or Offer.objects.create(
        name="A fifth off", kind="percent", share="0.2", created_at=ago(9)
    )
    coupon = Coupon.objects.create(
        offer=offer,
        campaign=campaign,
        customer=customer,
        code=code,
        **{"created_at": ago(1), "given_at": ago(1), "expires_at": ago(-14), **given},
    )
    Message.objects.filter(campaign=campaign, customer=customer).update(coupon=coupon)
    return coupon


def states(campaign: Campaign) -> Counter[str]:
    """How many messages are in each state; ``skipped:no_consent`` where there is a reason."""
    return Counter(
        f"{state}:{reason}" if reason else state
        for state, reason in Message.objects.filter(campaign=campaign).values_list(
            "state", "reason"
        )
    )
