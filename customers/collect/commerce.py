"""Read e-commerce events (the Segment specification, v2) into orders, products and reviews.  Pure.

Money of an order is what the shop earned with it: ``revenue``, which is after discounts and without
shipping and tax; else ``subtotal``; else ``total`` less shipping and tax; else what its lines say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from customers.collect.messages import Message

CENT = Decimal("0.0001")  # numeric(14, 4)
AMOUNT_MOST = Decimal(10) ** 10
ID_MOST = 120
QUANTITY_MOST = 2**31 - 1
CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)
DECIMAL_COMMA = re.compile(r"-?\d+,\d{1,2}", re.ASCII)
# Names of the first version of the specification.
NAMES_BEFORE = {
    "Viewed Product Category": "Product List Viewed",
    "Viewed Promotion": "Promotion Viewed",
    "Clicked Promotion": "Promotion Clicked",
    "Clicked Product": "Product Clicked",
    "Viewed Product": "Product Viewed",
    "Added Product": "Product Added",
    "Removed Product": "Product Removed",
    "Started Order": "Checkout Started",
    "Viewed Checkout Step": "Checkout Step Viewed",
    "Completed Checkout Step": "Checkout Step Completed",
    "Completed Order": "Order Completed",
    "Updated Order": "Order Updated",
    "Refunded Order": "Order Refunded",
    "Cancelled Order": "Order Cancelled",
}
PRODUCT_EVENTS = {
    "Product Clicked", "Product Viewed", "Product Added", "Product Removed", "Product Shared",
    "Product Added to Wishlist", "Product Removed from Wishlist", "Wishlist Product Added to Cart",
    "Product Reviewed",
}  # fmt: skip
LIST_EVENTS = {
    "Product List Viewed", "Product List Filtered", "Cart Viewed", "Checkout Started",
    "Order Completed", "Order Updated", "Order Refunded", "Order Cancelled", "Cart Shared",
}  # fmt: skip
ORDER_EVENTS = {
    "Order Completed": "completed",
    "Order Updated": "updated",
    "Order Refunded": "refunded",
    "Order Cancelled": "cancelled",
}
# Properties that are numbers whatever the event; a text that spells one becomes one.
NUMBERS = (
    "revenue", "value", "price", "quantity", "total", "subtotal", "shipping", "tax", "discount",
)  # fmt: skip
NUMBER_WORDS = frozenset(NUMBERS)
CAREFUL_EVENTS = LIST_EVENTS | {"Product Reviewed"}
OF_A_PRODUCT = (
    "product_id", "sku", "name", "category", "brand", "url", "image_url", "price", "variant",
)  # fmt: skip
OF_AN_ORDER = ("affiliation", "checkout_id", "shipping", "tax", "subtotal", "payment_method")


@dataclass(slots=True)
class LineTold:
    """One position of an order."""

    product_id: str
    title: str
    quantity: int
    unit_price: Decimal


@dataclass(slots=True)
class OrderTold:
    """What one event says of an order; ``amount`` is its money, None where none is told.

    Of a refund ``amount`` is what was paid back, None for all of it.
    """

    said: str  # completed, updated, refunded or cancelled
    external_id: str
    currency: str
    amount: Decimal | None
    discount: Decimal | None
    coupon_code: str
    properties: dict[str, Any]
    lines: list[LineTold] | None  # None: not told
    happened_at: datetime


@dataclass(slots=True)
class ProductTold:
    """What an event says of a product, on the way.  Shared: never change one."""

    external_id: str
    name: str = ""
    category: str = ""
    brand: str = ""
    price: Decimal | None = None
    currency: str = ""
    url: str = ""
    image_url: str = ""
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ReviewTold:
    """A review; ``rating`` is None where none of 1 to 5 is told."""

    external_id: str
    product_id: str
    rating: int | None
    title: str
    text: str


def is_plain(name: str, said: dict[str, Any]) -> bool:
    """Whether `read` would add nothing to an event but the one product it is about."""
    if name in CAREFUL_EVENTS:
        return False
    return all(type(said[word]) is not str for word in NUMBER_WORDS.intersection(said))


def product(name: str, said: dict[str, Any]) -> ProductTold | None:
    """The product that a plain event is about."""
    return _product(said, said) if name in PRODUCT_EVENTS else None


def read(message: Message, *, currency: str) -> None:
    """Add to a track message the order, products and review that it tells of."""
    said, name = message.properties, message.name
    for word in NUMBERS:
        if isinstance(said.get(word), str):
            found = number(said[word])
            if found is not None:
                said[word] = _plain(found)
    if name in PRODUCT_EVENTS:
        product = _product(said, said)
        if product is not None:
            message.products.append(product)
        if name == "Product Reviewed":
            message.review = _review(message, said)
    elif name in LIST_EVENTS:
        for item in _items(said):
            product = _product(item, said)
            if product is not None:
                message.products.append(product)
        if name in ORDER_EVENTS:
            message.order = _order(message, said, currency)


def number(told: Any) -> Decimal | None:
    """A number as shops spell it; None where it is none.

    Examples
    --------
    >>> number("1,234.50"), number(" 12.5 "), number("12,50"), number(3), number("free")
    (Decimal('1234.50'), Decimal('12.5'), Decimal('12.50'), Decimal('3'), None)
    """
    if isinstance(told, bool) or told is None:
        return None
    if isinstance(told, str):
        told = told.strip()
        if THOUSANDS.fullmatch(told):
            told = told.replace(",", "")
        elif DECIMAL_COMMA.fullmatch(told):
            told = told.replace(",", ".")
    elif not isinstance(told, int | float):
        return None
    try:
        found = Decimal(str(told))
    except (InvalidOperation, ValueError):
        return None
    return found if found.is_finite() else None


def amount(told: Any) -> Decimal | None:
    """Money that fits its column, to four digits after the point."""
    found = number(told)
    if found is None or abs(found) >= AMOUNT_MOST:
        return None
    return found.quantize(CENT, ROUND_HALF_EVEN)


def earned(said: dict[str, Any], lines: list[LineTold] | None) -> Decimal | None:
    """The money of an order; see the module's first lines."""
    for word in ("revenue", "subtotal"):
        found = amount(said.get(word))
        if found is not None:
            return found
    total = amount(said.get("total"))
    if total is not None:
        return total - (amount(said.get("shipping")) or 0) - (amount(said.get("tax")) or 0)
    if lines:
        goods = sum((line.quantity * line.unit_price for line in lines), Decimal(0))
        return goods - (amount(said.get("discount")) or 0)
    return amount(said.get("value"))


