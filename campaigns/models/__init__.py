"""Actions: campaigns, offers, messages, and what came of them."""

from campaigns.models.campaigns import Assignment, Campaign, Variant
from campaigns.models.inbox import InboxMail
from campaigns.models.messages import Message, Outcome
from campaigns.models.offers import Coupon, Offer
from campaigns.models.proof import Look, Measuring
from campaigns.models.slots import Slot, SlotContent

__all__ = [
    "Assignment",
    "Campaign",
    "Coupon",
    "InboxMail",
    "Look",
    "Measuring",
    "Message",
    "Offer",
    "Outcome",
    "Slot",
    "SlotContent",
    "Variant",
]
