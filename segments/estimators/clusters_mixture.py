"""Groups as overlapping clouds: each customer belongs to each by a probability."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import pandas as pd
from scipy.linalg import cholesky, solve_triangular
from scipy.special import logsumexp
from sklearn.mixture import GaussianMixture

from segments.estimators.clusters import Clusterer

LEAST_SPREAD = 1e-3  # added to each variance: a cloud of equal customers has none


class LogGaussianMixture(Clusterer):
    """A mixture of normal distributions of log features, fitted on a sample.

    Parameters
    ----------
    columns : sequence of str
        Features; missing values take the median learnt.
    n_clusters : int
    scale : {"log", "yeo-johnson"}
    sample : int, default=20_000
        Customers at most that it is learnt from.
    n_init : int, default=2
        Starts, of which the likeliest is kept.
    random_state : int

    Attributes
    ----------
    centers_ : array of shape (n_clusters, columns)
        Means of the clouds, the largest first.
    weights_ : array of shape (n_clusters,)
    factors_ : array of shape (n_clusters, columns, columns)
        Lower triangles whose squares are the covariances.

    Notes
    -----
    O(n · n_clusters · columns²) a step. Clouds may be long and of unlike size, which k-means
    cannot see; where columns are far from normal even after the logarithm, several clouds are
    needed for one group.

    Examples
    --------
    >>> X = pd.DataFrame({"spent": [1.0, 1.2, 1.1, 1.3, 90, 100, 95]})
    >>> LogGaussianMixture(columns=["spent"], n_clusters=2).fit(X).predict(X).tolist()
    [0, 0, 0, 0, 1, 1, 1]
    """

    def __init__(
        self,
        *,
        columns: Sequence[str],
        n_clusters: int = 4,
        scale: str = "log",
        sample: int = 20_000,
        n_init: int = 2,
        random_state: int = 0,
    ) -> None:
        self.columns = columns
        self.n_clusters = n_clusters
        self.scale = scale
        self.sample = sample
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: None = None) -> Self:
        """Find the clouds; `UnusableTable` where fewer distinct customers are there."""
        rows = self._scaled(X)
        model = GaussianMixture(
            self.n_clusters,
            n_init=self.n_init,
            reg_covar=LEAST_SPREAD,
            random_state=self.random_state,
        ).fit(self._drawn(rows, least=self.n_clusters))
        order = np.argsort(-model.weights_, kind="stable")
        self.weights_, self.centers_ = model.weights_[order], model.means_[order]
        self.factors_ = np.array([cholesky(each, lower=True) for each in model.covariances_[order]])
        self.keys_ = np.arange(self.n_clusters)
        return self

    def places(self, rows: np.ndarray) -> np.ndarray:
        return self._log_joint(rows).argmax(axis=1)

    def predict_proba(self, X: pd.DataFrame) -> pd.DataFrame:
        """Probability of each cluster for each customer: columns are keys, rows sum to 1."""
        joint = self._log_joint(self.scaler_.transform(X))
        shares = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        return pd.DataFrame(shares, index=X.index, columns=self.keys_)

    def _log_joint(self, rows: np.ndarray) -> np.ndarray:
        """Log density of each row under each cloud, times the cloud's weight."""
        found = np.empty((len(rows), len(self.centers_)))
        constant = rows.shape[1] * np.log(2 * np.pi) / 2
        for place, (center, factor) in enumerate(zip(self.centers_, self.factors_, strict=True)):
            apart = solve_triangular(factor, (rows - center).T, lower=True)
            found[:, place] = -(apart**2).sum(axis=0) / 2 - np.log(np.diag(factor)).sum() - constant
        return found + np.log(self.weights_)
