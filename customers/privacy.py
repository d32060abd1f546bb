"""Personal data in customers: what each kind covers, how it is handed out and erased."""

from rapport import privacy
from rapport.privacy import PersonalData


def register() -> None:
    """Add this app's kinds of personal data to the registry."""
    from customers.models import Consent
    from customers.services import privacy as service
    from customers.services import write_keys

    def export_consent(customer_id: int) -> list[dict]:
        words = Consent.objects.filter(customer_id=customer_id).order_by("happened_at", "id")
        return list(words.values())

    for kind in (
        PersonalData(
            "person",
            ("customers.Customer", "customers.Identity"),
            service.export_person,
            service.erase_person,
        ),
        PersonalData(
            "orders",
            ("customers.Order", "customers.OrderLine"),
            service.export_orders,
            service.erase_orders,
        ),
        PersonalData("events", ("customers.Event",), service.export_events, service.erase_events),
        PersonalData(
            "reviews", ("customers.Review",), service.export_reviews, service.erase_reviews
        ),
        PersonalData(
            "merges",
            ("customers.Merge", "customers.MovedRows", "customers.RefusedClaim"),
            service.export_merges,
            service.erase_merges,
        ),
        PersonalData(
            "rejected messages",
            ("customers.RejectedMessage",),
            write_keys.export_rejected,
            write_keys.erase_rejected,
        ),
        # Erased first of all, while the addresses can still be read; see service.erase.
        PersonalData("consent", ("customers.Consent",), export_consent, lambda _customer_id: 0),
    ):
        privacy.register(kind)
