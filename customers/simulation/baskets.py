"""What is in each order, and what was taken off its price."""

from dataclasses import dataclass

import numpy as np

from customers.simulation.catalogue import Catalogue
from customers.simulation.plan import ONE_TIMER, of_behaviours
from customers.simulation.seasons import DAY_SECONDS, in_sale, month

LINES_MAX = 12
FAVOURITE_SHARE = 0.45  # lines from the customer's favourite category
DEALS = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
DEAL_SHARES = (0.2, 0.3, 0.25, 0.15, 0.1)
COUPONS = ("", "WELCOME10", "SALE15", "THANKS5")
COUPON_PERCENT = np.array([0, 10, 15, 5])
NO_COUPON, WELCOME, SALE, THANKS = range(4)
WELCOME_SHARE = 0.12  # of first orders
THANKS_SHARE = 0.03  # of later orders
STATUSES = ("paid", "refunded", "cancelled")
STATUS_SHARES = (0.985, 0.007, 0.008)
RETURN_SHARE = 0.02  # orders of which one line comes back as a refund of its own
RETURN_DAYS = 9.0  # mean time until then
GUEST = -1


@dataclass(frozen=True)
class Orders:
    """Orders of one chunk and their lines. Money is in the smallest coin.

    Entries a line: ``order`` (index of its order), ``position`` from 1, ``product``, ``quantity``,
    ``price``, ``line_discount`` (of the whole line). Entries a return: ``returned`` (index of its
    line), ``returned_at``. All others have one entry an order.
    """

    customer: np.ndarray  # index in the chunk; GUEST for nobody's
    ordinal: np.ndarray  # the customer's, from 1; a guest's counts the chunk's guests
    moment: np.ndarray
    country: np.ndarray
    coupon: np.ndarray  # index into COUPONS
    discount: np.ndarray
    total: np.ndarray
    status: np.ndarray
    order: np.ndarray
    position: np.ndarray
    product: np.ndarray
    quantity: np.ndarray
    price: np.ndarray
    line_discount: np.ndarray
    returned: np.ndarray
    returned_at: np.ndarray

    @property
    def size(self) -> int:
        return self.customer.size


@dataclass(frozen=True)
class Buyers:
    """Who makes each order: what baskets need to know of them."""

    customer: np.ndarray
    ordinal: np.ndarray
    moment: np.ndarray
    behaviour: np.ndarray
    favourite: np.ndarray
    country: np.ndarray


def guests(
    rng: np.random.Generator, moments: np.ndarray, *, size: int, countries: int, categories: int
) -> Buyers:
    """Orders of people without an account, at moments like those of the others."""
    size = size if moments.size else 0
    return Buyers(
        customer=np.full(size, GUEST),
        ordinal=np.arange(1, size + 1),
        moment=rng.choice(moments, size) if size else np.zeros(0, np.int64),
        behaviour=np.full(size, ONE_TIMER),
        favourite=rng.integers(0, categories, size),
        country=rng.integers(0, countries, size),
    )


def joined(one: Buyers, other: Buyers) -> Buyers:
    """The buyers of both, in this order."""
    return Buyers(
        *(
            np.concatenate((getattr(one, field), getattr(other, field)))
            for field in Buyers.__dataclass_fields__
        )
    )


def orders(
    goods: Catalogue, buyers: Buyers, rng: np.random.Generator, *, end_second: int
) -> Orders:
    """Fill the baskets of ``buyers``; what would come back at ``end_second`` or later has not."""
    size = buyers.customer.size
    sale = in_sale(buyers.moment)
    order, position, product = _products(goods, buyers, rng)
    behaviour = buyers.behaviour[order]
    more = rng.poisson(of_behaviours("more_quantity", behaviour))
    quantity = np.where(product < goods.goods, 1 + more, 1)
    price = goods.price[product]
    line_discount = _deals(rng, behaviour, sale[order], quantity * price)
    line_discount[product >= goods.goods] = 0
    subtotal = np.bincount(order, quantity * price - line_discount, minlength=size)
    coupon = _coupons(rng, buyers, sale)
    discount = np.round(subtotal * COUPON_PERCENT[coupon] / 100).astype(np.int64)
    status = rng.choice(len(STATUSES), size, p=STATUS_SHARES)
    returned, returned_at = _returns(rng, buyers, status, order, end_second)
    return Orders(
        customer=buyers.customer,
        ordinal=buyers.ordinal,
        moment=buyers.moment,
        country=buyers.country,
        coupon=coupon,
        discount=discount,
        total=subtotal.astype(np.int64) - discount,
        status=status,
        order=order,
        position=position,
        product=product,
        quantity=quantity,
        price=price,
        line_discount=line_discount,
        returned=returned,
        returned_at=returned_at,
    )


def _products(
    goods: Catalogue, buyers: Buyers, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    lines = 1 + rng.poisson(of_behaviours("more_lines", buyers.behaviour))
    lines = np.minimum(lines, LINES_MAX)
    wrapped = rng.random(lines.size) < of_behaviours("gift_wrap_share", buyers.behaviour)
    lines += wrapped
    order = np.repeat(np.arange(lines.size), lines)
    last = np.cumsum(lines) - 1
    position = np.arange(order.size) - np.repeat(last - lines + 1, lines) + 1
    favourite = rng.random(order.size) < FAVOURITE_SHARE
    product = goods.choose(
        rng,
        behaviour=buyers.behaviour[order],
        month=month(buyers.moment)[order],
        category=np.where(favourite, buyers.favourite[order], -1),
    )
    product[last[wrapped]] = goods.gift_wrap
    return order, position, product


def _deals(
    rng: np.random.Generator, behaviour: np.ndarray, sale: np.ndarray, gross: np.ndarray
) -> np.ndarray:
    share = np.where(
        sale,
        of_behaviours("deal_share_in_sale", behaviour),
        of_behaviours("deal_share", behaviour),
    )
    off = DEALS[rng.choice(DEALS.size, gross.size, p=DEAL_SHARES)]
    return np.where(rng.random(gross.size) < share, np.round(gross * off), 0).astype(np.int64)


def _coupons(rng: np.random.Generator, buyers: Buyers, sale: np.ndarray) -> np.ndarray:
    drawn = rng.random(sale.size)
    first = buyers.ordinal == 1
    coupon = np.where(first & (drawn < WELCOME_SHARE), WELCOME, NO_COUPON)
    coupon[~first & (drawn < THANKS_SHARE)] = THANKS
    coupon[sale & (drawn < of_behaviours("coupon_share", buyers.behaviour))] = SALE
    return coupon


def _returns(
    rng: np.random.Generator,
    buyers: Buyers,
    status: np.ndarray,
    order: np.ndarray,
    end_second: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The first line of some paid orders of known customers comes back."""
    size = buyers.customer.size
    after = 1 + rng.exponential(RETURN_DAYS, size) * DAY_SECONDS
    moment = buyers.moment + after.astype(np.int64)
    comes_back = (rng.random(size) < RETURN_SHARE) & (status == 0) & (buyers.customer != GUEST)
    comes_back &= moment < end_second
    first_line = np.searchsorted(order, np.arange(size))
    return first_line[comes_back], moment[comes_back]
