"""Scores are written in bulk: all or none, for those who are there."""

from datetime import timedelta

import pytest

from customers.features.table import features
from customers.models import Customer, Order
from customers.services import frames
from rapport.errors import Conflict
from segments.estimators.clv import ShrunkenValue
from segments.models import ModelRun, Score, ScoreChange, ScoreSummary
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

    assert scoring.score(run, now=NOW) == 24
    for name in ("clv_365d", "orders_365d", "clv_90d", "orders_90d"):
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
    with django_assert_max_num_queries(40):
        scoring.score(run, now=NOW)
    for place in range(30):
        make_order(make_customer(f"c{place}"), 20, days_ago=place)
    with django_assert_max_num_queries(40):
        scoring.score(run, now=NOW)


def answering(rate: float) -> ModelRun:
    ModelRun.objects.filter(kind="churn_90d").update(state="retired")
    return make_run(state="live", rate=rate)


def test_steps_from_band_to_band_are_kept_but_not_the_first_scores():
    cast = make_cast()
    scoring.score(answering(0.1), now=NOW)
    assert not ScoreChange.objects.exists()
    run = answering(0.8)
    scoring.score(run, now=NOW + timedelta(days=1))

    steps = ScoreChange.objects.values_list("customer", "band_before", "band_after", "run")
    assert set(steps) == {(one.pk, "low", "high", run.pk) for one in cast.values()}
    eve = make_customer("eve2")
    make_order(eve, 20, days_ago=1)
    scoring.score(run, now=NOW + timedelta(days=2))
    new = ScoreChange.objects.get(customer=eve)
    assert (new.band_before, new.band_after) == ("", "high")
    Order.objects.filter(customer=eve).delete()
    scoring.score(run, now=NOW + timedelta(days=3))
    gone = ScoreChange.objects.filter(customer=eve).latest("pk")
    assert (gone.band_before, gone.band_after) == ("high", "")


def test_each_scoring_says_how_its_scores_are_spread():
    make_cast()
    run = valued()
    scoring.score(run, now=NOW)
    values = sorted(Score.objects.filter(name="clv_365d").values_list("value", flat=True))
    found = ScoreSummary.objects.get(name="clv_365d")

    assert (found.run, found.as_of, found.n) == (run, NOW, len(values))
    assert found.mean == pytest.approx(sum(values) / len(values))
    assert sum(found.counts) == len(values) and len(found.edges) == len(found.counts) + 1
    assert found.edges[0] <= values[0] and values[-1] <= found.edges[-1] + 1e-6
    scoring.score(answering(0.1), now=NOW)
    churn = ScoreSummary.objects.get(name="churn_90d")
    assert churn.bands == {"low": 4}
    assert churn.counts == [0, 0, 4] + [0] * 17  # 0.1 is the beginning of the third bin
    scoring.score(run, now=NOW)  # again at the same moment: no second row
    assert ScoreSummary.objects.filter(name="clv_365d").count() == 1


def test_what_did_not_change_is_not_written_again():
    make_cast()
    run = answering(0.1)
    scoring.score(run, now=NOW)
    scoring.score(run, now=NOW)
    Score.objects.update(as_of=NOW - timedelta(days=1))

    scoring.score(run, now=NOW)
    assert set(Score.objects.values_list("as_of", flat=True)) == {NOW - timedelta(days=1)}


def test_a_run_replaced_while_it_was_scoring_writes_nothing(monkeypatch):
    make_cast()
    run = answering(0.1)
    scoring.score(run, now=NOW)
    hold = scoring.hold

    def hold_late(*, may_wait):
        ModelRun.objects.update(state="retired")
        return hold(may_wait=may_wait)

    monkeypatch.setattr(scoring, "hold", hold_late)
    make_order(make_customer("eve2"), 20, days_ago=1)

    assert scoring.score(run, now=NOW + timedelta(days=1)) == 0
    assert Score.objects.count() == 4
