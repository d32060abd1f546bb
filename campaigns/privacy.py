"""Personal data in campaigns: what each kind covers, how it is handed out and erased."""

from rapport import privacy
from rapport.privacy import PersonalData


def register() -> None:
    """Add this app's kinds of personal data to the registry."""
    from campaigns.services import privacy as service

    for kind in (
        PersonalData(
            "messages",
            (
                "campaigns.Message",
                "campaigns.Assignment",
                "campaigns.Outcome",
                "campaigns.ShortLink",
            ),
            service.export_messages,
            service.erase_messages,
        ),
        PersonalData(
            "coupons", ("campaigns.Coupon",), service.export_coupons, service.erase_coupons
        ),
        PersonalData(
            "provider_events",
            ("campaigns.ProviderEvent", "campaigns.LinkVisit"),
            service.export_provider_events,
            service.erase_provider_events,
        ),
        PersonalData(
            "wishes",
            ("campaigns.OptIn", "campaigns.Pause"),
            service.export_wishes,
            service.erase_wishes,
        ),
        PersonalData(
            "journeys",
            ("campaigns.Journey", "campaigns.JourneyStep"),
            service.export_journeys,
            service.erase_journeys,
        ),
        PersonalData(
            "channels",
            (
                "campaigns.PushSubscription",
                "campaigns.InAppMessage",
                "campaigns.InboundText",
                "campaigns.WebhookCall",
            ),
            service.export_channels,
            service.erase_channels,
        ),
        PersonalData("inbox", ("campaigns.InboxMail",), service.export_inbox, service.erase_inbox),
    ):
        privacy.register(kind)
