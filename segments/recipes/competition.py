"""Which estimator of a probability serves: judged on a later snapshot than those they learn from.

Nothing here sees the test.  The simplest wins unless another is surely better.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from segments.estimators.blended import BlendedProbability
from segments.estimators.boosting import BoostedProbability
from segments.estimators.calibrated import WAYS, CalibratedProbability
from segments.estimators.columns import UnusableTable
from segments.estimators.network import NetworkProbability
from segments.estimators.seasonal import SeasonalProbability
from segments.evaluation import metrics
from segments.evaluation.estimate import Estimate
from segments.recipes.judged import RESAMPLES, day, shown

PENALTIES = (0.01, 0.1, 1.0)  # C; smaller is smoother
USUAL_PENALTY = 0.1
LOGISTIC, BOOSTING, NETWORK = "logistic regression", "gradient boosting", "neural network"
BLEND = "logistic regression and boosting"
LEAST_GAIN = 0.01  # of the Brier score, that a calibration must bring to be kept
SEASON_WAY = "a shift by the same season a year ago"
IMPROVES, WORSENS = "improves", "worsens"
TOO_FEW = "too few snapshots to choose by: the simplest serves"

Shot = tuple[pd.DataFrame, np.ndarray]  # prepared features, and 1 where the event came
Build = Callable[[], Any]


@dataclass(frozen=True)
class Entrant:
    """One estimator that competes, and how it is called."""

    method: str
    build: Build


@dataclass(frozen=True)
class Choice:
    """Who was chosen, and everything that was weighed."""

    base: Entrant  # as it competed
    chosen: Entrant  # the same, or calibrated
    entrants: tuple[Entrant, ...]  # the simplest first
    penalty: float  # of the logistic regression
    penalties: list[dict[str, Any]] = field(default_factory=list)
    losses: dict[str, float] = field(
        default_factory=dict
    )  # log loss by method, where it was judged
    why_not: dict[str, str] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    foretold: pd.Series | None = None  # the chosen one's, of the snapshot it was chosen on

    @property
    def is_seasonal(self) -> bool:
        return isinstance(self.chosen.build(), SeasonalProbability)

    def card(self) -> dict[str, Any]:
        """As the card's ``choice``."""
        return {"rows": self.penalties} if self.penalties else {"note": TOO_FEW}


def choose(
    past: Sequence[Shot],
    *,
    gap: int,
    columns: Sequence[str],
    logistic: Callable[..., Any],
    seed: int,
    year_ago: Shot | None = None,
    network: bool = True,
) -> Choice:
    """Choose on the last snapshot, among estimators fitted where labels were over by then.

    Parameters
    ----------
    past : sequence of Shot
        The training snapshots, oldest first.
    gap : int
        How many snapshots a label window reaches over: so many before the last are not used.
    columns : sequence of str
    logistic : callable
        ``logistic(columns=, C=, random_state=)``.
    year_ago : Shot, optional
        Of a year before the last snapshot, to learn its season from.
    network : bool
        Whether the neural network competes.
    """

    def entrants(C: float) -> tuple[Entrant, ...]:
        given: dict[str, Any] = {"columns": list(columns), "random_state": seed}

        def line() -> Any:
            return logistic(C=C, **given)

        def trees() -> Any:
            return BoostedProbability(**given)

        def both() -> Any:
            return BlendedProbability(models=[line(), trees()], random_state=seed)

        found = [Entrant(LOGISTIC, line), Entrant(BOOSTING, trees), Entrant(BLEND, both)]
        if network:
            found.append(Entrant(NETWORK, lambda: NetworkProbability(**given)))
        return tuple(found)

    early = list(past[: max(len(past) - gap, 0)])
    table, happened = past[-1]
    is_judged = early and np.unique(stacked(early)[1]).size == 2 and np.unique(happened).size == 2
    if not is_judged:
        listed = entrants(USUAL_PENALTY)
        why_not = {entrant.method: TOO_FEW for entrant in listed[1:]}
        note = {
            "decision": f"left as it is: {TOO_FEW.split(':')[0]}",
            "before": None,
            "after": None,
        }
        return Choice(
            listed[0], listed[0], listed, USUAL_PENALTY, why_not=why_not, calibration=note
        )

    def asked(build: Build) -> pd.Series:
        return fitted(build, early).predict_proba(table)

    def loss(p: pd.Series) -> float:
        found = metrics.log_loss(happened, p, seed=seed, resamples=0).value
        return math.inf if found is None else found

    tried = {C: asked(entrants(C)[0].build) for C in PENALTIES}
    penalty = min(PENALTIES, key=lambda C: loss(tried[C]))
    listed = entrants(penalty)
    foretold = {LOGISTIC: tried[penalty]}
    foretold |= {entrant.method: asked(entrant.build) for entrant in listed[1:]}
    best, why_not = _best(listed, foretold, happened, seed=seed)
    chosen, calibration, served = _calibrated(
        best, early, past[-1], foretold[best.method], year_ago=year_ago, seed=seed
    )
    return Choice(
        best,
        chosen,
        listed,
        penalty,
        [{"C": C, "log_loss": loss(p), "chosen": penalty == C} for C, p in tried.items()],
        {method: loss(p) for method, p in foretold.items()},
        why_not,
        calibration,
        served,
    )


