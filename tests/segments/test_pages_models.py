"""The models page at a glance and all that a card may hold: drift, approval, methods, groups."""

import pytest
from django.urls import reverse

from segments.models import DriftCheck, LearntApproval, ModelRun
from tests.makers import NOW, ago, make_staff
from tests.segments.learnt import estimate, make_run

pytestmark = pytest.mark.django_db
QUERIES_MOST = 15
CARD = {
    "competition": {"metric": "log_loss", "rows": [
        {"method": "logistic regression", **estimate(0.5), "auc": 0.74, "chosen": True},
        {"method": "network", **estimate(0.52), "auc": 0.73, "why_not": "not surely better"},
    ]},
    "reliability": [{"n": 40, "expected": 0.2, "observed": 0.25, "observed_low": 0.1,
                     "observed_high": 0.4}],
    "calibration": {"decision": "Left alone.", "before": 0.01, "after": None},
    "months": [{"month": f"2026-0{at}", "n": 9, "expected": 0.4, "observed": 0.3 + at / 100}
               for at in (1, 2, 3)],
    "deciles": [{"decile": 1, "n": 40, "expected": 0.8, "observed": 0.7, "lift": 1.75},
                {"decile": 2, "n": 40, "expected": 0.2, "observed": 0.1, "lift": 0.25}],
    "importance": [{"feature": "orders_90d", "value": 0.03, "low": 0.02, "high": 0.04}],
    "groups": {"rows": [
        {"group": "age_band", "value": "65+", "n": 80, "selected_share": 0.2, "expected": 0.3,
         "observed": 0.5, "error": 0.2, "low": 0.4, "high": 0.6, "is_warning": True},
        {"group": "country", "value": "FR", "n": 90, "selected_share": None, "expected": 0.3,
         "observed": 0.3, "error": 0.1, "low": 0.2, "high": 0.4, "is_warning": False},
    ], "warnings": ["For people aged 65+ the model expects less than came."]},
    "stability": {"rank correlation": 0.97},
    "intervals": {"stated": 0.8, "covered": 0.79, "low": 0.77, "high": 0.81, "n": 1000},
    "horizon": {"days": 90, "words": "Nine of ten gaps end within 90 days.", "quantile": 0.9},
    "qini": {"curve": [[0, 0], [0.5, 4], [1, 5]],
             "rows": [{"method": "T-learner", "qini": 0.2, "low": 0.1, "high": 0.3,
                       "chosen": True}]},
    "advice": "Write to everybody: no order of customers is surely better.",
}  # fmt: skip


@pytest.fixture
def as_role(client):
    def enter(role: str):
        client.force_login(make_staff(role))
        return client

    return enter


def make_check(run: ModelRun, name: str, *, is_alarm: bool, days_ago: float = 0.0, **given):
    fields = {
        "kind": "feature",
        "checked_at": ago(days_ago),
        "statistic": 0.3 if is_alarm else 0.01,
        "threshold": 0.05,
        "n_reference": 500,
        "n_now": 480,
        "words": f"{name} has moved further than chance would.",
    }
    return DriftCheck.objects.create(run=run, name=name, is_alarm=is_alarm, **{**fields, **given})


def test_a_card_with_everything_draws_everything(as_role, django_assert_max_num_queries):
    run = make_run(card={"comparisons": [], **CARD})
    make_check(run, "orders_90d", is_alarm=True)
    viewer = as_role("viewer")
    with django_assert_max_num_queries(QUERIES_MOST):
        text = viewer.get(reverse("model", args=[run.pk])).content.decode()

    for sentence in (
        "2 methods competed; chosen: logistic regression",
        "not surely better",
        "Left alone. Held-out customers",
        "at most 9.0 points apart, in 2026-01",
        "The first tenth holds 1.75 times the average",
        "Without orders, 90 days it would lose most",
        "1 of 2 groups stand out",
        "For people aged 65+ the model expects less than came.",
        "orders, 90 days has moved away",
        "orders_90d has moved further than chance would.",
        "stated to hold 80% of the customers; held 79.0%",
        "Nine of ten gaps end within 90 days.",
        "Write to everybody: no order of customers is surely better.",
    ):
        assert sentence in text, sentence
    assert text.count("data-chart=") == text.count("<summary>Table</summary>") == 9


def test_only_the_newest_look_at_a_run_counts(as_role):
    run = make_run()
    make_check(run, "orders_90d", is_alarm=True, days_ago=2)
    make_check(run, "orders_90d", is_alarm=False)
    text = as_role("viewer").get(reverse("models")).content.decode()

    assert "No alarm in 1 check" in text and "Alarm:" not in text


def test_alarms_refusals_and_the_step_back_are_seen_at_a_glance(
    as_role, django_assert_max_num_queries
):
    make_run(state="retired", promoted_at=ago(9))
    live = make_run(retrain_because="3 customers were erased")
    refused = make_run(state="refused", summary="Refused: its AUC is worse.")
    make_check(live, "orders_90d", is_alarm=True)
    make_check(live, "auc", is_alarm=True, kind="quality")
    manager = as_role("manager")
    with django_assert_max_num_queries(QUERIES_MOST):
        text = manager.get(reverse("models")).content.decode()

    assert "; 1 has drifted." in text
    assert "Alarm: orders, 90 days." in text and "Alarm: quality: AUC." in text
    assert "3 customers were erased" in text
    assert f"Last refused: run {refused.pk}" in text and "Refused: its AUC is worse." in text
    assert "Go back to run" in text


def test_a_manager_approves_a_kind_and_takes_it_back(as_role):
    make_run()
    manager = as_role("manager")
    assert b"May not be targeted yet" in manager.get(reverse("models")).content
    asked = {"kind": "churn_90d", "note": "Read the card"}
    text = manager.post(reverse("models_approve"), asked, follow=True).content.decode()

    assert "May be targeted:" in text and "Read the card" in text
    assert LearntApproval.objects.get().kind == "churn_90d"

    manager.post(reverse("models_withdraw"), {"kind": "churn_90d"})
    assert not LearntApproval.objects.exists()


def test_a_kind_that_is_none_is_refused_in_words(as_role):
    answer = as_role("manager").post(reverse("models_approve"), {"kind": "luck"}, follow=True)

    assert "luck" in answer.content.decode() and not LearntApproval.objects.exists()


@pytest.mark.parametrize("address", ["models_approve", "models_withdraw"])
def test_an_analyst_approves_nothing(as_role, address):
    LearntApproval.objects.create(kind="clv_365d", approved_at=NOW)
    answer = as_role("analyst").post(reverse(address), {"kind": "churn_90d"})

    assert answer.status_code == 403
    assert LearntApproval.objects.get().kind == "clv_365d"
