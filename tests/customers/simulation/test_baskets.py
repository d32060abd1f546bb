"""What orders hold, and what was taken off their price."""

import numpy as np

from customers.simulation.baskets import GUEST, RETURN_SHARE
from customers.simulation.catalogue import CATEGORIES, PRODUCTS
from customers.simulation.plan import BARGAIN, BEHAVIOURS, BIG, GIFT, LOYAL
from customers.simulation.seasons import in_sale, month
from tests.customers.simulation.conftest import Z_LIMIT


def of_lines(chunk):
    bought = chunk.bought
    known = bought.customer[bought.order] != GUEST
    kind = np.where(known, chunk.crowd.behaviour[bought.customer[bought.order]], -1)
    return bought, kind, bought.product < PRODUCTS


def test_bargain_hunters_pay_a_reduced_price_as_often_as_they_should(chunk):
    bought, kind, is_goods = of_lines(chunk)
    sale = in_sale(bought.moment)[bought.order]
    for index, behaviour in enumerate(BEHAVIOURS):
        mine = (kind == index) & is_goods
        chance = np.where(sale, behaviour.deal_share_in_sale, behaviour.deal_share)[mine]
        reduced = (bought.line_discount[mine] > 0).sum()
        error = np.sqrt((chance * (1 - chance)).sum())
        assert abs(reduced - chance.sum()) < Z_LIMIT * error

    def reduced_share(index):
        mine = kind == index
        off, gross = bought.line_discount[mine], (bought.quantity * bought.price)[mine]
        return off.sum() / gross.sum()

    assert reduced_share(BARGAIN) > 0.2 > 2 * reduced_share(LOYAL)


def test_an_order_is_worth_its_lines_less_its_discount(chunk):
    bought = chunk.bought
    worth = np.bincount(
        bought.order, bought.quantity * bought.price - bought.line_discount, bought.size
    )

    assert (bought.total == worth - bought.discount).all()
    assert (bought.total > 0).all()
    assert ((bought.discount > 0) <= (bought.coupon > 0)).all()


def test_big_spenders_spend_much_more_an_order(chunk):
    bought = chunk.bought
    kind = np.where(bought.customer == GUEST, -1, chunk.crowd.behaviour[bought.customer])

    assert bought.total[kind == BIG].mean() > 3 * bought.total[kind == LOYAL].mean()
    assert bought.total[kind == BARGAIN].mean() < bought.total[kind == LOYAL].mean()


def test_gift_buyers_have_their_presents_wrapped(chunk, shop):
    bought = chunk.bought
    wrapped = np.zeros(bought.size, bool)
    wrapped[bought.order[bought.product == shop.goods.gift_wrap]] = True
    mine = chunk.crowd.behaviour[bought.customer] == GIFT
    mine &= bought.customer != GUEST

    share = BEHAVIOURS[GIFT].gift_wrap_share
    error = np.sqrt(share * (1 - share) / mine.sum())
    assert abs(wrapped[mine].mean() - share) < Z_LIMIT * error


def test_garden_goods_sell_in_spring(chunk, shop):
    bought = chunk.bought
    category = shop.goods.category[bought.product]
    is_garden = category == list(CATEGORIES).index("Garden")
    by_month = month(bought.moment)[bought.order]

    spring, winter = np.isin(by_month, [3, 4, 5]), np.isin(by_month, [10, 11, 0])
    # Lines from a favourite category know no season, so the months differ by less than 2 to 0.2.
    assert is_garden[spring].mean() > 1.7 * is_garden[winter].mean()


def test_positions_count_from_one_within_each_order(chunk):
    bought = chunk.bought
    starts = np.flatnonzero(np.append(True, bought.order[1:] != bought.order[:-1]))

    assert (bought.position[starts] == 1).all()
    assert (np.diff(bought.position)[np.diff(bought.order) == 0] == 1).all()
    assert np.unique(bought.order).size == bought.size


def test_some_goods_come_back_once_and_later(chunk, shop):
    bought = chunk.bought
    order = bought.order[bought.returned]

    assert 0.7 * RETURN_SHARE < order.size / bought.size < RETURN_SHARE
    assert (bought.returned_at > bought.moment[order]).all()
    assert (bought.returned_at < shop.plan.end_second).all()
    assert (bought.status[order] == 0).all()
    assert np.unique(order).size == order.size
