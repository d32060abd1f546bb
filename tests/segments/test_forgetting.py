"""Whoever is erased goes out of stored models too, and those are trained anew."""

import numpy as np
import pytest

from customers.features.table import features
from customers.models import Customer
from customers.services import frames, identity, privacy
from segments.estimators.clusters_density import LogDBSCAN
from segments.models import ModelRun, Score, ScoreChange
from segments.services import artefacts, scoring, touched, training
from tests.makers import NOW, ago, make_customer, make_order
from tests.segments.shops import make_shop
from tests.segments.test_promotion import make_run

pytestmark = pytest.mark.django_db
COLUMNS = ["orders_total", "revenue_total", "days_since_last_order"]


def erase(customer: Customer) -> int:
    return privacy.erase(customer.pk, user=None, now=NOW).rows["scores"]


def by_density() -> ModelRun:
    facts = frames.facts(known_at=NOW, with_events=True)
    estimator = LogDBSCAN(columns=COLUMNS).fit(features(facts, NOW))
    run = make_run(kind="clusters", state="live", method="DBSCAN on log features, 2 clusters")
    run.card["map"] = {"points": [[0.1, 0.2, 0]]}
    run.save()
    artefacts.store(run, estimator, judged=estimator)
    return run


def test_her_reference_point_goes_and_no_other():
    make_shop(300)
    run = by_density()
    table = features(frames.facts(known_at=NOW, with_events=True), NOW)
    before = artefacts.load(run)
    scaled = before.scaler_.transform(table)

    def place_of(row: np.ndarray) -> list[int]:
        return np.flatnonzero(np.abs(before.references_ - row).max(axis=1) < 1e-9).tolist()

    hers = next(number for number, row in enumerate(scaled) if len(place_of(row)) == 1)
    kept = np.delete(before.references_, place_of(scaled[hers]), axis=0)
    erase(Customer.objects.get(pk=table.index[hers]))

    for part in ("serving", "judged"):
        after = artefacts.load(run, part=part)
        np.testing.assert_array_equal(after.references_, kept)
        assert len(after.reference_places_) == len(kept)
    run.refresh_from_db()
    assert run.card["map"]["points"] == []
    assert "taken down" in run.card["limits"][-1]


def test_what_learnt_from_her_is_marked_with_a_count_and_no_name():
    ada, bob, eve = (make_customer(name) for name in ("ada", "bob", "eve"))
    for customer in (ada, bob):
        make_order(customer, 20, days_ago=10)
    run = make_run(state="live")
    training.ask_for_retraining(run, "Moved since its training: orders_90d.")
    erase(eve)  # nothing was learnt from her
    run.refresh_from_db()
    assert run.retrain_because == "Moved since its training: orders_90d."
    erase(ada)
    erase(ada)
    erase(bob)

    run.refresh_from_db()
    words = "Moved since its training: orders_90d. 2 people erased since."
    assert run.retrain_because == words
    assert training.due(now=NOW)["churn_90d"] == words


def test_who_came_after_a_training_does_not_have_it_repeated():
    ada = make_customer("ada")
    make_order(ada, 20, days_ago=1)
    run = make_run(state="live")
    ModelRun.objects.update(as_of=ago(5))
    erase(ada)

    run.refresh_from_db()
    assert run.retrain_because == ""


def test_scores_and_their_history_go():
    ada, bob = make_customer("ada"), make_customer("bob")
    for customer in (ada, bob):
        make_order(customer, 20, days_ago=10)
        ScoreChange.objects.create(
            name="churn_90d", customer=customer, run=make_run(), happened_at=NOW, band_after="low"
        )
    scoring.score(make_run(state="live"), now=NOW)

    assert erase(ada) == 2
    assert [one.customer_id for one in Score.objects.all()] == [bob.pk]
    assert [one.customer_id for one in ScoreChange.objects.all()] == [bob.pk]


@pytest.mark.django_db(transaction=True)
def test_after_a_merge_the_survivor_alone_is_scored():
    ada, bob = make_customer("ada"), make_customer("bob")
    for customer in (ada, bob):
        make_order(customer, 20, days_ago=10)
    scoring.score(make_run(state="live"), now=NOW)
    touched.sweep(now=NOW)
    identity.merge(ada.pk, bob.pk, rule="person", now=NOW)
    touched.sweep(now=NOW)

    assert [one.customer_id for one in Score.objects.all()] == [ada.pk]