def stacked(shots: Sequence[Shot]) -> Shot:
    """All rows of several snapshots."""
    return pd.concat([table for table, _ in shots]), np.concatenate([y for _, y in shots])


def fitted(build: Build, shots: Sequence[Shot], *, year_ago: Shot | None = None) -> Any:
    """Learnt from the snapshots, and where it heeds the season from a year before it is asked."""
    model = build()
    if isinstance(model, SeasonalProbability):
        return model.fit(*stacked(shots), year_ago=year_ago)
    return model.fit(*stacked(shots))


def judged(
    choice: Choice, past: Sequence[Shot], table: pd.DataFrame, y: pd.Series, p: pd.Series, *,
    seed: int,
) -> dict[str, Any]:  # fmt: skip
    """The card's ``competition``: everybody's figures on the test, which chose nobody.

    ``p`` are the chosen one's probabilities of the test; the others are fitted on ``past``.
    """
    rows = []
    for entrant in choice.entrants:
        is_chosen = entrant.method == choice.base.method
        theirs = p if is_chosen else fitted(entrant.build, past).predict_proba(table)
        loss = metrics.log_loss(y, theirs, seed=seed, resamples=RESAMPLES)
        rows.append(
            {
                "method": choice.chosen.method if is_chosen else entrant.method,
                "value": loss.value,
                "low": loss.low,
                "high": loss.high,
                "auc": metrics.auc(y, theirs, resamples=0).value,
                "brier": metrics.brier(y, theirs, resamples=0).value,
                "chosen": is_chosen,
                "chosen_by": choice.losses.get(entrant.method),  # log loss where it was chosen
                "why_not": "" if is_chosen else choice.why_not.get(entrant.method, ""),
            }
        )
    return {"metric": "log_loss", "rows": rows}


def _best(
    listed: Sequence[Entrant], foretold: dict[str, pd.Series], happened: np.ndarray, *, seed: int
) -> tuple[Entrant, dict[str, str]]:
    """The simplest that none is surely better than, and why each other is not."""
    best, why_not = listed[0], {}
    for entrant in listed[1:]:
        gain = metrics.paired_difference(
            metrics.log_loss, happened, foretold[entrant.method], foretold[best.method],
            seed=seed, resamples=RESAMPLES,
        )  # fmt: skip
        between = f"{shown(gain.low, 4)} to {shown(gain.high, 4)}"
        if gain.high is not None and gain.high < 0:
            words = f"the log loss of {entrant.method} minus its own is {between}: surely worse"
            why_not[best.method] = words
            best = entrant
        else:
            is_worse = gain.low is not None and gain.low > 0
            words = "surely worse" if is_worse else "not surely better"
            why_not[entrant.method] = (
                f"its log loss minus that of {best.method} is {between}: {words}"
            )
    return best, why_not


