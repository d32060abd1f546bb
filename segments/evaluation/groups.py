"""Does a model treat and foretell people of one country, language, age or gender as the others?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

GROUPS = ("country", "language", "age_band", "gender")
LEAST_GROUP = 50  # customers; of fewer a rate says little, and might point at persons
RESAMPLES = 2_000
CONFIDENCE = 0.95
FALSE_ALARMS = 0.05  # chance of any warning where all groups are alike
FOUR_FIFTHS = 0.8  # a selection rate below so much of the others' is told (EEOC, 1978)
LEAST_GAP = 0.1  # of the observed mean: a surely wrong but small expectation is not told

DIGITS = 6  # of what is stored
Test = tuple[float, str, dict[str, Any]]  # p-value, what to say, and the row it is about


def by_group(
    y: ArrayLike,
    p: ArrayLike,
    people: pd.DataFrame | None,
    *,
    threshold: float | None,
    seed: int,
) -> dict[str, Any]:
    """Selection, expectation and error for each group of people, with warnings in words.

    Parameters
    ----------
    y : array of shape (n,)
        What happened: 0 or 1, or an amount.
    p : array or Series of shape (n,)
        What was foretold for the same customers. A Series is matched with ``people`` by its
        index; customers that ``people`` does not know belong to no group.
    people : DataFrame, or None
        Columns among ``GROUPS``; empty text or missing is unknown, and left out. Without a
        Series, rows in the order of ``p``.
    threshold : float, or None
        Who is at or above it would be selected; None where nobody is selected by this number.
    seed : int
        Of the intervals of amounts.

    Returns
    -------
    dict
        ``rows``, one a group of ``LEAST_GROUP`` customers or more: ``group``, ``value``, ``n``,
        ``selected_share``, ``expected`` and ``observed`` means, ``low`` and ``high`` of the
        95 % interval of the observed one, ``error`` (mean squared error: the Brier score of a
        probability) and ``is_warning``. ``warnings``: sentences, empty where nothing stands out.

    Notes
    -----
    Every group is set against all others of its kind that are known. With dozens of groups some
    differ by chance, so the p-values are corrected by Holm's method over all tests: where all
    are alike, a warning of any kind comes up in at most 5 % of the models. Beyond being sure, a
    difference must also be large enough to matter (``FOUR_FIFTHS``, ``LEAST_GAP``). A
    difference in selection is no proof of unfairness, for the groups may truly differ: the
    sentence says what was observed of them.

    References
    ----------
    .. [1] Holm (1979). A simple sequentially rejective multiple test procedure. Scandinavian
       Journal of Statistics 6(2), 65-70.
    """
    if people is None:
        return {"rows": [], "warnings": []}
    given = np.asarray(p, dtype=float).ravel()
    truth = np.asarray(y, dtype=float).ravel()
    known = people.reindex(p.index) if isinstance(p, pd.Series) else people
    if not truth.size == given.size == len(known):
        raise ValueError(
            f"found {truth.size} outcomes, {given.size} predictions and {len(known)} people"
        )
    is_whole = np.isfinite(truth) & np.isfinite(given)
    is_binary = bool(np.isin(truth[is_whole], (0.0, 1.0)).all())
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    tests: list[Test] = []
    for group in GROUPS:
        if group not in known:
            continue
        values = known[group].astype(object).where(known[group].notna(), "").to_numpy()
        is_known = is_whole & (values != "")
        names = sorted({str(value) for value in values[is_known]})
        sizes = {name: int((is_known & (values == name)).sum()) for name in names}
        for name in names:
            if sizes[name] < LEAST_GROUP:
                continue
            here = is_known & (values == name)
            others = is_known & ~here
            row = _row(group, name, truth[here], given[here], threshold, is_binary, rng)
            rows.append(row)
            tests.append(_calibration(row, truth[here], given[here], is_binary))
            if threshold is not None and others.sum() >= LEAST_GROUP:
                tests.append(_selection(row, given, truth, here, others, threshold))
    warnings = []
    for p_value, words, row in _sure(tests):
        row["is_warning"] = True
        warnings.append((p_value, words))
    return {"rows": rows, "warnings": [words for _, words in sorted(warnings)]}


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p-values corrected for how many there are; shape as given, in [0, 1].

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    found = np.asarray(p_values, dtype=float)
    order = np.argsort(found, kind="stable")
    raised = found[order] * np.arange(found.size, 0, -1)
    corrected = np.empty(found.size)
    corrected[order] = np.minimum(np.maximum.accumulate(raised), 1.0) if found.size else raised
    return corrected


def _row(
    group: str,
    name: str,
    truth: np.ndarray,
    given: np.ndarray,
    threshold: float | None,
    is_binary: bool,
    rng: np.random.Generator,
) -> dict[str, Any]:
    n, observed = truth.size, float(truth.mean())
    if is_binary:
        found = stats.binomtest(int(truth.sum()), n).proportion_ci(CONFIDENCE, "wilson")
        low, high = float(found.low), float(found.high)
    else:
        low, high = _interval(truth, rng)
    selected = None if threshold is None else round(float((given >= threshold).mean()), DIGITS)
    return {
        "group": group,
        "value": name,
        "n": n,
        "selected_share": selected,
        "expected": round(float(given.mean()), DIGITS),
        "observed": round(observed, DIGITS),
        "error": round(float(((truth - given) ** 2).mean()), DIGITS),
        "low": round(low, DIGITS),
        "high": round(high, DIGITS),
        "is_warning": False,
    }


def _interval(truth: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Of a mean of amounts, by a bootstrap that costs the same however large the group is."""
    part = truth if truth.size <= RESAMPLES else rng.choice(truth, RESAMPLES, replace=False)
    draws = part[rng.integers(0, part.size, (500, part.size))].mean(axis=1)
    shrink = np.sqrt(part.size / truth.size)  # a part varies more than the whole
    away = np.percentile(draws - part.mean(), [2.5, 97.5]) * shrink
    return float(truth.mean() + away[0]), float(truth.mean() + away[1])


