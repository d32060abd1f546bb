"""Which column of a file means which of our fields: what is expected, and a first guess."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from customers.collect.json_rows import LINE_FIELDS
from customers.services.importing.layout import PRESETS
from customers.services.importing.shapes import KINDS
from rapport.errors import DomainError

OURS = ("recorded_at", "product_kind")  # for our own files; nobody is asked for them


class MappingRefused(DomainError):
    """Columns and fields that do not fit; the message names all faults at once."""

    code = "mapping_refused"


@dataclass(frozen=True)
class Field:
    """One field of an import as the mapping page shows it."""

    name: str
    meaning: str
    is_required: bool


MEANINGS: dict[str, str] = {
    "anonymous_id": "browser or device",
    "birth_date": "birthday",
    "channel": "email, sms, push or in_app",
    "country": "country",
    "coupon_code": "coupon",
    "currency": "currency",
    "customer_id": "the shop's number of the customer",
    "email": "e-mail address",
    "external_id": "the shop's own number of it",
    "happened_at": "when it happened",
    "image_url": "address of its picture",
    "is_available": "whether it is on sale",
    "is_granted": "whether they said yes",
    "is_recommended": "whether they recommend it",
    "kind": "what kind it is",
    "language": "language",
    "line_discount": "discount of the whole line",
    "message_id": "the source's number of the event",
    "order_discount": "discount of the whole order",
    "order_id": "number of the order; one row a line",
    "phone": "phone",
    "position": "line of the order",
    "price": "price",
    "product_id": "the shop's number of the product",
    "proof_ip": "where they agreed from",
    "proof_text": "what they agreed to, word for word",
    "proof_url": "where they agreed",
    "properties": "details",
    "quantity": "how many",
    "rating": "stars",
    "status": "state of the order",
    "time_zone": "time zone",
    "topic": "topic; empty means marketing",
    "traits": "details",
    "unit_price": "price of one",
    "url": "address of its page",
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


def fields(kind: str) -> tuple[Field, ...]:
    """The fields of one kind of import, the required ones first."""
    return tuple(
        Field(column.name, _meaning(column.name, column.type.meaning), column.required)
        for column in KINDS[kind].columns
        if column.name not in OURS
    )


def guess(kind: str, columns: Iterable[str]) -> dict[str, str]:
    """Column -> field for each column whose name says what it is; a field is guessed once."""
    found: dict[str, str] = {}
    columns = list(columns)
    for is_exact in (True, False):  # a column of the very name goes before a synonym
        for name in KINDS[kind].names:
            names = [name] if is_exact else ALSO.get(name, "").split()
            plain = {_plain(other) for other in names}
            for column in columns:
                is_free = column not in found and name not in found.values()
                if is_free and _plain(column) in plain:
                    found[column] = name
    return found


def preset(kind: str, columns: Iterable[str]) -> str:
    """The name of the known export whose columns these are, or nothing."""
    found = {column.lower() for column in columns}
    for known in PRESETS.values():
        if known.kind == kind and {column.lower() for column in known.columns} <= found:
            return known.name
    return ""


def missing(kind: str, chosen: Mapping[str, str], *, is_nested: bool = False) -> list[str]:
    """The required fields that no column gives, in words.

    Where records nest their lines (``is_nested``), the lines have names of their own.
    """
    nested = set(LINE_FIELDS) if is_nested else set()
    lacking = KINDS[kind].missing(set(chosen.values()) | nested)
    return [f"{name} ({MEANINGS[name]})" if name in MEANINGS else name for name in lacking]


def check(kind: str, chosen: Mapping[str, str], *, is_nested: bool = False) -> None:
    """Refuse a mapping that leaves a required field out or gives one field two columns."""
    given = [field for field in chosen.values() if field]
    faults = [f"{field} needs a column" for field in missing(kind, chosen, is_nested=is_nested)]
    for name in dict.fromkeys(given):
        if name not in KINDS[kind].names:
            faults.append(f"{name} is not a field of {kind}")
        elif given.count(name) > 1:
            faults.append(f"{name} is given by {given.count(name)} columns, expected one")
    if faults:
        raise MappingRefused("; ".join(faults) + ".")


def _meaning(name: str, spelt: str) -> str:
    means = MEANINGS.get(name, "")
    if means and spelt.startswith("a text of"):
        return means
    return f"{means}, {spelt}" if means else spelt


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
