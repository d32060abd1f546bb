"""Which way out each channel takes here."""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings

from campaigns.channels.channel import Channel, ChannelAway
from campaigns.channels.inbox import InboxChannel
from campaigns.channels.smtp import SmtpChannel


def channel(name: str, clock: Callable[[], datetime]) -> Channel:
    """The way out for messages of a channel.  Raises `ChannelAway` where none is set up."""
    if name == "email":
        return email(clock)
    raise ChannelAway(f"No {name} channel is set up.")


def email(clock: Callable[[], datetime]) -> Channel:
    """The server of ``EMAIL_URL``; without one, the inbox page."""
    if not settings.EMAIL_URL:
        return InboxChannel(clock)
    return SmtpChannel(settings.EMAIL_URL, own_name=urlsplit(settings.SITE_URL).hostname or "")
