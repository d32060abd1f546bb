"""Stored estimators come back as they were, or not at all."""

import hashlib
import io
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
import skops.io

from segments.estimators.blended import BlendedProbability
from segments.estimators.boosting import BoostedProbability
from segments.estimators.calibrated import CalibratedProbability
from segments.estimators.churn import LogisticChurn, RecencyBandRate
from segments.estimators.clusters import LogKMeans
from segments.estimators.clv import CustomerValue, ShrunkenValue
from segments.estimators.network import NetworkProbability
from segments.estimators.response import ResponseModel
from segments.estimators.seasonal import SeasonalProbability
from segments.models import ModelArtefact, ModelRun
from segments.services import artefacts
from tests.makers import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> ModelRun:
    return ModelRun.objects.create(kind="churn_90d", as_of=NOW, created_at=NOW)


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    age = rng.uniform(50, 400, 200)
    frequency = rng.poisson(2, 200)
    return pd.DataFrame(
        {
            "frequency": frequency,
            "recency": np.where(frequency > 0, age * rng.uniform(0, 1, 200), 0),
            "age": age,
            "purchases": frequency + 1,
            "mean_spend": rng.gamma(6, 5, 200),
            "recency_days": rng.uniform(0, 300, 200),
        }
    )


@pytest.mark.parametrize(
    ("estimator", "ask"),
    [
        (LogisticChurn(columns=["age", "frequency"]), lambda e, X: e.contributions(X)),
        (BoostedProbability(columns=["age", "frequency"]), lambda e, X: e.contributions(X)),
        (
            BlendedProbability(models=[LogisticChurn(columns=["age"])] * 2),
            lambda e, X: e.contributions(X),
        ),
        (
            SeasonalProbability(model=LogisticChurn(columns=["age"])),
            lambda e, X: e.contributions(X),
        ),
        (NetworkProbability(columns=["age", "frequency"]), lambda e, X: e.predict_proba(X)),
        (
            CalibratedProbability(model=LogisticChurn(columns=["age"]), way="isotonic"),
            lambda e, X: e.contributions(X),
        ),
        (RecencyBandRate(), lambda e, X: e.predict_proba(X)),
        (LogKMeans(columns=["age", "frequency"], n_clusters=3), lambda e, X: e.predict(X)),
        (CustomerValue(), lambda e, X: e.predict(X, horizon_days=90)),
        (ShrunkenValue(), lambda e, X: e.predict(X, horizon_days=90)),
    ],
    ids=lambda given: type(given).__name__,
)
def test_every_estimator_answers_the_same_after_a_round_trip(run, table, estimator, ask):
    fitted = estimator.fit(table, (table["age"] > 200).astype(float))
    artefacts.store(run, fitted)

    np.testing.assert_array_equal(ask(artefacts.load(run), table), ask(fitted, table))


def test_a_changed_artefact_is_refused(run, table):
    stored = artefacts.store(run, ShrunkenValue().fit(table))
    other = skops.io.dumps(ShrunkenValue().fit(table.assign(mean_spend=9_999.0)))
    ModelArtefact.objects.filter(pk=stored.pk).update(content=other)

    with pytest.raises(artefacts.ArtefactRefused, match="checksum"):
        artefacts.load(run)


def test_a_foreign_type_is_refused_though_its_checksum_is_right(run):
    artefacts.store(run, pytest.MonkeyPatch())

    with pytest.raises(artefacts.ArtefactRefused, match="not one of ours"):
        artefacts.load(run)


def test_a_pickle_is_refused_and_not_run(run, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    artefacts.store(run, ShrunkenValue())
    content = pickle.dumps(Trap())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("schema.json", content)
    for bad in (content, packed.getvalue()):
        ModelArtefact.objects.filter(run=run).update(
            content=bad, sha256=hashlib.sha256(bad).hexdigest()
        )
        with pytest.raises(artefacts.ArtefactRefused):
            artefacts.load(run)
    assert not (tmp_path / "sprung").exists()


def test_a_run_without_an_artefact_is_refused_in_words(run):
    with pytest.raises(artefacts.ArtefactRefused, match="no stored estimator"):
        artefacts.load(run)


def test_a_model_of_response_answers_the_same_after_a_round_trip(run):
    rng = np.random.default_rng(0)
    hours = [f"h{hour}" for hour in range(24)]
    table = pd.DataFrame(rng.poisson(1, (50, 24)), columns=hours)
    table["email_sent"], table["email_answered"] = rng.integers(5, 9, 50), rng.integers(0, 5, 50)
    fitted = ResponseModel(channels=["email"], usual={"email": (0.1, 5.0)}, hours=hours).fit(table)
    artefacts.store(run, fitted)
    again = artefacts.load(run)

    np.testing.assert_array_equal(again.rate("email", table), fitted.rate("email", table))
    np.testing.assert_array_equal(again.hour(table), fitted.hour(table))