def _plain(found: Decimal) -> int | float:
    return int(found) if found == found.to_integral_value() else float(found)


def _items(said: dict[str, Any]) -> list[dict[str, Any]]:
    found = said.get("products")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _text(said: dict[str, Any], name: str, most: int) -> str:
    found = said.get(name)
    if found is None or isinstance(found, bool | dict | list):
        return ""
    return str(found).strip()[:most]


def product_id(said: dict[str, Any]) -> str:
    """What a product is known by: the shop's id of it, else its stock-keeping unit."""
    return _text(said, "product_id", ID_MOST) or _text(said, "sku", ID_MOST)


def _product(said: dict[str, Any], event: dict[str, Any]) -> ProductTold | None:
    given = (*map(said.get, OF_A_PRODUCT), event.get("currency"))
    try:
        return _told(*given)
    except TypeError:  # a list or an object among them
        return _told.__wrapped__(*given)


@lru_cache(maxsize=2_000, typed=True)  # the same products are looked at again and again
def _told(*given: Any) -> ProductTold | None:
    said = dict(zip(OF_A_PRODUCT, given[:-1], strict=True))
    external_id = product_id(said)
    if not external_id:
        return None
    found = ProductTold(
        external_id,
        name=_text(said, "name", 300),
        category=_text(said, "category", 120),
        brand=_text(said, "brand", 120),
        url=_address(said.get("url")),
        image_url=_address(said.get("image_url")),
    )
    price = amount(said.get("price"))
    if price is not None and price >= 0:
        found.price = price
        found.currency = _currency(given[-1])
    for word in ("sku", "variant"):
        if said.get(word) and not isinstance(said[word], dict | list):
            found.properties[word] = said[word]
    return found


