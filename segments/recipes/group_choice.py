"""Which way of finding groups, and how many: each is tried, weighed and answered for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segments.estimators.clusters import NOISE, Clusterer, LogKMeans
from segments.estimators.clusters_density import LogDBSCAN, LogHDBSCAN
from segments.estimators.clusters_mixture import LogGaussianMixture
from segments.estimators.clusters_ward import LogWard
from segments.estimators.columns import UnusableTable
from segments.evaluation.estimate import Estimate, unknown
from segments.evaluation.stability import Silhouette, silhouette_and_null, stability
from segments.recipes.judged import sampled

COUNTS = range(3, 9)
STARTS = 10
ROUNDS = 8  # refits on parts of the customers
STABLE = 0.90  # mean adjusted Rand index wanted
LEAST_SHARE = 0.03
LEAST_GAP = 0.04  # silhouette above that of shuffled columns
MOST_NOISE = 0.10  # customers in no cluster
WORTH_TIE = 0.01  # eta squared; closer than this, k-means and fewer clusters are better
# The live run's number stays while it is nearly as good, for accepted clusters hang on it.
KEEP_STABLE = 0.80
KEEP_WORTH = 0.8  # of the best worth

Build = Callable[[Sequence[str], int, int], Clusterer]  # columns, number of clusters, seed


@dataclass(frozen=True)
class Method:
    """One way of finding groups, and on how many customers it is tried."""

    name: str
    build: Build
    counts: Sequence[int]  # (0,): it finds the number itself
    rows: int
    rounds: int = ROUNDS


K_MEANS = "k-means"
METHODS = (
    Method(
        K_MEANS,
        lambda columns, k, seed: LogKMeans(
            columns=columns, n_clusters=k, n_init=STARTS, random_state=seed
        ),
        COUNTS,
        rows=4_000,
    ),
    # These take time by the square of the customers or more, and so are tried on fewer.
    Method(
        "hierarchical (Ward)",
        lambda columns, k, seed: LogWard(columns=columns, n_clusters=k, random_state=seed),
        range(3, 7),
        rows=1_200,
        rounds=5,
    ),
    Method(
        "Gaussian mixture",
        lambda columns, k, seed: LogGaussianMixture(
            columns=columns, n_clusters=k, random_state=seed
        ),
        range(3, 7),
        rows=1_200,
        rounds=5,
    ),
    Method(
        "DBSCAN",
        lambda columns, k, seed: LogDBSCAN(columns=columns, random_state=seed),
        (0,),
        rows=1_200,
        rounds=5,
    ),
    Method(
        "HDBSCAN",
        lambda columns, k, seed: LogHDBSCAN(columns=columns, random_state=seed),
        (0,),
        rows=1_200,
        rounds=5,
    ),
)


@dataclass(frozen=True)
class Past:
    """Customers a while ago, and what each has done since."""

    table: pd.DataFrame
    ordered: np.ndarray  # 1 or 0
    revenue: np.ndarray


@dataclass(frozen=True)
class Choice:
    """What is known of one method with one number of clusters."""

    k: int
    stability: Estimate
    silhouette: Silhouette
    least_share: float
    worth: float | None  # eta squared of ordering in the next 90 days; None without a past
    worth_revenue: float | None = None  # the same of the logarithm of revenue
    method: str = K_MEANS
    noise_share: float = 0.0
    refusal: str = ""  # why it could not be fitted

    @property
    def gap(self) -> float:
        return self.silhouette.gap if self.silhouette.gap is not None else -1.0

    @property
    def telling(self) -> float:
        """Worth for the next period: of ordering and revenue, the mean of what is known."""
        known = [each for each in (self.worth, self.worth_revenue) if each is not None]
        return sum(known) / len(known) if known else 0.0

    @property
    def is_eligible(self) -> bool:
        return not self.faults(STABLE)

    def is_sound(self, stable: float) -> bool:
        """Whether the live run may stay with it."""
        return not self.faults(stable)

    def faults(self, stable: float) -> list[str]:
        """What speaks against it, whatever it is worth."""
        if self.refusal:
            return [self.refusal]
        if self.k < 2:
            return ["it finds one group only, which tells nobody apart"]
        found = []
        agreement = self.stability.value or 0.0
        if agreement < stable:
            found.append(f"refits agree by {agreement:.2f} only, {stable:.2f} is wanted")
        if self.least_share < LEAST_SHARE:
            found.append(
                f"its smallest cluster has {self.least_share:.1%} of customers, "
                f"{LEAST_SHARE:.0%} is the least"
            )
        if self.gap < LEAST_GAP:
            found.append(
                f"its silhouette stands {self.gap:.2f} above shuffled columns, "
                f"{LEAST_GAP:.2f} is wanted"
            )
        if self.noise_share > MOST_NOISE:
            found.append(f"it leaves {self.noise_share:.0%} of customers in no cluster")
        return found

    def why_not(self, chosen: "Choice") -> str:
        """Why the other one was chosen, as a sentence; empty for the chosen one itself."""
        if self == chosen:
            return ""
        faults = self.faults(STABLE)
        if faults:
            said = "; ".join(faults)
        elif self.telling < chosen.telling - WORTH_TIE:
            said = (
                f"it tells less about the next 90 days: {self.telling:.3f} of what varies "
                f"between customers, against {chosen.telling:.3f}"
            )
        elif self.telling > chosen.telling + WORTH_TIE:
            said = "the live clusters are nearly as good, and accepted ones hang on them"
        elif self.method != chosen.method:
            said = f"it tells no more about the next 90 days than {chosen.method}, which is simpler"
        elif self.k > chosen.k:
            said = "it tells no more about the next 90 days, with more clusters"
        else:
            said = "the chosen number stands further above shuffled columns, or is the live one"
        return said[:1].upper() + said[1:] + "."

    def as_json(self, chosen: "Choice") -> dict[str, Any]:
        return {
            "method": self.method,
            "k": self.k,
            "stability": _rounded(self.stability.value),
            "silhouette": _rounded(self.silhouette.found.value),
            "silhouette_of_shuffled": _rounded(self.silhouette.null.value),
            "least_share": round(self.least_share, 4),
            "noise_share": round(self.noise_share, 4),
            "worth": _rounded(self.worth),
            "worth_revenue": _rounded(self.worth_revenue),
            "is_eligible": self.is_eligible,
            "chosen": self == chosen,
            "why_not": self.why_not(chosen),
        }


def choose(
    choices: list[Choice], *, live_k: int | None = None, live_method: str = K_MEANS
) -> Choice:
    """The eligible choice worth most; of ties k-means, then the fewest clusters.

    Where no worth is known, the one farthest above shuffled columns; where none is eligible, the
    most stable of k-means.
    """
    eligible = [choice for choice in choices if choice.is_eligible]
    best = max((choice.telling for choice in eligible), default=0.0)
    kept = [
        choice
        for choice in choices
        if (choice.k, choice.method) == (live_k, live_method) and choice.is_sound(KEEP_STABLE)
    ]
    if kept and kept[0].telling >= KEEP_WORTH * best:
        return kept[0]
    if not eligible:
        usual = [choice for choice in choices if choice.method == K_MEANS]
        sized = [choice for choice in usual if choice.least_share >= LEAST_SHARE]
        return max(sized or usual, key=lambda choice: choice.stability.value or 0.0)
    if any(choice.worth is None for choice in eligible):
        return max(eligible, key=lambda choice: choice.gap)
    close = [choice for choice in eligible if choice.telling >= best - WORTH_TIE]
    return min(close, key=lambda choice: (choice.method != K_MEANS, choice.k))


def weighed(
    method: Method, k: int, table: pd.DataFrame, past: Past | None, columns: list[str], *, seed: int
) -> Choice:
    """Try one method with one number of clusters.

    Raises
    ------
    UnusableTable
        Where k-means itself finds too few distinct customers; other methods answer with a refusal.
    """
    rows = sampled(table, method.rows, seed=seed)

    def fit(part: pd.DataFrame) -> Clusterer:
        return method.build(columns, k, seed).fit(part)

    def fit_labels(part: Any) -> pd.Series:
        try:
            return fit(part).predict(part)
        except UnusableTable:  # nothing but noise in this part
            return pd.Series(NOISE, index=part.index)

    try:
        model = fit(rows)
    except UnusableTable as refusal:
        if method.name == K_MEANS:
            raise
        return _refused(method, k, len(rows), str(refusal))
    found = model.predict(rows)
    ordered = revenue = None
    if past is not None:
        then = sampled(past.table.assign(_place=np.arange(len(past.table))), method.rows, seed=seed)
        groups = fit_labels(then).to_numpy() - NOISE
        place = then["_place"].to_numpy()
        ordered = eta_squared(past.ordered[place], groups)
        revenue = eta_squared(np.log1p(np.maximum(past.revenue[place], 0)), groups)
    return Choice(
        k=len(model.centers_),
        stability=stability(fit_labels, rows, seed=seed, rounds=method.rounds),
        silhouette=silhouette_and_null(model.scaler_.transform(rows), found, seed=seed),
        least_share=least_share(found, len(model.centers_)),
        worth=ordered,
        worth_revenue=revenue,
        method=method.name,
        noise_share=float((found == NOISE).mean()),
    )


def least_share(labels: pd.Series, k: int) -> float:
    """Share of the smallest cluster; 0 where one is empty."""
    counts = labels[labels != NOISE].value_counts()
    return float(counts.min() / len(labels)) if len(counts) == k and k else 0.0


def eta_squared(values: np.ndarray, groups: np.ndarray) -> float:
    """Share of the variance of ``values`` that lies between the groups, numbered from 0."""
    total = ((values - values.mean()) ** 2).sum()
    if total == 0:
        return 0.0
    size, sums = np.bincount(groups), np.bincount(groups, weights=values)
    means = sums / np.maximum(size, 1)
    return float((size * (means - values.mean()) ** 2).sum() / total)


def _refused(method: Method, k: int, n: int, refusal: str) -> Choice:
    nothing = unknown(n, refusal)
    return Choice(
        k, nothing, Silhouette(nothing, nothing), 0.0, None, None, method.name, 0.0, refusal
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
