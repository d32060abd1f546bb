"""Scores are written in bulk: all or none, for those who are there."""

import pytest

from customers.features.table import features
from customers.models import Customer
from customers.services import frames
from rapport.errors import Conflict
from segments.estimators.clv import ShrunkenValue
from segments.models import ModelRun, Score
from segments.recipes import values
from segments.services import artefacts, scoring
from tests.makers import NOW, make_cast, make_customer, make_order
from tests.segments.test_promotion import make_run

pytestmark = pytest.mark.django_db


def valued() -> ModelRun:
    run = ModelRun.objects.create(kind="clv_365d", state="live", as_of=NOW, created_at=NOW)
    table = features(frames.facts(known_at=NOW), NOW)
    artefacts.store(run, ShrunkenValue().fit(values.prepared(table)))
    return run


def test_every_buyer_gets_one_score_a_name():
    cast = make_cast()
    make_customer("never")
    run = valued()

    assert scoring.score(run, now=NOW) == 8
    for name in ("clv_365d", "orders_365d"):
        found = Score.objects.filter(name=name)
        assert {score.customer_id for score in found} == {one.pk for one in cast.values()}
        assert {score.run_id for score in found} == {run.pk}
        assert {score.as_of for score in found} == {NOW}
    ada = Score.objects.get(customer=cast["ada"], name="orders_365d")
    eve = Score.objects.get(customer=cast["eve"], name="orders_365d")
    assert ada.value > eve.value
    assert [reason["feature"] for reason in ada.reasons] == ["orders", "spend"]
    assert "has ordered 5 times in 150 days" in ada.reasons[0]["words"]


def test_scoring_again_replaces_and_forgets_who_is_not_scored_any_more():
    ada = make_customer("ada")
    make_order(ada, 20, days_ago=10)
    run = make_run(state="live")
    scoring.score(run, now=NOW)
    bob = make_customer("bob")
    make_order(bob, 20, days_ago=1)

    assert scoring.score(run, now=NOW) == 2
    assert Score.objects.count() == 2
    later = NOW.replace(year=NOW.year + 2)  # nobody is at risk any more: all left long ago
    assert scoring.score(run, now=later) == 0
    assert not Score.objects.exists()


def test_the_erased_are_not_scored():
    ada, bob = make_customer("ada"), make_customer("bob")
    make_order(ada, 20, days_ago=10)
    make_order(bob, 20, days_ago=10)
    Customer.objects.filter(pk=ada.pk).update(erased_at=NOW)

    assert scoring.score(make_run(state="live"), now=NOW) == 1
    assert Score.objects.get().customer_id == bob.pk


def test_blocks_of_customers_give_what_one_block_gives(monkeypatch):
    make_cast()
    run = valued()
    scoring.score(run, now=NOW)
    whole = set(Score.objects.values_list("customer", "name", "value"))
    monkeypatch.setattr(scoring, "BLOCK_CUSTOMERS", 1)
    scoring.score(run, now=NOW)

    assert set(Score.objects.values_list("customer", "name", "value")) == whole


def test_scores_of_one_kind_leave_the_others_alone():
    make_cast()
    scoring.score(valued(), now=NOW)
    before = Score.objects.count()
    scoring.score(make_run(state="live"), now=NOW)

    assert Score.objects.filter(name="churn_90d").count() == 4
    assert Score.objects.count() == before + 4


@pytest.mark.parametrize("state", ["judged", "refused", "retired", "failed", "training"])
def test_only_what_serves_may_score(state):
    with pytest.raises(Conflict, match="only a live run"):
        scoring.score(make_run(state=state), now=NOW)


def test_the_number_of_statements_does_not_grow_with_the_customers(
    django_assert_max_num_queries,
):
    make_cast()
    run = valued()
    with django_assert_max_num_queries(20):
        scoring.score(run, now=NOW)
    for place in range(30):
        make_order(make_customer(f"c{place}"), 20, days_ago=place)
    with django_assert_max_num_queries(20):
        scoring.score(run, now=NOW)
