"""Hear what comes in over SMPP while nothing is being sent."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from campaigns.channels import others
from campaigns.channels.channel import ChannelAway
from campaigns.channels.smpp import SmppChannel

TURN_SECONDS = 30


class Command(BaseCommand):
    help = "Hold a session with the SMPP centre of SMS_URL, for receipts and for what people text."

    def handle(self, *args: Any, **options: Any) -> None:
        found = others.sms(timezone.now) if settings.SMS_URL else None
        if not isinstance(found, SmppChannel):
            raise CommandError("SMS_URL names no SMPP centre; other gateways call by themselves.")
        try:
            with found.open() as session:
                while session.is_open:
                    session.listen(TURN_SECONDS)
        except ChannelAway as error:
            raise CommandError(str(error)) from None
        raise CommandError("The centre closed the session; start this again.")
