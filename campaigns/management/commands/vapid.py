"""Make a key for notifications to browsers."""

from typing import Any

from django.core.management.base import BaseCommand

from campaigns.channels import webpush


class Command(BaseCommand):
    help = "Print a new VAPID_PRIVATE_KEY; browsers that subscribed under another must do so anew."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"VAPID_PRIVATE_KEY={webpush.new_key()}")
