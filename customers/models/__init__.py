"""Facts: every row says what happened in the world and when we learnt of it."""

from customers.models.catalogue import Product
from customers.models.consent import Consent, Suppression
from customers.models.events import Event, Review
from customers.models.merges import Merge, MovedRows, RefusedClaim
from customers.models.orders import Order, OrderLine
from customers.models.people import Customer, Identity
from customers.models.sources import RejectedMessage, WriteKey
from customers.models.touches import Touch, TouchReader

__all__ = [
    "Consent",
    "Customer",
    "Event",
    "Identity",
    "Merge",
    "MovedRows",
    "Order",
    "OrderLine",
    "Product",
    "RefusedClaim",
    "RejectedMessage",
    "Review",
    "Suppression",
    "Touch",
    "TouchReader",
    "WriteKey",
]