def _calibration(
    row: dict[str, Any], truth: np.ndarray, given: np.ndarray, is_binary: bool
) -> Test:
    """Whether what was foretold for the group came; a p-value of 1 where the gap is small."""
    expected, observed = row["expected"], row["observed"]
    gap = abs(observed - expected)
    if gap < LEAST_GAP * max(abs(observed), abs(expected)):
        return 1.0, "", row
    # Under the null each outcome is a coin of its own probability.
    left = truth - given
    spread = (given * (1 - given)).sum() if is_binary else left.size * left.var(ddof=1)
    z = abs(left.sum()) / np.sqrt(spread) if spread > 0 else np.inf
    more = "less" if expected < observed else "more"
    words = (
        f"For {_people(row)} the model expects {more} than came: "
        f"{_shown(expected, is_binary)} against {_shown(observed, is_binary)} (n = {row['n']:,})."
    )
    return float(2 * stats.norm.sf(z)), words, row


def _selection(
    row: dict[str, Any],
    given: np.ndarray,
    truth: np.ndarray,
    here: np.ndarray,
    others: np.ndarray,
    threshold: float,
) -> Test:
    """Whether the group is selected much more rarely or more often than the others."""
    ours, theirs = given[here] >= threshold, given[others] >= threshold
    share, other_share = float(ours.mean()), float(theirs.mean())
    less, more = sorted((share, other_share))
    if more == 0 or less >= FOUR_FIFTHS * more:
        return 1.0, "", row
    table = np.array([[ours.sum(), (~ours).sum()], [theirs.sum(), (~theirs).sum()]])
    p_value = float(stats.fisher_exact(table)[1])
    is_binary = bool(np.isin(truth[here | others], (0.0, 1.0)).all())
    words = (
        f"Of {_people(row)} {share:.0%} would be selected, of the others {other_share:.0%}; "
        f"what was observed of them is {_shown(row['observed'], is_binary)} against "
        f"{_shown(float(truth[others].mean()), is_binary)} (n = {row['n']:,})."
    )
    return p_value, words, row


def _sure(tests: list[Test]) -> list[Test]:
    corrected = holm([p_value for p_value, _, _ in tests])
    return [test for test, p in zip(tests, corrected, strict=True) if p < FALSE_ALARMS]


def _people(row: dict[str, Any]) -> str:
    words = {"age_band": "people aged {}", "country": "people in {}", "gender": "gender {}"}
    return words.get(row["group"], "people who speak {}").format(row["value"])


def _shown(value: float, is_share: bool) -> str:
    return f"{value:.1%}" if is_share else f"{value:,.2f}"
