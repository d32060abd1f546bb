"""Personal data in segments: what each kind covers, how it is handed out and erased."""

from rapport import privacy
from rapport.privacy import PersonalData


def register() -> None:
    """Add this app's kinds of personal data to the registry."""
    from segments.services import privacy as service

    for kind in (
        PersonalData(
            "scores",
            ("segments.Score", "segments.ScoreChange"),
            service.export_scores,
            service.erase_scores,
        ),
        PersonalData(
            "segments",
            ("segments.Membership", "segments.MembershipChange", "segments.Recheck"),
            service.export_memberships,
            service.erase_memberships,
        ),
        PersonalData("lists", ("segments.ListMember",), service.export_lists, service.erase_lists),
        PersonalData(
            "webhooks",
            ("segments.WebhookDelivery", "segments.WebhookAttempt"),
            service.export_webhooks,
            service.erase_webhooks,
        ),
    ):
        privacy.register(kind)
