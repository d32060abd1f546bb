"""Scores follow whose facts changed, and never fight with a scoring of everybody."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from customers.models import Customer
from customers.services import privacy, touches
from segments import tasks
from segments.models import MembershipChange, ModelRun, Score, ScoreChange
from segments.services import artefacts, membership, scoring, touched
from tests.makers import NOW, make_customer, make_order, make_segment
from tests.segments.test_promotion import make_run

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    from django.core.cache import cache

    cache.delete(touched.SNAPSHOT)
    monkeypatch.setattr(touched, "_loaded", {})


@pytest.fixture
def shop() -> dict[str, Customer]:
    """Ada and Bob, long silent, scored by a run whose rates fall with the days of silence."""
    cast = {name: make_customer(name) for name in ("ada", "bob")}
    for customer in cast.values():
        make_order(customer, 20, days_ago=300)
    scoring.score(run_by_recency(), now=NOW)
    touched.sweep(now=NOW)
    return cast


def run_by_recency() -> ModelRun:
    run = make_run(state="live")
    rule = artefacts.load(run)
    rule.rates_[:] = [0.1, 0.2, 0.3, 0.8, 0.9]
    artefacts.store(run, rule)
    return run


def buys(customer: Customer, *, hours_ago: float = 1) -> None:
    make_order(customer, 20, days_ago=hours_ago / 24)
    touches.record([customer.pk], NOW)


def band(customer: Customer) -> str:
    return Score.objects.get(customer=customer, name="churn_90d").band


def test_an_order_moves_the_score_of_its_customer_and_of_nobody_else(shop):
    assert (band(shop["ada"]), band(shop["bob"])) == ("high", "high")
    buys(shop["ada"])
    assert touched.sweep(now=NOW + MINUTE) == 1

    assert (band(shop["ada"]), band(shop["bob"])) == ("low", "high")
    moments = dict(Score.objects.values_list("customer__email", "as_of"))
    assert moments == {"ada@example.com": NOW + MINUTE, "bob@example.com": NOW}
    step = ScoreChange.objects.get()
    assert (step.customer_id, step.band_before, step.band_after) == (shop["ada"].pk, "high", "low")


def test_whoever_is_touched_five_times_is_scored_once_and_then_left_alone(shop):
    for hours in range(1, 6):
        buys(shop["ada"], hours_ago=hours)

    assert touched.sweep(now=NOW + MINUTE) == 1
    assert touched.sweep(now=NOW + 2 * MINUTE) == 0


def test_a_lost_memory_of_the_last_look_scores_again_rather_than_not(shop):
    from django.core.cache import cache

    buys(shop["ada"])
    cache.delete(touched.SNAPSHOT)

    assert touched.sweep(now=NOW + MINUTE) >= 1
    assert band(shop["ada"]) == "low"


def test_the_first_order_gives_a_first_score(shop):
    eve = make_customer("eve")
    buys(eve)
    touched.sweep(now=NOW + MINUTE)

    assert band(eve) == "low"


def test_segments_follow_the_score_that_moved(shop):
    where = {"type": "score", "name": "churn_90d", "op": "band", "value": ["high"]}
    segment = make_segment("leaving", rule={"version": 1, "where": where})
    membership.refresh_all(now=NOW)
    assert segment.memberships.count() == 2
    buys(shop["ada"])
    touched.sweep(now=NOW + MINUTE)

    assert [one.customer_id for one in segment.memberships.all()] == [shop["bob"].pk]
    change = MembershipChange.objects.get(segment=segment, kind="exited")
    assert (change.customer_id, change.cause) == (shop["ada"].pk, "model")


def test_the_erased_lose_their_scores(shop):
    privacy.erase(shop["ada"].pk, user=None, now=NOW)
    scoring.write_some(  # a scoring that read her facts before
        ModelRun.objects.get(), artefacts.load(ModelRun.objects.get()),
        _table(shop["bob"]), [shop["ada"].pk, shop["bob"].pk], now=NOW,
    )  # fmt: skip
    touched.sweep(now=NOW + MINUTE)

    assert list(Score.objects.values_list("customer", flat=True)) == [shop["bob"].pk]


def _table(customer: Customer):
    from customers.features.table import features
    from customers.services import frames

    facts = frames.facts(known_at=NOW, customer_ids=[customer.pk], with_events=True)
    return features(facts, NOW)


def test_a_scoring_of_everybody_as_of_an_earlier_moment_keeps_the_newer_score(shop):
    buys(shop["ada"])
    touched.sweep(now=NOW + MINUTE)
    scoring.score(ModelRun.objects.get(), now=NOW - MINUTE)

    assert Score.objects.get(customer=shop["ada"]).as_of == NOW + MINUTE
    assert band(shop["ada"]) == "low"


def test_a_new_run_scores_everybody_and_the_touched_once_more(shop):
    buys(shop["ada"])
    touched.sweep(now=NOW + MINUTE)
    ModelRun.objects.update(state="retired")
    other = run_by_recency()
    scoring.score(other, now=NOW)  # of what was known before her order was

    assert set(Score.objects.values_list("run", flat=True)) == {other.pk}
    assert touched.sweep(now=NOW + 2 * MINUTE) == 1
    assert band(shop["ada"]) == "low"


def test_a_run_that_was_just_promoted_scores_everybody_first(shop):
    before = ModelRun.objects.get()
    ModelRun.objects.update(state="retired")
    run_by_recency()
    buys(shop["ada"])
    touched.sweep(now=NOW + MINUTE)

    assert set(Score.objects.values_list("run", flat=True)) == {before.pk}
    assert band(shop["ada"]) == "low"


def test_while_scores_are_swapped_the_touched_wait_for_the_next_look(shop):
    buys(shop["ada"])
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [scoring.LOCK])
        assert touched.sweep(now=NOW + MINUTE) == 0
        assert band(shop["ada"]) == "high"
    other.close()
    tasks.score_touched()

    assert band(shop["ada"]) == "low"


def test_a_changed_artefact_scores_nobody_touched(shop):
    run = ModelRun.objects.get()
    content = bytearray(run.artefact.content)
    content[len(content) // 2] ^= 1
    run.artefact.content = bytes(content)
    type(run.artefact).objects.filter(run=run).update(content=bytes(content))
    buys(shop["ada"])
    touched.sweep(now=NOW + MINUTE)

    assert band(shop["ada"]) == "high"


def test_where_anybody_may_be_touched_everybody_is_scored_but_not_again_and_again(
    shop, monkeypatch
):
    asked = []
    monkeypatch.setattr(tasks.score_everybody, "apply_async", lambda *_, **__: asked.append(1))
    make_order(shop["ada"], 20, days_ago=0.1)
    touches.record_everybody(NOW)
    now = datetime.now(UTC)  # jobs are stamped by the clock
    touched.sweep(now=now)
    assert asked == [1]
    tasks.score_everybody()
    assert Score.objects.get(customer=shop["ada"]).as_of > NOW

    touches.record_everybody(NOW)
    touched.sweep(now=now)
    assert asked == [1]
    touched.sweep(now=now + touched.EVERYBODY_EVERY + MINUTE)  # it was not forgotten
    assert asked == [1, 1]


def test_a_top_share_begins_where_the_last_scoring_of_everybody_left_it(shop):
    """Else one customer's new score would move others, whom nobody asks about."""
    eve = make_customer("eve")
    make_order(eve, 20, days_ago=10)
    scoring.score(ModelRun.objects.get(), now=NOW)  # 0.9, 0.9 and 0.1
    touched.sweep(now=NOW)
    where = {"type": "score", "name": "churn_90d", "op": "top_share", "value": 0.4}
    segment = make_segment("riskiest", rule={"version": 1, "where": where})
    membership.refresh_all(now=NOW)
    both = {shop["ada"].pk, shop["bob"].pk}
    assert {one.customer_id for one in segment.memberships.all()} == both
    for customer in shop.values():
        buys(customer)
    touched.sweep(now=NOW + MINUTE)
    assert not segment.memberships.exists()  # all have 0.1, and 0.9 is still asked for

    membership.verify(now=NOW + 2 * MINUTE)
    segment.refresh_from_db()
    assert segment.differences == 0 and not segment.memberships.exists()
    scoring.score(ModelRun.objects.get(), now=NOW + 3 * MINUTE)
    membership.refresh_all(now=NOW + 3 * MINUTE)
    assert {one.customer_id for one in segment.memberships.all()} == both | {eve.pk}
