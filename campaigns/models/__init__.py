"""Actions: campaigns, offers, messages, and what came of them."""

from campaigns.models.audience import Approval, SendingPolicy
from campaigns.models.campaigns import Assignment, Campaign, Variant
from campaigns.models.channels import (
    InAppMessage,
    InboundText,
    PushSubscription,
    WebhookCall,
    WebhookReceiver,
)
from campaigns.models.coming_back import (
    ConsentTopic,
    LinkVisit,
    OptIn,
    Pause,
    ProviderEvent,
)
from campaigns.models.content import Image, ShortLink, Template
from campaigns.models.flows import CampaignRun, FlowVersion, FlowWatch, Journey, JourneyStep
from campaigns.models.inbox import InboxMail
from campaigns.models.messages import Message, Outcome
from campaigns.models.offers import Coupon, Offer, OfferCandidate
from campaigns.models.proof import Look, Measuring
from campaigns.models.sending import MailServer, SendingLimit, SendingLine, SendingUse, WarmUp
from campaigns.models.slots import Slot, SlotContent

__all__ = [
    "Approval",
    "Assignment",
    "Campaign",
    "CampaignRun",
    "ConsentTopic",
    "Coupon",
    "FlowVersion",
    "FlowWatch",
    "Image",
    "InAppMessage",
    "InboundText",
    "InboxMail",
    "Journey",
    "JourneyStep",
    "LinkVisit",
    "Look",
    "MailServer",
    "Measuring",
    "Message",
    "Offer",
    "OfferCandidate",
    "OptIn",
    "Outcome",
    "Pause",
    "ProviderEvent",
    "PushSubscription",
    "SendingLimit",
    "SendingLine",
    "SendingPolicy",
    "SendingUse",
    "ShortLink",
    "Slot",
    "SlotContent",
    "Template",
    "Variant",
    "WarmUp",
    "WebhookCall",
    "WebhookReceiver",
]
