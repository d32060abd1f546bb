"""Online Retail (Chen 2015, UCI, CC BY 4.0): what clusters reach on a real shop.

A published silhouette of 0.80 on these data (Analytics 2023, 2(4), 809-823) is that of a few
wholesalers against everybody else: such clusters are not found again, and are asked not to be.
"""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from customers.features.labels import labels
from customers.features.table import features
from segments.estimators.clusters import LogKMeans
from segments.evaluation.stability import silhouette_and_null, stability
from segments.recipes import groups
from segments.recipes.group_choice import eta_squared
from segments.recipes.judged import Judged
from tests.published.test_online_retail_models import AS_OF, shop  # noqa: F401

pytestmark = pytest.mark.shared_data
SNAPSHOT = datetime(2011, 9, 10, tzinfo=UTC)
RFM = ["days_since_last_order", "orders_total", "revenue_total"]


@pytest.fixture(scope="module")
def now(shop) -> pd.DataFrame:  # noqa: F811
    return features(shop, AS_OF, names=groups.COLUMNS)


@pytest.fixture(scope="module")
def judged(shop) -> Judged:  # noqa: F811
    with threadpool_limits(1):
        return groups.train(shop, AS_OF)


@pytest.mark.parametrize("scale", ["log", "yeo-johnson"])
def test_recency_frequency_and_money_part_customers_as_often_measured(now, scale):
    # Yeo-Johnson stretches what is below 0, and a few got back more than they had paid.
    now = now.clip(lower=0)

    def fit(rows: pd.DataFrame) -> LogKMeans:
        return LogKMeans(columns=RFM, n_clusters=4, scale=scale, n_init=10).fit(rows)

    with threadpool_limits(1):
        model = fit(now)
        found = model.predict(now)
        heard = silhouette_and_null(model.scaler_.transform(now), found)
        steady = stability(lambda rows: fit(rows).predict(rows), now)

    assert heard.found.value >= 0.31
    assert heard.gap >= 0.04
    assert steady.value >= 0.90
    assert found.value_counts(normalize=True).min() >= 0.03


def test_four_groups_of_september_say_who_orders_before_christmas(shop):  # noqa: F811
    table = features(shop, SNAPSHOT, names=RFM)
    after = labels(shop, SNAPSHOT, horizon_days=90)
    found = LogKMeans(columns=RFM, n_clusters=4, n_init=10).fit(table).predict(table)
    churned = 1 - after["has_ordered"].astype(float)

    assert len(table) == 3_370
    assert churned.mean() == pytest.approx(0.431, abs=0.001)
    assert eta_squared(churned.to_numpy(), found.to_numpy()) >= 0.15
    rates = np.sort(churned.groupby(found).mean())
    np.testing.assert_allclose(rates, [0.07, 0.32, 0.41, 0.62], atol=0.02)
    revenue = np.sort(after["revenue"].groupby(found).mean())
    assert revenue[-1] > 5 * revenue[-2]


@pytest.mark.long
def test_what_the_recipe_chooses_is_stable_and_stands_above_shuffled_columns(now, judged):
    found = judged.estimator.predict(now)

    assert 3 <= found.nunique() <= 8
    assert judged.metrics["stability"].value >= 0.90
    assert judged.metrics["silhouette"].value - judged.baseline["silhouette"].value >= 0.04
    assert found.value_counts(normalize=True).min() >= 0.03
    assert judged.metrics["eta_squared_90d"].value >= 0.145
    assert judged.card["left_out"] == ["discount_share"]  # the file has no discounts


@pytest.mark.long
def test_density_finds_no_islands_here_and_the_card_says_so(judged):
    rows = {row["method"]: row for row in judged.card["methods"]}

    assert rows["DBSCAN"]["k"] < 3 or rows["DBSCAN"]["silhouette"] < 0.1
    assert rows["HDBSCAN"]["noise_share"] > 0.1
    assert "in no cluster" in rows["HDBSCAN"]["why_not"]
    for row in judged.card["methods"]:
        assert bool(row["why_not"]) != row["chosen"], row


def test_unscaled_money_gives_the_famous_silhouette_and_a_cluster_of_a_few(now):
    """What the recipe is kept from: a handful of wholesalers against everybody."""
    raw = now[RFM].to_numpy(float)
    raw = (raw - raw.mean(axis=0)) / raw.std(axis=0)

    found = KMeans(2, n_init=10, random_state=0).fit_predict(raw)

    assert silhouette_and_null(raw, found).found.value > 0.85
    assert np.bincount(found).min() / len(found) < 0.01
