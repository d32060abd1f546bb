import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from segments.evaluation.stability import silhouette_and_null, stability


def islands(k: int = 3, each: int = 100, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.column_stack([np.arange(k) * 10.0, np.arange(k)[::-1] * 10.0])
    return np.concatenate([rng.normal(centre, 1, (each, 2)) for centre in centres])


def kmeans(k: int):
    return lambda rows: KMeans(k, n_init=3, random_state=0).fit_predict(rows)


def test_islands_are_found_again_in_every_part():
    found = stability(kmeans(3), islands())

    assert (found.value, found.low, found.high, found.n) == (1, 1, 1, 300)
    assert "8 refits on 0.8" in found.note


def test_clusters_cut_from_fog_are_not():
    fog = np.random.default_rng(0).normal(size=(300, 5))

    found = stability(kmeans(6), fog)

    assert found.value < 0.8 and found.low < found.value < found.high


def test_labels_without_meaning_agree_no_better_than_chance():
    rng = np.random.default_rng(0)

    found = stability(lambda rows: rng.integers(0, 4, len(rows)), islands())

    assert abs(found.value) < 0.05


def test_frames_reach_the_estimator_as_frames():
    frame = pd.DataFrame(islands(), columns=["a", "b"])
    seen = []

    def fit_labels(rows):
        seen.append(rows)
        return kmeans(3)(rows)

    assert stability(fit_labels, frame, rounds=2).value == 1
    silhouette_and_null(frame, kmeans(3)(frame), fit_labels=fit_labels)
    assert [type(rows) for rows in seen] == [pd.DataFrame] * 4
    assert [len(rows) for rows in seen] == [300, 240, 240, 300]


def test_the_same_seed_gives_the_same_figures():
    fog = np.random.default_rng(0).normal(size=(300, 5))
    labels = kmeans(4)(fog)

    assert stability(kmeans(4), fog, seed=1) == stability(kmeans(4), fog, seed=1)
    assert silhouette_and_null(fog, labels, seed=1) == silhouette_and_null(fog, labels, seed=1)


def test_the_silhouette_is_scikit_learns_and_islands_beat_their_shuffled_columns():
    rows = islands()
    labels = kmeans(3)(rows)

    found = silhouette_and_null(rows, labels)

    assert found.found.value == pytest.approx(silhouette_score(rows, labels))
    assert found.found.low < found.found.value < found.found.high
    assert found.gap > 0.1


def test_fog_does_not_stand_above_its_shuffled_columns():
    fog = np.random.default_rng(0).normal(size=(1_000, 4))

    assert abs(silhouette_and_null(fog, kmeans(4)(fog)).gap) < 0.03


def test_noise_is_no_cluster_and_large_bases_are_sampled():
    rows = islands(each=500)
    labels = kmeans(3)(rows)
    labels[:200] = -1

    found = silhouette_and_null(rows, labels, sample=400)

    assert found.found.n == 400
    assert silhouette_and_null(rows, labels).found.n == 1_300


def test_too_few_rows_or_clusters_give_a_reason():
    rows = islands()

    assert "29 customers" in stability(kmeans(3), rows[:29]).note
    one = silhouette_and_null(rows, np.zeros(300))
    assert "found 1 clusters" in one.found.note and one.gap is None
    assert "at least 30" in silhouette_and_null(rows, np.full(300, -1)).found.note
