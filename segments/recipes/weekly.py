"""Orders and units of whole weeks, for the shop, its categories and the products it sells most."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from customers.features.facts import Facts
from customers.features.seen import DAY, microseconds

SHOP, CATEGORY, PRODUCT = LEVELS = ("shop", "category", "product")
PRODUCTS = 100  # forecast singly, those of which most is sold
SHARE_WEEKS = 26  # what products, and orders for each unit, are of their category
LEAST_SALE_WEEKS = 13  # of those weeks, for a product to be forecast singly
SHARE_HALF_LIFE_WEEKS = 3.0
EPOCH = date(1969, 12, 29)  # a Monday


@dataclass(frozen=True)
class Weeks:
    """Weekly sums, one row a whole week.

    Attributes
    ----------
    units : DataFrame of shape (n_weeks, n_series)
        Columns (level, subject): the shop, every category, and the products forecast singly.
    orders : DataFrame of shape (n_weeks, 1)
        Of the whole shop.
    category_of : dict
        The category of each product in ``units``.
    orders_per_unit : Series
        For each column of ``units``, over the last weeks: orders that hold any of it.
    """

    units: pd.DataFrame
    orders: pd.DataFrame
    category_of: dict[str, str]
    orders_per_unit: pd.Series

    @property
    def n(self) -> int:
        return len(self.units)

    def until(self, week: int) -> "Weeks":
        """The first so many weeks."""
        return Weeks(
            self.units.iloc[:week], self.orders.iloc[:week], self.category_of, self.orders_per_unit
        )


def weeks(facts: Facts, as_of: datetime) -> Weeks:
    """Everything that was known and over by the last Monday before ``as_of``."""
    now = microseconds(as_of)
    bought, lines = facts.purchases, facts.lines
    sold, placed = lines.known(now), bought.known(now)
    end = int(_week(np.array([now]))[0])
    start = int(_week(bought.placed[placed]).min()) + 1 if placed.any() else end  # its first whole
    n = max(end - start, 0)
    week = _week(bought.placed) - start
    here = placed & (week >= 0) & (week < n)
    orders = np.bincount(week[here], minlength=n).astype(float)
    week = _week(lines.placed) - start
    here = sold & (week >= 0) & (week < n)
    week, item, units = week[here], lines.product[here], lines.quantity[here].astype(float)
    names, category = _categories(facts, item)
    shop = np.bincount(week, weights=units, minlength=n)
    columns = {(SHOP, ""): shop}
    for place, name in enumerate(names):
        mine = category == place
        columns[CATEGORY, name] = np.bincount(week[mine], weights=units[mine], minlength=n)
    category_of = {}
    for product in _sold_most(week, item, units, n):
        mine = item == product
        columns[PRODUCT, str(product)] = np.bincount(week[mine], weights=units[mine], minlength=n)
        category_of[str(product)] = names[category[mine.argmax()]]
    index = pd.Index([EPOCH + timedelta(weeks=start + each) for each in range(n)], name="week")
    found = pd.DataFrame(columns, index=index)
    found.columns = pd.MultiIndex.from_tuples(list(columns), names=["level", "subject"])
    whose = (lines.customer[here], lines.placed[here])
    ratio = _orders_per_unit(found, week, item, category, names, whose, n)
    shop_orders = pd.DataFrame({(SHOP, ""): orders}, index=index)
    return Weeks(found, shop_orders, category_of, ratio)


def summed(weeks: Weeks, found: pd.DataFrame) -> pd.DataFrame:
    """Forecasts of units that add up: products to no more than categories, these to the shop.

    From above: the shop's own forecast is split by those of the categories, and a category's
    among its products by what they were of it lately.
    """
    shop = found[SHOP, ""]
    names = [name for level, name in keys(weeks.units) if level == CATEGORY]
    parts = pd.DataFrame({name: found[CATEGORY, name] for name in names})
    total = parts.sum(axis=1)
    even = parts.mul(0).add(1 / max(parts.shape[1], 1))
    share = parts.div(total.where(total > 0), axis=0).fillna(even)
    columns: dict[tuple[str, str], pd.Series] = {(SHOP, ""): shop}
    for name in names:
        columns[CATEGORY, name] = shop * share[name]
    past = weeks.units.tail(SHARE_WEEKS)
    weight = 0.5 ** (np.arange(len(past))[::-1] / SHARE_HALF_LIFE_WEEKS)
    lately = past.mul(weight, axis=0).sum()
    for product, name in weeks.category_of.items():
        of = lately[CATEGORY, name]
        part = lately[PRODUCT, product] / of if of > 0 else 0.0
        columns[PRODUCT, product] = columns[CATEGORY, name] * part
    result = pd.DataFrame(columns)
    result.columns = pd.MultiIndex.from_tuples(list(columns), names=["level", "subject"])
    return result[weeks.units.columns]


def keys(units: pd.DataFrame) -> list[tuple[str, str]]:
    """Level and subject of each column."""
    return [(str(key[0]), str(key[1])) for key in units.columns.to_list()]


def _week(placed: np.ndarray) -> np.ndarray:
    return (placed // DAY + 3) // 7


def _categories(facts: Facts, item: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names of the categories sold, and each line's place among them."""
    goods = facts.goods
    place = np.zeros(item.size, dtype=np.int64)
    if goods.product_id.size:
        found = np.minimum(np.searchsorted(goods.product_id, item), goods.product_id.size - 1)
        known = goods.product_id[found] == item
        place = np.where(known, goods.category[found], 0).astype(np.int64)
    names = goods.categories or ("",)
    if not item.size:
        return [names[0]], place
    sold, place = np.unique(place, return_inverse=True)
    return [names[each] for each in sold], place


def _sold_most(week: np.ndarray, item: np.ndarray, units: np.ndarray, n: int) -> list[int]:
    lately = week >= n - SHARE_WEEKS
    rows = pd.DataFrame({"item": item[lately], "week": week[lately], "units": units[lately]})
    found = rows.groupby("item").agg(units=("units", "sum"), weeks=("week", "nunique"))
    enough = found[found["weeks"] >= LEAST_SALE_WEEKS]
    ranked = enough.sort_values("units", ascending=False, kind="stable")
    return ranked.index[:PRODUCTS].tolist()


def _orders_per_unit(
    units: pd.DataFrame, week: np.ndarray, item: np.ndarray, category: np.ndarray,
    names: list[str], whose: tuple[np.ndarray, np.ndarray], n: int,
) -> pd.Series:  # fmt: skip
    lately = week >= n - SHARE_WEEKS
    rows = pd.DataFrame({"customer": whose[0][lately], "placed": whose[1][lately],
                         "item": item[lately], "category": category[lately]})  # fmt: skip
    order = ["customer", "placed"]
    categories = rows[[*order, "category"]].drop_duplicates()["category"].to_numpy()
    items = rows[[*order, "item"]].drop_duplicates()["item"].to_numpy()
    counted = Counter([(SHOP, "")] * len(rows[order].drop_duplicates()))
    counted.update((CATEGORY, names[place]) for place in categories.tolist())
    counted.update((PRODUCT, str(each)) for each in items.tolist())
    sums = units.tail(SHARE_WEEKS).sum()
    found = [float(counted[str(level), str(subject)]) for level, subject in keys(units)]
    orders = pd.Series(found, index=units.columns)
    return (orders / sums.where(sums > 0)).fillna(0.0)
