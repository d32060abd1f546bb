"""All methods are weighed alike, little data gives a sentence, and pictures show what is there."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from customers.features.facts import Facts, facts
from segments.estimators.clusters import NOISE, LogKMeans, match
from segments.estimators.clusters_density import LogHDBSCAN
from segments.estimators.clusters_split import SplitClusters
from segments.estimators.columns import UnusableTable
from segments.recipes import group_pictures, groups
from segments.recipes.group_choice import METHODS, Past, eta_squared, weighed
from tests.segments.estimators.test_clusters import COLUMNS, planted

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BY_NAME = {method.name: method for method in METHODS}


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def bought(customers: int, orders: int = 3, *, amount: float | None = None, kind="sale") -> Facts:
    """Customers who bought on days of their own; at one price where ``amount`` is given."""
    rng = np.random.default_rng(0)
    n = customers * orders
    placed = pd.Timestamp(NOW) - pd.to_timedelta(rng.uniform(1, 400, n), unit="D")
    frame = pd.DataFrame(
        {
            "customer_id": np.repeat(np.arange(customers), orders),
            "order_id": np.arange(n),
            "placed_at": placed.as_unit("us"),
            "recorded_at": placed.as_unit("us"),
            "amount": rng.lognormal(3, 1, n) if amount is None else amount,
            "discount": 0.0,
            "kind": kind,
        }
    )
    return facts(frame)


THIN = {
    "no history": lambda: bought(0),
    "one order": lambda: bought(1, 1),
    "30 customers": lambda: bought(30),
    "refunds only": lambda: bought(300, kind="refund", amount=-5.0),
    "everything given back": lambda: bought(300, kind="refunded", amount=5.0),
    "one price, once each": lambda: bought(300, 1, amount=10.0),
}


@pytest.mark.parametrize("shop", THIN.values(), ids=THIN)
def test_little_data_gives_a_sentence_or_clusters_and_no_traceback(shop):
    judged = groups.train(shop(), NOW)

    assert judged.is_fallback == (judged.estimator is None)
    assert judged.summary.endswith(".")
    if judged.is_fallback:
        assert "clusters need" in judged.summary
        assert judged.card["missing"]


def test_equal_customers_are_no_groups():
    placed = pd.Series([pd.Timestamp(NOW) - pd.Timedelta(days=30)] * 300).dt.as_unit("us")
    same = pd.DataFrame(
        {
            "customer_id": np.arange(300), "order_id": np.arange(300), "placed_at": placed,
            "recorded_at": placed, "amount": 10.0, "discount": 0.0, "kind": "sale",
        }
    )  # fmt: skip
    judged = groups.train(facts(same), NOW)

    assert judged.is_fallback and "customers who differ" in judged.summary


@pytest.mark.parametrize("name", BY_NAME)
def test_every_method_is_weighed_by_the_same_figures(name):
    table, true = planted(900)
    ordered = (true == 0).astype(float)  # one group orders, the others do not
    past = Past(table, ordered, ordered * 100)
    found = weighed(BY_NAME[name], 4, table, past, COLUMNS, seed=0)

    assert found.method == name
    assert found.k == 4
    assert found.stability.value > 0.9
    assert found.gap > 0.1
    assert found.worth > (0.95 if found.noise_share == 0 else 0.8)
    assert found.worth_revenue == pytest.approx(found.worth, abs=0.01)
    assert 0.05 < found.least_share <= 0.12
    assert found.noise_share < 0.15


def test_a_method_that_finds_nothing_says_so_and_the_others_go_on():
    blob = pd.DataFrame(np.random.default_rng(0).lognormal(2, 1, (60, 3)), columns=COLUMNS)
    found = weighed(BY_NAME["HDBSCAN"], 0, blob.iloc[:12].round(-2), None, COLUMNS, seed=0)

    assert not found.is_eligible
    assert found.why_not(weighed(BY_NAME["k-means"], 3, blob, None, COLUMNS, seed=0)).endswith(".")
    with pytest.raises(UnusableTable):
        weighed(BY_NAME["k-means"], 3, blob.iloc[:2], None, COLUMNS, seed=0)


def test_eta_squared_is_the_share_between_groups():
    values, labels = np.array([1.0, 2.0, 5.0, 6.0]), np.array([0, 0, 1, 1])

    assert eta_squared(values, labels) == pytest.approx(16 / 17)  # 16 between, 1 within
    assert eta_squared(np.ones(4), labels) == 0.0


def test_a_customer_in_no_cluster_has_no_score():
    table, _ = planted(600)
    far = pd.DataFrame(
        {"recency_days": [1.0], "orders": [9_000.0], "spent": [0.01]}, index=[99_999]
    )
    model = LogHDBSCAN(columns=COLUMNS).fit(table).keyed([4, 5, 6, 7])
    (scores,) = groups.blocks(model, pd.concat([table, far]))

    assert 99_999 not in scores.index
    assert set(scores["value"]) == {4, 5, 6, 7}
    assert (scores["band"] == scores["value"].astype(int).astype(str)).all()


def test_where_columns_change_clusters_are_known_by_their_customers():
    table, _ = planted()
    old = LogKMeans(columns=COLUMNS[:2], n_clusters=4).fit(table).keyed([9, 8, 7, 6])
    new = LogKMeans(columns=COLUMNS, n_clusters=4).fit(table)
    found = match(old, new, X=table)

    assert len(found) == 4
    renewed = new.keyed([found[place] for place in range(4)])
    assert (renewed.predict(table) == old.predict(table)).mean() > 0.9
    assert match(old, new, X=table.sample(frac=1).assign(orders=1.0, recency_days=1.0)) != found


def test_a_split_leaves_all_others_where_they_are():
    table, true = planted()
    whole = LogKMeans(columns=COLUMNS, n_clusters=3).fit(table).keyed([5, 2, 8])
    before = whole.predict(table)
    mixed = next(key for key in (5, 2, 8) if len(np.unique(true[before == key])) > 1)
    place = whole.keys_.tolist().index(mixed)
    parted = SplitClusters(whole=whole, place=place).fit(table)
    after = parted.predict(table)

    assert parted.keys_.tolist() == [5, 2, 8, 9]
    assert (after[before != mixed] == before[before != mixed]).all()
    assert set(after[before == mixed]) == {mixed, 9}
    assert (after == mixed).sum() >= (after == 9).sum()
    crossed = pd.crosstab(after[before == mixed], true[before == mixed])
    assert crossed.max(axis=1).sum() / crossed.to_numpy().sum() > 0.95  # the two that were mixed
    one = table[before == 5].iloc[:1]
    with pytest.raises(UnusableTable, match="1 distinct"):
        SplitClusters(whole=whole, place=whole.keys_.tolist().index(5)).fit(one)


def test_the_map_shows_the_widest_directions_and_names_them():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"orders_total": rng.lognormal(1, 1, 3_000)})
    table["revenue_total"] = table["orders_total"] * rng.lognormal(3, 0.1, 3_000)
    table["discount_share"] = rng.uniform(0, 1, 3_000)
    model = LogKMeans(columns=list(table), n_clusters=3).fit(table).keyed([4, 2, 9])
    found = group_pictures.pictures(model, table)
    points = np.array(found["map"]["points"])

    assert found["map"]["axes"] == ["spent much, buys often", "mostly on sale"] or found["map"][
        "axes"
    ] == ["buys often, spent much", "mostly on sale"]
    assert found["map"]["explained"] == pytest.approx([2 / 3, 1 / 3], abs=0.02)
    assert points.shape == (group_pictures.POINTS_MOST, 3)
    assert set(points[:, 2]) == {4, 2, 9}
    assert {leaf["key"] for leaf in found["dendrogram"]["leaves"]} == {4, 2, 9}
    assert found["dendrogram"]["merges"][-1][3] == group_pictures.TREE_ROWS


def test_one_column_or_two_customers_have_a_map_too():
    table = pd.DataFrame({"orders_total": [1.0, 9.0, 80.0]})
    model = LogKMeans(columns=["orders_total"], n_clusters=2).fit(table)
    found = group_pictures.pictures(model, table.iloc[:2])

    assert found["map"]["axes"] == ["buys often", ""]
    assert [point[1] for point in found["map"]["points"]] == [0.0, 0.0]


def test_the_flow_counts_who_went_where_noise_included():
    before = pd.Series([1, 1, 2, NOISE])
    found = group_pictures.flow(
        before,
        pd.Series([1, 3, 3, 3]),
        names_before={1: "Regulars", 2: "New"},
        names_after={1: "Regulars", 3: "Others"},
        as_of=(NOW - timedelta(days=1), NOW),
    )

    assert found["moves"] == [[-1, 3, 1], [1, 1, 1], [1, 3, 1], [2, 3, 1]]
    assert found["from"][0] == {"key": -1, "name": "In no cluster", "n": 1}
    assert found["to"][1] == {"key": 3, "name": "Others", "n": 3}
