"""Which writer writes for which channel, e-mail apart."""

from campaigns.messages.render import TemplateError
from campaigns.models import Campaign
from campaigns.services.composing import Writer
from campaigns.services.writing.in_app import InAppWriter
from campaigns.services.writing.push import PushWriter
from campaigns.services.writing.sms import SmsWriter
from campaigns.services.writing.webhook import WebhookWriter
from customers.models.consent import Channel


def writer(campaign: Campaign, channel: str) -> Writer:
    """Raises `TemplateError` when the texts cannot be compiled."""
    if channel == Channel.SMS:
        return SmsWriter(campaign)
    if channel == Channel.PUSH:
        return PushWriter(campaign)
    if channel == Channel.IN_APP:
        return InAppWriter(campaign)
    if channel == Channel.WEBHOOK:
        return WebhookWriter(campaign)
    raise TemplateError([f"Nothing writes for the channel {channel}."])
