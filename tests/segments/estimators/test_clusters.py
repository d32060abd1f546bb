"""k-means finds planted groups, keeps its scale, and knows yesterday's groups again."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from segments.estimators.clusters import LogKMeans, looseness, match
from segments.estimators.columns import LogScaler, UnusableTable

COLUMNS = ["recency_days", "orders", "spent"]
CENTRES = np.array([[5, 30, 2_000], [20, 5, 60], [300, 2, 400], [150, 1, 20]], dtype=float)


def planted(n=4_000, *, seed=0, shift=1.0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = rng.choice(4, n, p=[0.1, 0.2, 0.3, 0.4])
    noise = rng.lognormal(0, 0.25, (n, 3))
    return pd.DataFrame(CENTRES[true] * noise * shift, columns=COLUMNS), true


def test_planted_groups_are_found_largest_first():
    table, true = planted()
    found = LogKMeans(columns=COLUMNS, n_clusters=4).fit(table).predict(table)

    assert adjusted_rand_score(true, found) > 0.98
    assert found.value_counts().index.tolist() == [0, 1, 2, 3]


def test_a_fit_on_a_sample_finds_them_for_everybody():
    table, true = planted(20_000)
    model = LogKMeans(columns=COLUMNS, n_clusters=4, sample=500, lloyd_steps=4).fit(table)
    rows = model.scaler_.transform(table)
    labels = model.predict(table).to_numpy()

    assert adjusted_rand_score(true, labels) > 0.98
    means = np.array([rows[labels == key].mean(axis=0) for key in range(4)])
    np.testing.assert_allclose(model.centers_, means, atol=0.01)  # Lloyd has come to rest


def test_later_customers_are_measured_with_the_frozen_scale():
    table, _ = planted()
    model = LogKMeans(columns=COLUMNS, n_clusters=4).fit(table)
    alone = model.predict(table.iloc[:1])

    assert alone.iloc[0] == model.predict(table).iloc[0]


def test_clusters_keep_their_keys_when_they_are_fitted_again():
    old = LogKMeans(columns=COLUMNS, n_clusters=4).fit(planted(seed=1)[0]).keyed([7, 3, 11, 5])
    later, _ = planted(3_000, seed=2, shift=1.2)
    new = LogKMeans(columns=COLUMNS, n_clusters=4, random_state=9).fit(later)
    found = match(old, new)
    renewed = new.keyed([found[place] for place in range(4)])

    assert set(found.values()) == {7, 3, 11, 5}
    assert adjusted_rand_score(old.predict(later), renewed.predict(later)) > 0.97
    assert (old.predict(later) == renewed.predict(later)).mean() > 0.97


def test_a_new_group_has_no_counterpart():
    table, true = planted(seed=1)
    old = LogKMeans(columns=COLUMNS, n_clusters=3).fit(table[true != 2].reset_index(drop=True))
    new = LogKMeans(columns=COLUMNS, n_clusters=4).fit(table)
    found = match(old, new)

    assert len(found) == 3
    (alone,) = set(range(4)) - set(found)
    newcomer = new.predict(table[true == 2].reset_index(drop=True)).mode()[0]
    assert alone == newcomer


def test_other_columns_match_nothing():
    table, _ = planted()
    old = LogKMeans(columns=COLUMNS, n_clusters=4).fit(table)
    new = LogKMeans(columns=COLUMNS[:2], n_clusters=4).fit(table)

    assert match(old, new) == {}


def test_equal_customers_are_no_clusters():
    table = pd.DataFrame({name: [3.0] * 50 for name in COLUMNS})
    with pytest.raises(UnusableTable, match="1 distinct"):
        LogKMeans(columns=COLUMNS, n_clusters=3).fit(table)


def test_keys_must_be_distinct():
    model = LogKMeans(columns=COLUMNS, n_clusters=4).fit(planted()[0])
    with pytest.raises(ValueError, match="distinct"):
        model.keyed([1, 1, 2, 3])


def test_the_scale_takes_refunds_and_gaps():
    table = pd.DataFrame({"revenue": [-50.0, 0.0, np.nan, 50.0], "empty": [np.nan] * 4})
    scaled = LogScaler(columns=["revenue", "empty"]).fit(table).transform(table)

    assert scaled[0, 0] == pytest.approx(-scaled[3, 0])
    assert scaled[2, 0] == pytest.approx(scaled[1, 0])
    assert (scaled[:, 1] == 0).all()


def test_a_start_from_the_live_centres_moves_no_more_than_the_customers_did():
    blob = pd.DataFrame(np.random.default_rng(0).lognormal(2, 1, (2_000, 3)), columns=COLUMNS)
    old = LogKMeans(columns=COLUMNS, n_clusters=5, random_state=1).fit(blob)
    later = blob * np.random.default_rng(1).lognormal(0, 0.05, blob.shape)
    going_on = LogKMeans(columns=COLUMNS, n_clusters=5, random_state=2).fit(later, start=old)

    assert adjusted_rand_score(old.predict(blob), going_on.predict(later)) > 0.85
    fresh = LogKMeans(columns=COLUMNS, n_clusters=5).fit(later)
    loose = [looseness(model, later, old.scaler_) for model in (going_on, fresh, old)]
    assert max(loose) < 1.1 * min(loose)
    with pytest.raises(ValueError, match="another number"):
        LogKMeans(columns=COLUMNS, n_clusters=4).fit(later, start=old)


def test_the_order_of_customers_decides_nothing_even_where_there_are_no_groups():
    blob = pd.DataFrame(np.random.default_rng(3).lognormal(2, 1, (900, 3)), columns=COLUMNS)
    turned = blob.sample(frac=1, random_state=1)
    one = LogKMeans(columns=COLUMNS, n_clusters=6, n_init=1).fit(blob)
    other = LogKMeans(columns=COLUMNS, n_clusters=6, n_init=1).fit(turned)

    pd.testing.assert_series_equal(one.predict(blob), other.predict(blob))
