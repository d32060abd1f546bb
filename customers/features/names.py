"""Which names of events mean what: Segment's, our own, and those that other tools export."""

from customers.features.facts import EVENT_NAMES

MEANT: dict[str, tuple[str, ...]] = {
    "page_viewed": ("Page Viewed", "Screen Viewed"),
    "product_viewed": ("Product Viewed", "Viewed Product"),
    "added_to_cart": ("Product Added", "Added Product", "Added to Cart"),
    "checkout_started": ("Checkout Started", "Started Checkout", "Started Order"),
    "searched": ("Products Searched", "Searched Site"),
    "email_sent": ("Email Sent", "Received Email"),  # not "Delivered": most sources send both
    "email_opened": ("Email Opened", "Opened Email"),
    "email_clicked": ("Email Link Clicked", "Clicked Email"),
    "sms_sent": ("SMS Sent", "Received SMS"),
    "sms_clicked": ("SMS Link Clicked", "Clicked SMS"),
    "unsubscribed": ("Unsubscribed", "Unsubscribed from Email", "Unsubscribed from SMS"),
}
ALIASES = {alias: EVENT_NAMES.index(name) for name, found in MEANT.items() for alias in found}

# Of these a property may say that a scanner or a mail program did it, and nobody saw it.
BY_MACHINES_TOO = (*MEANT["email_opened"], *MEANT["email_clicked"], *MEANT["sms_clicked"])
MACHINE_FLAGS = ("is_machine", "is_bot", "machine_open", "machine_click")
