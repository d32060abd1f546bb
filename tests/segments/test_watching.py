"""Models that serve are watched: customers who move, and what was foretold, come to light."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.db.models import F
from django.urls import reverse

from customers.features.labels import labels
from customers.features.table import features
from customers.models import Order
from customers.services import frames
from segments import tasks
from segments.estimators.churn import LogisticChurn
from segments.models import DriftCheck, ModelRun
from segments.recipes import churn
from segments.services import artefacts, references, watching
from tests.makers import NOW, ago, make_staff
from tests.segments.learnt import estimate
from tests.segments.shops import make_shop

pytestmark = pytest.mark.django_db
COLUMNS = list(churn.COLUMNS)
TOLD = {name for name in COLUMNS if name not in churn.DERIVED}


@pytest.fixture
def shop():
    return make_shop(400, days=600)


def serve(*, at, state="live", keep_reference: bool = True, **given) -> ModelRun:
    """A live model of churn, fitted on the quarter before ``at``."""
    facts = frames.facts(known_at=NOW)
    before = at - timedelta(days=90)
    churned = ~labels(facts, before, horizon_days=90)["has_ordered"].astype(bool)
    model = LogisticChurn(columns=COLUMNS)
    model.fit(churn.prepared(features(facts, before)), churned.astype(float))
    card = {"features": [{"name": name} for name in COLUMNS]}
    if keep_reference:
        card["reference"] = references.of_training("churn_90d", model, features(facts, at))
    run = ModelRun.objects.create(
        kind="churn_90d",
        state=state,
        as_of=at,
        created_at=at,
        promoted_at=at,
        **{"card": card, "metrics": {"auc": estimate(0.75, 0.08)}, **given},
    )
    artefacts.store(run, model, judged=model)
    return run


def multiply_prices(factor: str) -> None:
    Order.objects.update(total=F("total") * Decimal(factor))


def found(run: ModelRun, kind: str) -> dict[str, DriftCheck]:
    return {row.name: row for row in DriftCheck.objects.filter(run=run, kind=kind)}


def test_a_model_whose_customers_are_as_they_were_has_no_alarm(shop):
    run = serve(at=ago(1))

    rows = watching.watch(now=NOW)

    run.refresh_from_db()
    assert {row.kind for row in rows} == {"feature", "score"}
    assert set(found(run, "feature")) == TOLD and set(found(run, "score")) == {"churn_90d"}
    assert not watching.alarms().exists() and run.retrain_because == ""


def test_a_unit_gone_wrong_alarms_in_words_and_asks_for_training(shop):
    run = serve(at=ago(1))
    multiply_prices("100")

    watching.watch(now=NOW)

    run.refresh_from_db()
    alarm = found(run, "feature")["revenue_90d"]
    assert alarm.is_alarm and alarm.statistic > alarm.threshold > 0
    assert alarm.words.startswith("revenue_90d has moved: PSI ")
    assert alarm.detail["bins"]
    assert not found(run, "feature")["orders_total"].is_alarm
    assert alarm in list(watching.alarms())
    assert run.retrain_because.startswith("Moved since its training: ")


def test_a_reference_that_was_not_kept_is_made_again_from_what_was_known_then(shop):
    run = serve(at=ago(100), keep_reference=False)
    kept = serve(at=ago(100), state="retired")

    watching.watch(now=NOW)

    ours = found(run, "feature")["orders_90d"]
    facts = frames.facts(known_at=NOW)
    theirs = watching.check(kept, facts, features(facts, NOW), now=NOW)
    assert ours.statistic == pytest.approx(
        next(row.statistic for row in theirs if row.name == "orders_90d")
    )


def test_what_was_foretold_is_judged_once_its_horizon_is_over(shop):
    run = serve(at=ago(121))

    watching.watch(now=NOW)

    quality = found(run, "quality")
    assert set(quality) == {"auc", "calibration"}
    auc = quality["auc"]
    assert 0.6 < auc.statistic < 1 and auc.threshold == pytest.approx(0.67)
    assert not auc.is_alarm and "within what was promised" in auc.words
    assert [row["month"] for row in auc.detail["months"]] == [
        f"{ago(121):%Y-%m}", f"{ago(91):%Y-%m}",
    ]  # fmt: skip
    for month in auc.detail["months"]:
        assert 0 < month["observed"] < 1 and month["n"] > 100


def test_the_judgement_agrees_with_a_count_of_who_came(shop):
    run = serve(at=ago(95))

    watching.watch(now=NOW)

    (month,) = found(run, "quality")["auc"].detail["months"]
    bought = Order.objects.filter(happened_at__lt=run.as_of)
    at_risk = set(
        bought.filter(happened_at__gte=run.as_of - timedelta(days=365)).values_list(
            "customer_id", flat=True
        )
    )
    came = set(
        Order.objects.filter(
            happened_at__gte=run.as_of, happened_at__lt=run.as_of + timedelta(days=90)
        ).values_list("customer_id", flat=True)
    )
    assert month["n"] == len(at_risk)
    assert month["observed"] == pytest.approx(1 - len(at_risk & came) / len(at_risk), abs=1e-4)


def test_a_broken_promise_alarms_and_asks_for_training(shop):
    run = serve(at=ago(100), metrics={"auc": estimate(0.99, 0.005)})

    watching.watch(now=NOW)

    run.refresh_from_db()
    alarm = found(run, "quality")["auc"]
    assert alarm.is_alarm and "worse than promised (0.985 to 0.995)" in alarm.words
    assert "auc" in run.retrain_because


def test_what_an_earlier_model_foretold_badly_is_told_and_asks_for_nothing(shop):
    old = serve(at=ago(100), state="retired", metrics={"auc": estimate(0.99, 0.005)})
    new = serve(at=ago(1))

    watching.watch(now=NOW)

    new.refresh_from_db()
    alarm = found(new, "quality")["auc"]
    assert alarm.is_alarm and alarm.detail["foretold_by"] == old.pk
    assert new.retrain_because == ""


def test_alarms_are_those_of_the_newest_look_at_live_models(shop):
    run = serve(at=ago(1))
    multiply_prices("100")
    watching.watch(now=NOW)
    assert watching.alarms().count() >= 1

    multiply_prices("0.01")
    watching.watch(now=NOW + timedelta(hours=1))

    assert not watching.alarms().exists()
    assert DriftCheck.objects.filter(run=run, is_alarm=True).exists()  # the past stays told


def test_looking_twice_at_one_moment_changes_nothing(shop):
    serve(at=ago(1))

    watching.watch(now=NOW)
    before = DriftCheck.objects.count()
    watching.watch(now=NOW)

    assert DriftCheck.objects.count() == before


def test_a_model_that_cannot_be_read_is_still_compared_and_leaves_the_others_alone(shop):
    run = serve(at=ago(1))
    run.artefact.content = b"broken"
    run.artefact.save()

    watching.watch(now=NOW)

    assert found(run, "feature") and all(
        row.statistic is None for row in found(run, "score").values()
    )


def test_nothing_live_is_nothing_to_watch():
    assert watching.watch(now=NOW) == []


def test_old_checks_are_forgotten(shop):
    run = serve(at=ago(1))
    DriftCheck.objects.create(run=run, kind="feature", name="x", checked_at=ago(400))

    watching.watch(now=NOW)

    assert not DriftCheck.objects.filter(name="x").exists()


def test_the_task_looks_at_what_is_live(shop):
    run = serve(at=ago(1))

    tasks.watch()

    assert DriftCheck.objects.filter(run=run).exists()


def test_only_counts_are_kept_of_the_customers_trained_on(shop):
    facts = frames.facts(known_at=NOW)
    table = features(facts, NOW)

    kept = references.of_training("churn_90d", None, table)

    assert kept["scores"] == {} and set(kept["features"]) == set(table.columns)
    assert all(sum(counted["counts"]) == len(table) for counted in kept["features"].values())
    assert np.all([len(counted["counts"]) < 60 for counted in kept["features"].values()])


def test_the_home_page_tells_of_what_has_moved_and_where_to_look(shop, client):
    run = serve(at=ago(1))
    client.force_login(make_staff("manager"))
    assert "moved away from what was learnt" not in client.get(reverse("home")).content.decode()
    multiply_prices("100")
    watching.watch(now=NOW)

    text = client.get(reverse("home")).content.decode()

    assert "moved away from what was learnt" in text
    assert reverse("model", args=[run.pk]) in text
