"""One run of a kind serves; it goes live only when it is not worse, and may be rolled back."""

from datetime import timedelta

import pandas as pd
import pytest
from django.db import IntegrityError, transaction

from rapport.errors import Conflict
from rapport.models import AuditEntry
from segments.estimators.churn import RecencyBandRate
from segments.models import ForecastPoint, ModelRun, Score
from segments.services import artefacts, promotion, scoring
from tests.makers import NOW, make_customer, make_order, make_staff

pytestmark = pytest.mark.django_db


def make_run(*, state="judged", kind="churn_90d", rate=None, comparison=None, **given) -> ModelRun:
    """A run of the rule of thumb, whose answer is ``rate`` for everybody."""
    run = ModelRun.objects.create(
        kind=kind, state=state, as_of=NOW, created_at=NOW, summary="Ranks well.",
        card={"comparisons": [comparison] if comparison else [], "limits": []}, **given,
    )  # fmt: skip
    assumed = (rate if rate is not None else 0.5,) * 5
    rule = RecencyBandRate(column="days_since_last_order", assumed=assumed)
    artefacts.store(run, rule.fit(pd.DataFrame({"days_since_last_order": []}), []))
    return run


def compared(low: float, high: float, *, decides=True, against="baseline") -> dict:
    is_worse = high < 0
    return {
        "metric": "auc", "words": "AUC", "against": against, "decides": decides,
        "higher_is_better": True, "is_worse": is_worse,
        "difference": {"value": (low + high) / 2, "low": low, "high": high, "n": 500},
    }  # fmt: skip


def test_a_judged_run_goes_live_and_the_one_before_retires():
    first, second = make_run(), make_run()
    manager = make_staff("manager")
    promotion.promote(first, user=manager, now=NOW)
    promotion.promote(second, user=manager, now=NOW + timedelta(hours=1))

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("retired", "live")
    assert second.promoted_at == NOW + timedelta(hours=1)
    assert AuditEntry.objects.filter(action="model.promoted", actor="manager").count() == 2


@pytest.mark.parametrize("against", ["baseline", "live run"])
def test_a_run_that_is_surely_worse_is_refused_and_says_why(against):
    live = promotion.promote(make_run(), user=None, now=NOW)
    run = promotion.promote(
        make_run(comparison=compared(-0.05, -0.01, against=against)), user=None, now=NOW
    )

    run.refresh_from_db()
    live.refresh_from_db()
    assert (run.state, live.state) == ("refused", "live")
    assert run.summary.startswith(f"Refused: its AUC is worse than that of the {against} by 0.03")
    assert "-0.05 to -0.01" in run.summary


@pytest.mark.parametrize(
    "comparison", [compared(-0.05, 0.01), compared(0.01, 0.02), compared(-0.2, -0.1, decides=False)]
)
def test_what_may_be_chance_or_does_not_decide_is_no_reason(comparison):
    run = promotion.promote(make_run(comparison=comparison), user=None, now=NOW)

    assert run.state == "live"


def test_a_defect_is_a_reason():
    run = make_run()
    run.card["defects"] = ["the clusters agree by 0.40 only, 0.75 is the least"]
    run.save()

    assert promotion.promote(run, user=None, now=NOW).state == "refused"


def test_promoting_twice_changes_nothing_and_a_refused_run_stays_refused():
    run = make_run()
    promotion.promote(run, user=None, now=NOW)
    assert promotion.promote(run, user=None, now=NOW + timedelta(days=1)).promoted_at == NOW

    with pytest.raises(Conflict, match="only a judged run"):
        promotion.promote(make_run(state="refused"), user=None, now=NOW)


def test_the_database_holds_one_live_run_a_kind():
    make_run(state="live")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_run(state="live")
    make_run(state="live", kind="clv_365d")


def test_rolling_back_walks_back_and_not_to_and_fro():
    runs = [make_run() for _ in range(3)]
    for hour, run in enumerate(runs):
        promotion.promote(run, user=None, now=NOW + timedelta(hours=hour))
    promotion.stand_in(make_run(state="training"))
    ModelRun.objects.filter(state="fallback").update(state="retired")  # was never promoted

    assert promotion.roll_back("churn_90d", user=None, now=NOW).pk == runs[1].pk
    assert promotion.roll_back("churn_90d", user=None, now=NOW).pk == runs[0].pk
    with pytest.raises(Conflict, match="nothing to go back to"):
        promotion.roll_back("churn_90d", user=None, now=NOW)
    assert promotion.serving("churn_90d").pk == runs[0].pk


def test_a_promotion_by_hand_enqueues_the_scoring(monkeypatch):
    asked = []
    monkeypatch.setattr("rapport.bells.enqueue", lambda task, *given: asked.append((task, given)))
    run = promotion.promote(make_run(), user=None, now=NOW)
    promotion.promote(make_run(), user=None, now=NOW, then_score=False)

    assert [(task.name, given) for task, given in asked] == [("segments.tasks.rescore", (run.pk,))]


def test_scores_follow_the_run_that_serves():
    ada = make_customer("ada")
    make_order(ada, 20, days_ago=5)
    for hour, rate in enumerate((0.2, 0.8)):
        run = promotion.promote(make_run(rate=rate), user=None, now=NOW + timedelta(hours=hour))
        assert scoring.rescore(run.pk, now=NOW) == 1
    score = Score.objects.get(customer=ada)
    assert (score.value, score.band, score.run_id) == (0.8, "high", run.pk)

    before = promotion.roll_back("churn_90d", user=None, now=NOW)
    assert scoring.rescore(run.pk, now=NOW) == 0  # it does not serve any more
    assert scoring.rescore(before.pk, now=NOW) == 1
    score.refresh_from_db()
    assert (score.value, score.band, score.run_id) == (0.2, "low", before.pk)


def test_a_forecast_keeps_no_estimator_and_can_be_rolled_back_to():
    runs = []
    for hour in range(2):
        run = make_run(kind="forecast")
        run.artefact.delete()
        ForecastPoint.objects.create(
            run=run, subject_kind="shop", measure="orders", week_start=NOW.date(),
            expected=3, low=1, high=5, baseline=2,
        )  # fmt: skip
        runs.append(promotion.promote(run, user=None, now=NOW + timedelta(hours=hour)))

    assert promotion.roll_back("forecast", user=None, now=NOW) == runs[0]
    assert promotion.serving("forecast") == runs[0]