def _calibrated(
    best: Entrant,
    early: Sequence[Shot],
    later: Shot,
    raw: pd.Series,
    *,
    seed: int,
    year_ago: Shot | None = None,
) -> tuple[Entrant, dict[str, Any], pd.Series]:
    """The entrant calibrated where that surely helps on the later snapshot, else as it is.

    A shift by the season is kept unless it surely harms there.  Beside the entrant: what the
    card says, and its probabilities of that snapshot.
    """
    table, happened = later
    before = metrics.brier(happened, raw, resamples=0).value
    tried: dict[str, tuple[Entrant, float, str, pd.Series]] = {}
    for way, entrant in _ways(best, year_ago, seed=seed).items():
        try:
            p = fitted(entrant.build, early, year_ago=year_ago).predict_proba(table)
        except UnusableTable:
            continue
        gain = metrics.paired_difference(
            metrics.brier, happened, p, raw, seed=seed, resamples=RESAMPLES
        )
        after = metrics.brier(happened, p, resamples=0).value
        if after is not None and before is not None:
            tried[way] = entrant, after, _change(gain, before), p
    if not tried:
        decision = "left as it is: too few customers to calibrate on"
        return best, {"decision": decision, "before": before, "after": None}, raw
    # A season is known from the year before: where the later snapshot lies in none it shows little.
    kept = {way for way, found in tried.items() if found[2] == IMPROVES}
    kept |= {way for way in tried if way == SEASON_WAY and tried[way][2] != WORSENS}
    way = min(kept or tried, key=lambda one: tried[one][1])
    entrant, after, change, p = tried[way]
    decision = (
        f"{'calibrated' if kept else 'left as it is'}: {way}, learnt on earlier snapshots, "
        f"{change} the Brier score of a later one"
    )
    card = {"decision": decision, "before": before, "after": after}
    return (entrant, card, p) if kept else (best, card, raw)


def _change(gain: Estimate, before: float) -> str:
    """What a calibration does to the Brier score, as a verb."""
    if gain.low is not None and gain.low > 0:
        return WORSENS
    if gain.high is None or gain.value is None or gain.high >= 0:
        return "does not surely change"
    return IMPROVES if -gain.value >= before * LEAST_GAIN else "hardly improves"


def _ways(best: Entrant, year_ago: Shot | None, *, seed: int) -> dict[str, Entrant]:
    """The entrant in every calibrated form, by what the form is called."""

    def moved(way: str) -> Entrant:
        return Entrant(
            f"{best.method}, calibrated",
            lambda: CalibratedProbability(model=best.build(), way=way, random_state=seed),
        )

    found = {f"{way} calibration": moved(way) for way in WAYS}
    if year_ago is not None:
        found[SEASON_WAY] = Entrant(
            f"{best.method}, in season",
            lambda: SeasonalProbability(model=best.build(), random_state=seed),
        )
    return found


def months(
    choice: Choice,
    past: Sequence[Shot],
    moments: Sequence[datetime],
    *,
    gap: int,
    year_ago: Callable[[datetime], Shot | None] = lambda moment: None,
) -> list[dict[str, Any]]:
    """Expected and observed rates of each snapshot that has earlier ones to learn from."""
    found = []
    for place in range(gap, len(past)):
        table, happened = past[place]
        p = choice.foretold if place == len(past) - 1 else None
        if p is None:
            early = past[: place - gap + 1]
            if np.unique(stacked(early)[1]).size != 2:
                continue
            then = year_ago(moments[place]) if choice.is_seasonal else None
            p = fitted(choice.chosen.build, early, year_ago=then).predict_proba(table)
        found.append(month(moments[place], happened, p))
    return found


def by_month(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `month`, with those of one month taken together."""
    frame = pd.DataFrame(list(rows))
    frame[["expected", "observed"]] = frame[["expected", "observed"]].mul(frame["n"], axis=0)
    sums = frame.groupby("month", as_index=False).sum()
    rates = sums[["expected", "observed"]].div(sums["n"], axis=0).round(4)
    found: list[dict[str, Any]] = json.loads(sums.assign(**rates).to_json(orient="records"))
    return found


def month(moment: datetime, happened: np.ndarray | pd.Series, p: pd.Series) -> dict[str, Any]:
    """One row of the card's ``months``."""
    return {
        "month": day(moment)[:7],
        "n": len(p),
        "expected": round(float(p.mean()), 4),
        "observed": round(float(np.mean(happened)), 4),
    }