def _address(told: Any) -> str:
    fits = isinstance(told, str) and told.startswith(("http://", "https://")) and len(told) <= 500
    return told if fits else ""


def _currency(told: Any) -> str:
    found = told.strip().upper() if isinstance(told, str) else ""
    return found if CURRENCY.fullmatch(found) else ""


def _order(message: Message, said: dict[str, Any], currency: str) -> OrderTold | None:
    external_id = _text(said, "order_id", ID_MOST + 1)
    if not external_id or len(external_id) > ID_MOST:
        found = f"has more than {ID_MOST} characters" if external_id else "has no value"
        _fault(message, "order", f"order_id {found}; expected 1 to {ID_MOST} characters.")
        return None
    if said.get("currency") and not _currency(said["currency"]):
        told = str(said["currency"])[:40]
        _fault(message, "order", f"currency is {told!r}; expected a code like EUR.")
        return None
    kind = ORDER_EVENTS[message.name]
    lines = _lines(message, said) if "products" in said else None
    money = None if kind == "cancelled" else _money(kind, said, lines)
    if kind == "completed" and money is None:
        _fault(
            message,
            "order",
            "revenue, subtotal, total and products tell no amount; expected one of them.",
        )
        return None
    return OrderTold(
        said=kind,
        external_id=external_id,
        currency=_currency(said.get("currency")) or ("" if kind != "completed" else currency),
        amount=money,
        discount=amount(said.get("discount")),
        coupon_code=_text(said, "coupon", 60),
        properties={word: said[word] for word in OF_AN_ORDER if said.get(word) is not None},
        lines=lines if kind in ("completed", "updated") else None,
        happened_at=message.happened_at,
    )


def _money(kind: str, said: dict[str, Any], lines: list[LineTold] | None) -> Decimal | None:
    if kind == "refunded" and not lines:  # all of it, unless it says how much
        found = earned({word: said.get(word) for word in NUMBERS if word != "value"}, None)
        return None if found is None else abs(found)
    found = earned(said, lines)
    return abs(found) if kind == "refunded" and found is not None else found


def _lines(message: Message, said: dict[str, Any]) -> list[LineTold]:
    lines = []
    for place, item in enumerate(_items(said), start=1):
        external_id = product_id(item)
        quantity = number(item.get("quantity", 1))
        price = amount(item.get("price", 0))
        if not external_id:
            fault = "product_id and sku have no value"
        elif quantity is None or quantity % 1 or abs(quantity) > QUANTITY_MOST:
            fault = f"quantity is {str(item.get('quantity'))[:40]!r}, no whole number"
        elif price is None:
            fault = f"price is {str(item.get('price'))[:40]!r}, no number"
        else:
            title = _text(item, "name", 300)
            lines.append(LineTold(external_id, title, int(quantity), price))
            continue
        _fault(message, "order", f"Product {place} was left out: {fault}.")
    return lines


def _review(message: Message, said: dict[str, Any]) -> ReviewTold | None:
    rating = None
    told = said.get("rating")
    if told not in (None, ""):
        found = number(str(told).split("/")[0])
        if found is not None and 1 <= found <= 5:
            rating = int(found.to_integral_value())
        else:
            _fault(message, "review", f"rating is {str(told)[:40]!r}; expected 1 to 5.")
    return ReviewTold(
        external_id=_text(said, "review_id", ID_MOST) or message.message_id,
        product_id=product_id(said),
        rating=rating,
        title=_text(said, "review_title", 300),
        text=_text(said, "review_body", 20_000),
    )


def _fault(message: Message, part: str, reason: str) -> None:
    message.faults.append((part, reason))
