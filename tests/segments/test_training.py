"""From orders in the database to live models, scores and segments."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import call_command
from scipy.special import logit

from customers.models import Customer, Order
from rapport import runs
from rapport.models import Run
from segments import tasks
from segments.models import Cluster, ModelRun, Score
from segments.services import training
from tests.makers import NOW, make_customer, make_order, make_product, make_staff
from tests.segments.shops import make_shop

pytestmark = pytest.mark.django_db
CHURN, CLV, CLUSTERS, FORECAST = "churn_90d", "clv_365d", "clusters", "forecast"


def only(kind: str, **given) -> ModelRun:
    (run,) = training.retrain(as_of=NOW, kinds=[kind], **given)
    run.refresh_from_db()
    return run


def test_a_shop_with_a_history_gets_three_live_models_and_everybody_is_scored():
    make_shop()
    trained = training.retrain(as_of=NOW)

    states = {run.kind: run.state for run in trained}
    assert {kind: states[kind] for kind in (CLUSTERS, CHURN, CLV)} == dict.fromkeys(
        (CLUSTERS, CHURN, CLV), "live"
    )
    buyers = Order.objects.values("customer").distinct().count()
    scored = {name: Score.objects.filter(name=name).count() for name in
              ("cluster", "clv_365d", "orders_365d", "next_order_days", "churn_90d")}  # fmt: skip
    assert scored["cluster"] == scored["clv_365d"] == scored["orders_365d"] == buyers
    assert 0 < scored["churn_90d"] < buyers  # those long gone are not scored
    job = Run.objects.get(kind="retrain")
    assert job.state == Run.State.DONE
    assert {kind: job.result["scores"][kind] for kind in (CLUSTERS, CHURN, CLV)} == {
        CLUSTERS: buyers, CHURN: scored["churn_90d"],
        CLV: 5 * buyers + scored["next_order_days"],
    }  # fmt: skip


def test_a_run_says_what_it_learnt_from_how_good_it_is_and_where_it_fails():
    make_shop()
    run = only(CHURN)

    assert run.metrics["auc"]["value"] > run.baseline["auc"]["value"]
    for name in ("auc", "brier", "log_loss", "lift_10"):
        found = run.metrics[name]
        assert found["low"] < found["value"] < found["high"]
        assert found["n"] == run.card["split"]["test_rows"]
    assert run.card["split"]["test"] == f"{NOW - timedelta(days=90):%Y-%m-%d}"
    assert run.card["split"]["train"][-1] <= f"{NOW - timedelta(days=180):%Y-%m-%d}"
    assert run.card["bands"] == {"medium": 0.4, "high": 0.7}
    assert {"window", "n", "features", "label", "limits", "reliability"} <= run.card.keys()
    assert run.versions["scikit-learn"] and len(run.data_sha256) == 64
    assert "AUC" in run.summary
    assert run.created_at <= run.finished_at


@pytest.mark.long
def test_the_same_facts_give_the_same_run():
    make_shop()
    first, second = only(CLV), only(CLV)

    assert first.data_sha256 == second.data_sha256
    assert first.metrics == second.metrics
    make_order(Customer.objects.first(), 30, days_ago=2)
    assert only(CLV).data_sha256 != first.data_sha256


@pytest.mark.long
def test_the_next_day_s_run_takes_the_place_of_the_live_one():
    """Compared with what serves, which knows the test, an equal successor would be refused."""
    make_shop()
    for kind in (CHURN, CLV):
        first, second = only(kind), only(kind)
        first.refresh_from_db()

        assert (first.state, second.state) == ("retired", "live"), second.summary
        against = {one["against"]: one for one in second.card["comparisons"]}
        assert against["live run"]["difference"]["value"] == pytest.approx(0, abs=1e-6)


def test_reasons_of_churn_are_observations_that_add_up_to_the_score():
    make_shop()
    only(CHURN)

    for score in Score.objects.filter(name="churn_90d")[:50]:
        total = sum(reason["contribution"] for reason in score.reasons)
        assert total == pytest.approx(logit(score.value), abs=0.001)
        assert score.band == ("low", "medium", "high")[(score.value >= 0.4) + (score.value >= 0.7)]
        assert len(score.reasons) == 6
    words = json.dumps(list(Score.objects.values_list("reasons", flat=True)))
    assert "has not ordered for " in words
    assert "; usually comes every " in words
    assert "has ordered once in " in words


@pytest.mark.long
def test_what_happens_after_as_of_changes_no_run():
    make_shop(until=NOW - timedelta(days=30))
    before = training.retrain(as_of=NOW - timedelta(days=30), kinds=[CHURN])[0]
    make_order(Customer.objects.last(), 500, days_ago=3)
    after = training.retrain(as_of=NOW - timedelta(days=30), kinds=[CHURN])[0]

    assert after.data_sha256 == before.data_sha256
    assert after.metrics == before.metrics


def empty():
    return "200 more customers with two orders"


def one_order():
    make_order(make_customer("ada"), 20, days_ago=10)


def refunds_only():
    ada = make_customer("ada")
    make_order(ada, -20, days_ago=10, kind="refund")


def one_customer_often():
    ada = make_customer("ada")
    for days in range(1, 400, 20):
        make_order(ada, 20, days_ago=days)


def all_alike():
    for place in range(210):
        customer = make_customer(f"c{place}")
        make_order(customer, 20, days_ago=40, product=make_product("mug"))


def no_price():
    for place in range(3):
        make_order(make_customer(f"c{place}"), 0, days_ago=5 + place)


def long_silent():
    make_shop(300, until=NOW - timedelta(days=800))


@pytest.mark.parametrize(
    "shop", [empty, one_order, refunds_only, one_customer_often, all_alike, no_price, long_silent]
)
def test_a_shop_with_too_little_gets_a_rule_of_thumb_and_a_sentence(shop):
    shop()
    trained = training.retrain(as_of=NOW)

    for run in trained:
        run.refresh_from_db()
        assert run.error == ""
        assert run.summary.endswith(".")
        if shop is long_silent or (shop is one_customer_often and run.kind == FORECAST):
            continue  # a year of regular orders can be forecast, whoever they are from
        assert run.state == "fallback", run.kind
        assert "more " in run.summary or "differ" in run.summary
    assert Run.objects.get(kind="retrain").state == Run.State.DONE


def test_a_rule_of_thumb_scores_who_ordered_and_says_how_much_is_missing():
    one_customer_often()
    run = only(CHURN)

    assert "199 more customers with two orders (there are 1 of 200)" in run.summary
    score = Score.objects.get(name="churn_90d")
    assert score.value < 0.41  # 40 per cent is assumed of those seen in the last 30 days
    assert score.reasons[0]["words"].startswith("has not ordered for 1 day")
    only(CLV)
    assert Score.objects.get(name="clv_365d").value > 0


def test_facts_that_end_long_ago_are_pointed_out():
    long_silent()
    run = only(CHURN)

    assert "retrain as of that day" in " ".join(run.card["limits"])
    assert not Score.objects.exists()


def test_a_new_rule_of_thumb_retires_the_one_before():
    one_order()
    first, second = only(CHURN), only(CHURN)

    first.refresh_from_db()
    assert (first.state, second.state) == ("retired", "fallback")


@pytest.mark.parametrize(("kind", "score"), [(CHURN, "churn_90d"), (CLV, "clv_365d")])
def test_a_refused_model_leaves_the_rule_of_thumb_serving_until_one_passes(
    monkeypatch, kind, score
):
    make_shop(300)
    learn = training.RECIPES[kind]

    def learn_badly(*given, **more):
        judged = learn.train(*given, **more)
        return replace(judged, defects=["it is planted to be refused"])

    monkeypatch.setitem(training.RECIPES, kind, replace(learn, train=learn_badly))
    only(kind)

    states = dict(ModelRun.objects.values_list("method", "state"))
    assert sorted(states.values()) == ["fallback", "refused"]
    serving = ModelRun.objects.get(state="fallback")
    assert serving.summary.startswith("The trained model of")
    assert set(Score.objects.filter(name=score).values_list("run", flat=True)) == {serving.pk}

    only(kind)  # refused again: what serves stays
    assert list(ModelRun.objects.filter(state="fallback")) == [serving]
    monkeypatch.setitem(training.RECIPES, kind, learn)
    only(kind)
    serving.refresh_from_db()
    assert serving.state == "retired"
    assert ModelRun.objects.get(state="live").kind == kind


def test_one_kind_that_fails_leaves_the_others_alone(monkeypatch):
    make_shop(300)
    fails = replace(training.RECIPES[CLV], train=lambda *given, **more: 1 / 0)
    monkeypatch.setitem(training.RECIPES, CLV, fails)
    trained = training.retrain(as_of=NOW, kinds=[CHURN, CLV])

    assert {run.kind: run.state for run in trained} == {CHURN: "live", CLV: "failed"}
    assert "ZeroDivisionError" in trained[1].error
    assert Score.objects.filter(name="churn_90d").exists()


def test_an_unknown_kind_is_refused_before_anything_is_written():
    with pytest.raises(training.UnknownKind, match="churn_90d"):
        training.retrain(as_of=NOW, kinds=["weather"])
    assert not Run.objects.exists()


def test_a_cancelled_job_is_not_begun():
    job = Run.objects.create(
        kind="retrain", title="Retrain", state=Run.State.CANCELLED, created_at=NOW
    )
    assert training.retrain(as_of=NOW, run_id=job.pk) == []
    assert not ModelRun.objects.exists()


def test_the_task_does_the_job_it_is_given():
    one_order()
    job = runs.create("retrain", "Retrain models", user=make_staff("analyst"))
    tasks.retrain(job.pk, [CHURN])

    job.refresh_from_db()
    assert job.state == Run.State.DONE
    run = ModelRun.objects.get()
    assert (run.kind, run.started_by.username) == (CHURN, "analyst")
    Score.objects.all().delete()
    tasks.rescore(run.pk)
    assert Score.objects.exists()


def test_the_command_says_what_came_out(capsys):
    one_order()
    call_command("retrain", "--kind", "churn_90d", "--as-of", "2026-05-31", verbosity=0)

    assert capsys.readouterr().out.startswith("churn_90d: fallback. Too little")
    assert not Cluster.objects.exists()
