"""Every way of finding groups: each against scikit-learn's or scipy's own answer."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.stats import yeojohnson
from sklearn.cluster import DBSCAN, HDBSCAN
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from segments.estimators.clusters import NOISE, LogKMeans, is_clusterer, looseness, match
from segments.estimators.clusters_density import LogDBSCAN, LogHDBSCAN
from segments.estimators.clusters_mixture import LEAST_SPREAD, LogGaussianMixture
from segments.estimators.clusters_scale import YeoJohnsonScaler
from segments.estimators.clusters_ward import LogWard, dendrogram, tree
from segments.estimators.columns import LogScaler, UnusableTable
from segments.services.artefacts import TRUSTED
from tests.segments.estimators.test_clusters import COLUMNS, planted

METHODS = {
    "k-means": lambda **more: LogKMeans(columns=COLUMNS, n_clusters=4, **more),
    "mini-batches": lambda **more: LogKMeans(
        columns=COLUMNS, n_clusters=4, sample=1_000, mini_batch=True, **more
    ),
    "Ward": lambda **more: LogWard(columns=COLUMNS, n_clusters=4, **more),
    "mixture": lambda **more: LogGaussianMixture(columns=COLUMNS, n_clusters=4, **more),
    "DBSCAN": lambda **more: LogDBSCAN(columns=COLUMNS, **more),
    "HDBSCAN": lambda **more: LogHDBSCAN(columns=COLUMNS, **more),
}
every = pytest.mark.parametrize("build", METHODS.values(), ids=METHODS)
every_scale = pytest.mark.parametrize("scale", ["log", "yeo-johnson"])


@every
@every_scale
def test_planted_groups_are_found_largest_first(build, scale):
    table, true = planted()
    model = build(scale=scale).fit(table)
    found = model.predict(table)
    inside = found != NOISE

    assert is_clusterer(model) and not is_clusterer(LogScaler(columns=COLUMNS))
    assert inside.mean() > 0.85
    assert adjusted_rand_score(true[inside], found[inside]) > 0.97
    assert found[inside].value_counts().index.tolist() == list(range(len(model.centers_)))
    assert len(model.centers_) == len(model.keys_) == 4


@every
def test_keys_last_over_another_fit_and_noise_has_none(build):
    old = build().fit(planted(seed=1)[0]).keyed([7, 3, 11, 5])
    later, _ = planted(3_000, seed=2, shift=1.2)
    new = build(random_state=9).fit(later)
    found = match(old, new)
    renewed = new.keyed([found[place] for place in range(4)])

    assert set(found.values()) == {7, 3, 11, 5}
    assert set(renewed.predict(later)) <= {7, 3, 11, 5, NOISE}
    assert (old.predict(later) == renewed.predict(later)).mean() > 0.85
    assert new.keys_.tolist() == [0, 1, 2, 3]


def test_one_method_continues_the_clusters_of_another():
    table, _ = planted()
    old = LogKMeans(columns=COLUMNS, n_clusters=4).fit(table).keyed([9, 8, 7, 6])
    new = LogWard(columns=COLUMNS, n_clusters=4, scale="yeo-johnson").fit(table)
    found = match(old, new)

    assert (
        new.keyed([found[place] for place in range(4)]).predict(table) == old.predict(table)
    ).mean() > 0.97
    assert looseness(new, table, old.scaler_) < 1.1 * looseness(old, table, old.scaler_)


@every
def test_a_stored_one_answers_as_before(build):
    table, _ = planted(1_500)
    model = build().fit(table)
    again = skops.io.loads(skops.io.dumps(model), trusted=TRUSTED)

    pd.testing.assert_series_equal(again.predict(table), model.predict(table))


@every
def test_equal_customers_are_no_clusters(build):
    table = pd.DataFrame({name: [3.0] * 50 for name in COLUMNS})
    with pytest.raises(UnusableTable, match="1 distinct"):
        build().fit(table)


def test_ward_cuts_where_scipy_cuts():
    table, _ = planted(600)
    model = LogWard(columns=COLUMNS, n_clusters=4).fit(table)
    rows = model.scaler_.transform(table)
    cut = fcluster(linkage(rows, method="ward"), 4, criterion="maxclust")

    assert adjusted_rand_score(cut, model.predict(table)) > 0.98
    assert model.merges_.shape == (39, 4)
    assert model.leaf_sizes_.sum() == 600
    shares = np.bincount(model.leaf_places_, weights=model.leaf_sizes_)
    assert np.abs(shares - model.predict(table).value_counts().sort_index()).max() < 12


def test_the_picture_of_a_tree_is_the_top_of_scipys():
    rows = np.random.default_rng(0).normal(size=(90, 2))
    grown = tree(rows, leaves=12)
    whole = linkage(rows, method="ward")
    drawn = dendrogram(grown, np.where(rows[:, 0] > 0, 4, NOISE))

    np.testing.assert_allclose(grown.merges[:, 2:], whole[-11:, 2:])
    assert adjusted_rand_score(fcluster(whole, 12, criterion="maxclust"), grown.leaf) == 1.0
    assert sum(leaf["n"] for leaf in drawn["leaves"]) == drawn["merges"][-1][3] == 90
    assert {leaf["key"] for leaf in drawn["leaves"]} == {4, None}
    held = [number for merge in drawn["merges"] for number in merge[:2]]
    assert sorted(held) == list(range(22))  # each leaf and merge is merged once, the last is left


def test_a_small_tree_has_a_leaf_a_row():
    grown = tree(np.array([[0.0], [1.0], [5.0]]))

    np.testing.assert_allclose(grown.merges, linkage(np.array([[0.0], [1.0], [5.0]]), "ward"))


def test_the_mixture_says_what_scikit_learn_says():
    table, _ = planted(1_200)
    model = LogGaussianMixture(columns=COLUMNS, n_clusters=4).fit(table)
    rows = model.scaler_.transform(table)
    theirs = GaussianMixture(4, n_init=2, reg_covar=LEAST_SPREAD, random_state=0).fit(rows)
    shares = model.predict_proba(table)
    order = np.argsort(-theirs.weights_)

    np.testing.assert_allclose(shares, theirs.predict_proba(rows)[:, order], atol=1e-6)
    assert (shares.idxmax(axis=1) == model.predict(table)).all()
    assert model.keyed([5, 6, 7, 8]).predict_proba(table).columns.tolist() == [5, 6, 7, 8]


def test_dbscan_says_what_scikit_learn_says():
    table, _ = planted(1_200)
    model = LogDBSCAN(columns=COLUMNS).fit(table)
    rows = model.scaler_.transform(table)
    theirs = DBSCAN(eps=model.eps_, min_samples=20).fit_predict(rows)

    assert adjusted_rand_score(theirs, model.predict(table)) > 0.999
    assert ((theirs == NOISE) == (model.predict(table) == NOISE)).all()


def test_hdbscan_says_of_its_own_sample_what_scikit_learn_says():
    table, _ = planted(1_200)
    model = LogHDBSCAN(columns=COLUMNS).fit(table)
    rows = model.scaler_.transform(table)
    theirs = HDBSCAN(min_cluster_size=36, min_samples=10, copy=True).fit_predict(rows)
    found = model.predict(table)

    assert ((theirs == NOISE) <= (found == NOISE)).all()
    inside = found != NOISE
    assert adjusted_rand_score(theirs[inside], found[inside]) == 1.0
    assert ((theirs != NOISE) & ~inside).mean() < 0.05  # the loosest are beyond the reach


@pytest.mark.parametrize(
    "build", [METHODS["DBSCAN"], METHODS["HDBSCAN"]], ids=["DBSCAN", "HDBSCAN"]
)
def test_a_customer_far_from_everybody_is_in_no_cluster(build):
    table, _ = planted()
    far = pd.DataFrame({"recency_days": [1.0], "orders": [9_000.0], "spent": [0.01]})

    assert build().fit(table).predict(far).tolist() == [NOISE]


def test_a_cloud_without_islands_is_refused_in_words():
    blob = pd.DataFrame(np.random.default_rng(0).lognormal(2, 1, (600, 3)), columns=COLUMNS)
    with pytest.raises(UnusableTable, match="no island among 600"):
        LogHDBSCAN(columns=COLUMNS, min_cluster_size=100).fit(blob)


def test_yeo_johnson_bends_as_scipy_does_and_comes_back():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"spent": rng.lognormal(3, 1, 500), "revenue": rng.normal(20, 30, 500), "one": 1.0}
    )
    scaler = YeoJohnsonScaler(columns=list(table)).fit(table)
    scaled = scaler.transform(table)

    for place, name in enumerate(["spent", "revenue"]):
        bent, exponent = yeojohnson(table[name].to_numpy())
        assert scaler.lambdas_[place] == pytest.approx(exponent, abs=0.01)
        assert np.corrcoef(bent, scaled[:, place])[0, 1] > 0.99999
    np.testing.assert_allclose(scaled[:, 2], 0)
    plain = table.to_numpy()
    np.testing.assert_allclose(
        scaler.logs_of(scaled), np.sign(plain) * np.log1p(np.abs(plain)), atol=1e-6
    )


def test_a_sample_and_a_few_steps_are_no_looser_than_mini_batches():
    table, _ = planted(20_000)
    ours = LogKMeans(columns=COLUMNS, n_clusters=6, sample=2_000).fit(table)
    theirs = LogKMeans(columns=COLUMNS, n_clusters=6, sample=2_000, mini_batch=True).fit(table)

    assert looseness(ours, table, ours.scaler_) < 1.02 * looseness(theirs, table, ours.scaler_)
