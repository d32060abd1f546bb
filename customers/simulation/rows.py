"""The simulated facts as text, in the columns that the import reads."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from customers.simulation.baskets import COUPON_PERCENT, COUPONS, GUEST, STATUSES, Orders
from customers.simulation.browsing import ADDED, CHECKOUT, COMPLETED, EVENT_NAMES, VIEWED, Events
from customers.simulation.catalogue import CATEGORIES, Catalogue
from customers.simulation.people import (
    ACQUIRED_BY,
    COUNTRIES,
    DEVICES,
    NO_TEXT,
    PROOF_NETWORKS,
    WITHDRAWN_TEXT,
    YES_TEXT,
    Consents,
    People,
    emails,
    names,
)
from customers.simulation.plan import Plan, external_ids
from customers.simulation.reviews import Reviews

SLICE_ROWS = 50_000  # rendered at once: bounds the Python strings alive at one time
SHOP_URL = "https://shop.example.com"

HEADERS = {
    "products": "external_id,name,kind,category,brand,price,currency,url,is_available,happened_at",
    "customers": (
        "external_id,email,first_name,last_name,language,time_zone,country,birth_date,happened_at,"
        "acquired_by,device"
    ),
    "consent": "customer_id,channel,topic,is_granted,happened_at,proof_text,proof_url,proof_ip",
    "orders": (
        "order_id,happened_at,customer_id,kind,status,currency,coupon_code,order_discount,country,"
        "position,product_id,title,quantity,unit_price,line_discount"
    ),
    "events": "message_id,customer_id,name,happened_at,properties",
    "reviews": ("external_id,customer_id,product_id,rating,is_recommended,title,text,happened_at"),
}


def times(seconds: np.ndarray) -> list[str]:
    """ISO 8601 in UTC."""
    texts = np.datetime_as_string(np.asarray(seconds, np.int64).astype("datetime64[s]"))
    return [f"{text}Z" for text in texts.tolist()]


def _picked(table: Sequence[str], index: np.ndarray) -> list[str]:
    """``table[i]`` for every i, without making new strings."""
    return np.array(table, dtype=object)[index].tolist()


def _money(minor: np.ndarray) -> list[str]:
    """Amounts with two decimals; each different amount is written once."""
    amounts, index = np.unique(minor, return_inverse=True)
    texts = [f"{each // 100}.{each % 100:02d}" if each else "0" for each in amounts.tolist()]
    return _picked(texts, index)


def _lines(pattern: str, columns: Sequence[Sequence[Any]]) -> str:
    return "".join(map((pattern + "\n").__mod__, zip(*columns, strict=True)))


def _slices(size: int) -> Iterator[slice]:
    for first in range(0, size, SLICE_ROWS):
        yield slice(first, min(first + SLICE_ROWS, size))


def products(plan: Plan, goods: Catalogue) -> str:
    """The catalogue as CSV lines; every product was there when the shop opened."""
    opened = times(np.array([plan.start_second]))[0]
    categories = [*CATEGORIES, "Services"]  # -1 is the last
    columns = (
        goods.external_id,
        goods.name,
        goods.kind,
        _picked(categories, goods.category),
        goods.brand,
        _money(goods.price),
        [plan.currency] * len(goods.name),
        [f"{SHOP_URL}/products/{each}" for each in goods.external_id],
        _picked(("false", "true"), goods.is_available.astype(int)),
        [opened] * len(goods.name),
    )
    return _lines(",".join(["%s"] * len(columns)), columns)


def customers(crowd: People) -> str:
    """Customers as CSV lines; their behaviour stays out."""
    firsts, lasts = names(crowd)
    zones = [zone for each in COUNTRIES.values() for zone in each[2]]
    first_zone = np.cumsum([0, *(len(each[2]) for each in COUNTRIES.values())])
    born = np.where(np.isnat(crowd.birth), "", np.datetime_as_string(crowd.birth))
    columns = (
        external_ids(crowd.number),
        emails(crowd, firsts, lasts),
        firsts,
        lasts,
        _picked([each[1] for each in COUNTRIES.values()], crowd.country),
        _picked(zones, first_zone[crowd.country] + crowd.zone),
        _picked(list(COUNTRIES), crowd.country),
        born.tolist(),
        times(crowd.arrived),
        _picked(ACQUIRED_BY, crowd.acquired),
        _picked(DEVICES, crowd.device),
    )
    return _lines(",".join(["%s"] * len(columns)), columns)


def consent(crowd: People, words: Consents) -> str:
    """Words on e-mail as CSV lines, with their proof."""
    said = np.where(words.is_granted, 0, np.where(words.is_withdrawal, 2, 1))
    networks = _picked(PROOF_NETWORKS, words.network)
    columns = (
        external_ids(crowd.number[words.customer]),
        _picked(("false", "true"), words.is_granted.astype(int)),
        times(words.moment),
        _picked([f'"{text}"' for text in (YES_TEXT, NO_TEXT, WITHDRAWN_TEXT)], said),
        _picked(("sign-up", "sign-up", "preferences"), said),
        [f"{net}.{host}" for net, host in zip(networks, words.host.tolist(), strict=True)],
    )
    return _lines(f"%s,email,marketing,%s,%s,%s,{SHOP_URL}/%s,%s", columns)


def orders(
    plan: Plan, goods: Catalogue, numbers: np.ndarray, bought: Orders, chunk: int = 0
) -> Iterator[str]:
    """Order lines as CSV lines, then the refunds of what came back.

    ``numbers`` are those of the customers that ``bought`` counts from 0.
    """
    heads = _heads(plan, numbers, bought, chunk)
    tails = [f"{key},{name}" for key, name in zip(goods.external_id, goods.name, strict=True)]
    for part in _slices(bought.order.size):
        columns = (
            _picked(heads, bought.order[part]),
            bought.position[part].tolist(),
            _picked(tails, bought.product[part]),
            bought.quantity[part].tolist(),
            _money(bought.price[part]),
            _money(bought.line_discount[part]),
        )
        yield _lines("%s,%s,%s,%s,%s,%s", columns)
    yield _refunds(plan, numbers, bought, chunk, tails)


def order_ids(numbers: np.ndarray, bought: Orders, chunk: int) -> list[str]:
    """``S``, the customer's number and the customer's count; ``G`` and the chunk for a guest."""
    number = np.where(bought.customer == GUEST, chunk, numbers[bought.customer])
    kind = np.where(bought.customer == GUEST, "G", "S")
    return [
        f"{letter}{owner:08d}-{ordinal:03d}"
        for letter, owner, ordinal in zip(
            kind.tolist(), number.tolist(), bought.ordinal.tolist(), strict=True
        )
    ]


def _heads(plan: Plan, numbers: np.ndarray, bought: Orders, chunk: int) -> list[str]:
    """What all lines of an order share, once an order."""
    columns = (
        order_ids(numbers, bought, chunk),
        times(bought.moment),
        _owners(numbers, bought),
        _picked(STATUSES, bought.status),
        _picked(COUPONS, bought.coupon),
        _money(bought.discount),
        _picked(list(COUNTRIES), bought.country),
    )
    return _lines(f"%s,%s,%s,sale,%s,{plan.currency},%s,%s,%s", columns).splitlines()


def _owners(numbers: np.ndarray, bought: Orders) -> list[str]:
    return _picked([*external_ids(numbers), ""], bought.customer)  # GUEST is the last


def _refunds(plan: Plan, numbers: np.ndarray, bought: Orders, chunk: int, tails: list[str]) -> str:
    """One refund a returned line: all of its quantity, at the price that was really paid."""
    line = bought.returned
    order = bought.order[line]
    paid = bought.quantity[line] * bought.price[line] - bought.line_discount[line]
    paid = paid * (100 - COUPON_PERCENT[bought.coupon[order]]) // 100 // bought.quantity[line]
    keys = np.array(order_ids(numbers, bought, chunk), dtype=object)
    columns = (
        keys[order].tolist(),
        times(bought.returned_at),
        _picked(_owners(numbers, bought), order),
        _picked(list(COUNTRIES), bought.country[order]),
        _picked(tails, bought.product[line]),
        (-bought.quantity[line]).tolist(),
        _money(paid),
    )
    return _lines(f"R%s,%s,%s,refund,paid,{plan.currency},,0,%s,1,%s,%s,%s,0", columns)


def events(
    plan: Plan, goods: Catalogue, crowd: People, bought: Orders, seen: Events, chunk: int
) -> Iterator[str]:
    """Events as CSV lines; their properties are a JSON object, its quotes doubled."""
    about = [each.replace('"', '""') for each in _about_products(plan, goods)]
    keys = np.array(external_ids(crowd.number), dtype=object)
    ids = np.array([*order_ids(crowd.number, bought, chunk), ""], dtype=object)
    for part in _slices(seen.size):
        owner = keys[seen.customer[part]].tolist()
        columns = (
            owner,
            seen.ordinal[part].tolist(),
            owner,
            _picked(EVENT_NAMES, seen.name[part]),
            times(seen.moment[part]),
            _properties(plan, seen, part, about, owner, ids[seen.order[part]].tolist()),
        )
        yield _lines('%s-e%04d,%s,%s,%s,"{%s}"', columns)


def _about_products(plan: Plan, goods: Catalogue) -> list[str]:
    categories = [*CATEGORIES, "Services"]
    return [
        f'"product_id":"{key}","category":"{categories[category]}","price":{price},'
        f'"currency":"{plan.currency}"'
        for key, category, price in zip(
            goods.external_id, goods.category.tolist(), _money(goods.price), strict=True
        )
    ]


def _properties(
    plan: Plan, seen: Events, part: slice, about: list[str], owners: list[str], keys: list[str]
) -> list[str]:
    """What each event says of its product, cart or order, as the inside of a JSON object."""
    money = f'"currency":"{plan.currency}"'
    patterns = {
        VIEWED: "{0}",
        ADDED: '{0},"quantity":{1},"cart_id":"{2}-{3}"',
        CHECKOUT: f'"value":{{4}},{money},"cart_id":"{{2}}-{{3}}"',
        COMPLETED: (
            f'"order_id":"{{5}}","total":{{4}},"revenue":{{4}},{money},"cart_id":"{{2}}-{{3}}"'
        ),
    }
    columns = (
        seen.name[part].tolist(),
        _picked([*about, ""], seen.product[part]),
        seen.quantity[part].tolist(),
        owners,
        seen.cart[part].tolist(),
        _money(seen.value[part]),
        keys,
    )
    doubled = {kind: pattern.replace('"', '""') for kind, pattern in patterns.items()}
    return [
        product if kind == VIEWED else doubled[kind].format(product, *more)
        for kind, product, *more in zip(*columns, strict=True)
    ]


def reviews(goods: Catalogue, crowd: People, bought: Orders, written: Reviews, chunk: int) -> str:
    """Reviews as CSV lines."""
    keys = np.array(order_ids(crowd.number, bought, chunk), dtype=object)[written.order]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        zip(
            [f"R{key}" for key in keys.tolist()],
            external_ids(crowd.number[bought.customer[written.order]]),
            _picked(goods.external_id, written.product),
            written.rating.tolist(),
            _picked(("false", "true"), written.is_recommended.astype(int)),
            written.title,
            written.text,
            times(written.moment),
            strict=True,
        )
    )
    return text.getvalue()
