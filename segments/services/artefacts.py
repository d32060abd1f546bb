"""Store fitted estimators and load them again.  The only module that writes ModelArtefact.

Neither pickle nor joblib: those run code on load.  skops rebuilds only types of a fixed list, and
nothing is read whose checksum is not the one stored.
"""

import hashlib
from typing import Any
from zipfile import BadZipFile

import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from rapport.errors import DomainError
from segments.models import ModelArtefact, ModelRun

# Beside numpy arrays and plain values, which skops trusts by itself.  Never extend this by what a
# file asks for.
TRUSTED = [
    "segments.estimators.blended.BlendedProbability",
    "segments.estimators.boosting.BoostedProbability",
    "segments.estimators.calibrated.CalibratedProbability",
    "segments.estimators.churn.LogisticChurn",
    "segments.estimators.churn.RecencyBandRate",
    "segments.estimators.clusters.LogKMeans",
    "segments.estimators.clusters_density.LogDBSCAN",
    "segments.estimators.clusters_density.LogHDBSCAN",
    "segments.estimators.clusters_mixture.LogGaussianMixture",
    "segments.estimators.clusters_scale.YeoJohnsonScaler",
    "segments.estimators.clusters_split.SplitClusters",
    "segments.estimators.clusters_ward.LogWard",
    "segments.estimators.clv.CustomerValue",
    "segments.estimators.clv.ShrunkenValue",
    "segments.estimators.columns.LogScaler",
    "segments.estimators.gamma_gamma.GammaGamma",
    "segments.estimators.logistic.LogisticProbability",
    "segments.estimators.network.NetworkProbability",
    "segments.estimators.poisson.BoostedValue",
    "segments.estimators.poisson.PoissonCorrection",
    "segments.estimators.purchases.BetaGeometricNBD",
    "segments.estimators.purchases.ModifiedBetaGeometricNBD",
    "segments.estimators.response.ResponseModel",
    "segments.estimators.response.ShrunkenHours",
    "segments.estimators.response.ShrunkenRate",
    "segments.estimators.seasonal.SeasonalProbability",
    "segments.estimators.spread.CalibratedValue",
    "segments.estimators.spread.OutcomeSpread",
    "segments.estimators.uplift.LogRidge",
    "segments.estimators.uplift.TLearner",
    "segments.estimators.uplift.XLearner",
]


class ArtefactRefused(DomainError):
    """A stored model that is not what was stored, or holds what is not ours."""

    status = 409
    code = "artefact_refused"


def store(run: ModelRun, estimator: Any, *, judged: Any = None) -> ModelArtefact:
    """Keep the estimator of a run, replacing what the run had before.

    ``judged`` is the one its figures are of, which saw nothing of the test.
    """
    content = skops.io.dumps({"serving": estimator, "judged": judged})
    found, _created = ModelArtefact.objects.update_or_create(
        run=run, defaults={"content": content, "sha256": hashlib.sha256(content).hexdigest()}
    )
    return found


def load(run: ModelRun, *, part: str = "serving") -> Any:
    """The estimator of a run that serves, or with ``part="judged"`` the one that was judged.

    Raises `ArtefactRefused` where nothing was stored, where the checksum differs, and where a type
    is in it that is not on the list.
    """
    stored = ModelArtefact.objects.filter(run=run).first()
    if stored is None:
        raise ArtefactRefused(f"{run} has no stored estimator: retrain to have one")
    content = bytes(stored.content)
    if hashlib.sha256(content).hexdigest() != stored.sha256:
        raise ArtefactRefused(f"the stored estimator of {run} was changed: its checksum differs")
    try:
        return skops.io.loads(content, trusted=TRUSTED)[part]
    except (UntrustedTypesFoundException, BadZipFile, TypeError, ValueError, KeyError) as error:
        raise ArtefactRefused(
            f"the stored estimator of {run} is not one of ours: {error}"
        ) from None
