"""Which column of a file means which of our fields: what is expected, and a first guess."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rapport.errors import DomainError


@dataclass(frozen=True)
class Field:
    """One field of an import: its name and what it means."""

    name: str
    meaning: str
    is_required: bool = False


class MappingRefused(DomainError):
    """Columns and fields that do not fit; the message names all faults at once."""

    code = "mapping_refused"


_WHO = Field("customer_id", "the shop's number of the customer")
_WHEN = Field("happened_at", "when it happened, ISO 8601; without a zone UTC", True)
_CURRENCY = Field("currency", "currency, three letters")

FIELDS: dict[str, tuple[Field, ...]] = {
    "customers": (
        Field("external_id", "the shop's number of the customer", True),
        Field("email", "e-mail address"),
        Field("phone", "phone number, +33…"),
        Field("first_name", "first name"),
        Field("last_name", "last name"),
        Field("language", "language, such as en or pt-BR"),
        Field("time_zone", "time zone, such as Europe/Paris"),
        Field("country", "country, two letters"),
        Field("birth_date", "birthday, YYYY-MM-DD"),
        Field("happened_at", "when the shop first knew them"),
    ),
    "products": (
        Field("external_id", "the shop's number of the product", True),
        Field("name", "name"),
        Field("kind", "goods, service or adjustment"),
        Field("category", "category"),
        Field("brand", "brand"),
        Field("price", "price"),
        _CURRENCY,
        Field("url", "address of its page"),
        Field("image_url", "address of its picture"),
        Field("is_available", "true or false"),
        Field("happened_at", "since when it is sold"),
    ),
    "orders": (
        Field("order_id", "number of the order; one row a line", True),
        _WHEN,
        _WHO,
        Field("kind", "sale, refund or adjustment"),
        Field("status", "paid, refunded or cancelled"),
        Field("currency", "currency, three letters", True),
        Field("coupon_code", "coupon"),
        Field("order_discount", "discount of the whole order"),
        Field("country", "country of delivery, two letters"),
        Field("position", "line of the order, from 1"),
        Field("product_id", "the shop's number of the product", True),
        Field("title", "name of the product on the order"),
        Field("quantity", "how many", True),
        Field("unit_price", "price of one", True),
        Field("line_discount", "discount of the line"),
    ),
    "events": (
        Field("message_id", "the source's number of the event"),
        _WHO,
        Field("anonymous_id", "browser or device"),
        Field("name", "what happened", True),
        _WHEN,
        Field("properties", "details, as a JSON object"),
    ),
    "reviews": (
        Field("external_id", "the source's number of the review", True),
        _WHO,
        Field("product_id", "the shop's number of the product"),
        Field("rating", "1 to 5 stars"),
        Field("is_recommended", "true or false"),
        Field("title", "headline"),
        Field("text", "what was written"),
        _WHEN,
    ),
    "consent": (
        _WHO,
        Field("email", "e-mail address, where there is no number"),
        Field("channel", "email, sms, push or in_app", True),
        Field("topic", "topic; marketing where it is empty"),
        Field("is_granted", "true or false", True),
        _WHEN,
        Field("proof_text", "what they agreed to, word for word"),
        Field("proof_url", "where they agreed"),
        Field("proof_ip", "IP address they agreed from"),
    ),
}

# Other names that columns go by in shops' exports, for any kind; compared without case or signs.
ALSO: dict[str, str] = {
    "anonymous_id": "visitor_id session_id device_id",
    "birth_date": "birthday date_of_birth dob",
    "brand": "vendor manufacturer",
    "category": "product_type department",
    "country": "country_code shipping_country",
    "coupon_code": "coupon discount_code voucher",
    "currency": "currency_code",
    "customer_id": "customer client_id user_id",
    "email": "mail email_address customer_email",
    "external_id": "id customer_id product_id review_id sku number code",
    "first_name": "given_name forename",
    "happened_at": "date time timestamp created_at created order_date invoice_date registered_at",
    "image_url": "image image_link picture",
    "is_available": "available in_stock",
    "is_granted": "granted consent subscribed opt_in",
    "is_recommended": "recommended",
    "kind": "type",
    "language": "lang locale",
    "last_name": "family_name surname",
    "line_discount": "discount",
    "message_id": "event_id id",
    "name": "title event event_name event_type product_name description",
    "order_id": "order order_number invoice invoice_no invoice_number",
    "phone": "mobile telephone phone_number",
    "position": "line line_number",
    "price": "unit_price list_price",
    "product_id": "product sku stock_code item item_id",
    "proof_ip": "ip ip_address",
    "proof_text": "proof wording",
    "proof_url": "page source_url",
    "properties": "data attributes",
    "quantity": "qty units amount",
    "rating": "stars score",
    "status": "state financial_status",
    "text": "body comment review review_text",
    "time_zone": "timezone tz",
    "title": "description name product_name item_name headline subject",
    "topic": "purpose list",
    "unit_price": "price item_price",
    "url": "link",
}


def guess(kind: str, columns: Iterable[str]) -> dict[str, str]:
    """Column -> field for each column whose name says what it is; a field is guessed once."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    columns = list(columns)
    for is_exact in (True, False):  # a column of the very name goes before a synonym
        for field in FIELDS[kind]:
            names = [field.name] if is_exact else ALSO.get(field.name, "").split()
            plain = {_plain(name) for name in names}
            for column in columns:
                if field.name not in taken and column not in found and _plain(column) in plain:
                    found[column] = field.name
                    taken.add(field.name)
    return found


def check(kind: str, mapping: Mapping[str, str]) -> None:
    """Refuse a mapping that leaves a required field out or gives one field two columns."""
    known = {field.name: field for field in FIELDS[kind]}
    chosen = list(mapping.values())
    faults = [
        f"{name} ({field.meaning}) needs a column"
        for name, field in known.items()
        if field.is_required and name not in chosen
    ]
    faults += [f"{name} is given by {chosen.count(name)} columns, expected one"
               for name in known if chosen.count(name) > 1]  # fmt: skip
    faults += [f"{name} is not a field of {kind}" for name in chosen if name not in known]
    if kind == "consent" and not {"customer_id", "email"} & set(chosen):
        faults.append("customer_id or email needs a column")
    if faults:
        raise MappingRefused("; ".join(faults) + ".")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
