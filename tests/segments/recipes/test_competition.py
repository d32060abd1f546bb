"""The estimator that serves is chosen on later snapshots than it learnt from, by evidence."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from threadpoolctl import threadpool_limits

from segments.estimators.calibrated import CalibratedProbability
from segments.estimators.logistic import LogisticProbability
from segments.recipes import competition

COLUMNS = ["silence", "orders"]
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def shot(seed: int, *, bend=0.0, n=1_500) -> competition.Shot:
    """Customers whose log-odds are straight in the logs, or where ``bend`` is given are not."""
    rng = np.random.default_rng(seed)
    logs = rng.normal(0, 1, (n, 2))
    odds = logs[:, 0] - 0.5 * logs[:, 1] + bend * logs[:, 0] ** 2
    table = pd.DataFrame(np.exp(logs), columns=COLUMNS, index=np.arange(n))
    return table, (rng.random(n) < expit(odds)).astype(int)


def chosen(past, **given) -> competition.Choice:
    given = {"gap": 3, "columns": COLUMNS, "logistic": LogisticProbability, "seed": 0} | given
    return competition.choose(past, **given)


def test_the_simplest_wins_where_none_is_surely_better():
    choice = chosen([shot(seed) for seed in range(4)])

    assert choice.chosen.method == competition.LOGISTIC
    assert set(choice.why_not) == {competition.BOOSTING, competition.BLEND, competition.NETWORK}
    assert all("surely" in words for words in choice.why_not.values())
    assert choice.calibration["decision"].startswith("left as it is")


def test_another_wins_where_the_truth_is_bent():
    choice = chosen([shot(seed, bend=1.2) for seed in range(4)])

    assert choice.base.method != competition.LOGISTIC
    assert "surely worse" in choice.why_not[competition.LOGISTIC]
    assert choice.losses[choice.base.method] < choice.losses[competition.LOGISTIC]


def test_it_is_chosen_on_labels_that_were_over_by_then():
    """Snapshots whose label windows reach into the last one must not matter to the choice."""
    past = [shot(seed, bend=0.8) for seed in range(6)]
    turned = [*past[:3], *((table, 1 - y) for table, y in past[3:5]), past[5]]
    one, other = chosen(past), chosen(turned)

    assert one.losses == other.losses
    assert one.penalties == other.penalties
    assert one.calibration == other.calibration


def test_with_too_few_snapshots_the_simplest_serves_and_says_why():
    choice = chosen([shot(seed) for seed in range(3)])

    assert choice.chosen.method == competition.LOGISTIC
    assert choice.penalty == competition.USUAL_PENALTY
    assert choice.card() == {"note": competition.TOO_FEW}
    assert choice.losses == {}
    table, y = shot(9)
    y = pd.Series(y, index=table.index)
    p = competition.fitted(choice.chosen.build, [shot(0)]).predict_proba(table)
    rows = competition.judged(choice, [shot(0)], table, y, p, seed=0)["rows"]
    assert [row["chosen"] for row in rows] == [True, False, False, False]
    assert all(row["value"] is not None for row in rows)  # judged all the same


class Bold(LogisticProbability):
    """Twice as sure as it should be."""

    def log_odds(self, X):
        return 2 * super().log_odds(X)


def test_calibration_is_kept_where_it_surely_improves_a_later_snapshot():
    early, later = [shot(0), shot(1)], shot(3)
    bold = competition.Entrant("logistic regression", lambda: Bold(columns=COLUMNS))
    raw = competition.fitted(bold.build, early).predict_proba(later[0])
    chosen, card, p = competition._calibrated(bold, early, later, raw, seed=0)

    assert card["decision"].startswith("calibrated: ")
    assert card["after"] == pytest.approx(((p - later[1]) ** 2).mean())
    assert card["after"] < card["before"] == pytest.approx(((raw - later[1]) ** 2).mean())
    assert chosen.method == "logistic regression, calibrated"
    assert isinstance(chosen.build(), CalibratedProbability)


@pytest.mark.parametrize(
    ("ago", "later", "method"),
    [(0.8, 0.8, "logistic regression, in season"), (0.8, -0.8, "logistic regression")],
    ids=["comes again", "does not come again"],
)
def test_a_season_of_a_year_ago_is_kept_unless_it_surely_harms(ago, later, method):
    def moved(seed: int, by: float) -> competition.Shot:
        table, _ = shot(seed)
        logs = np.log(table.to_numpy())
        odds = logs[:, 0] - 0.5 * logs[:, 1] + by
        y = (np.random.default_rng(seed + 90).random(len(table)) < expit(odds)).astype(int)
        return table, y

    early, last = [shot(0), shot(1)], moved(3, later)
    line = competition.Entrant("logistic regression", lambda: LogisticProbability(columns=COLUMNS))
    raw = competition.fitted(line.build, early).predict_proba(last[0])
    chosen, card, _ = competition._calibrated(
        line, early, last, raw, year_ago=moved(5, ago), seed=0
    )

    assert chosen.method == method
    assert card["decision"].startswith("calibrated" if "season" in method else "left as it is")


def test_months_are_foretold_from_labels_that_were_over_by_then():
    past = [shot(seed) for seed in range(6)]
    moments = [NOW + timedelta(days=30 * place) for place in range(6)]
    choice = chosen(past)
    rows = competition.months(choice, past, moments, gap=3)
    early = [*past[:2], *((table, 1 - y) for table, y in past[2:4]), *past[4:]]

    assert [row["month"] for row in rows] == ["2026-08", "2026-09", "2026-10"]
    assert rows[1] == competition.months(choice, early, moments, gap=3)[1]
    assert all(abs(row["expected"] - row["observed"]) < 0.08 for row in rows)
