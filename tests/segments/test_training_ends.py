"""Trainings that are cancelled, killed or refused leave what served as it was."""

import os
import signal
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from django.db import connection

from customers.features.table import features
from customers.services import frames
from rapport import runs
from rapport.models import Run
from segments import tasks
from segments.models import ForecastPoint, ModelArtefact, ModelRun, Score
from segments.services import artefacts, promotion, scoring, training
from tests.conftest import wait_until
from tests.makers import NOW, make_customer, make_order
from tests.segments.shops import make_shop

CLV = "clv_365d"
committed = pytest.mark.django_db(transaction=True)


def champion(as_of: datetime) -> tuple[ModelRun, dict]:
    training.retrain(as_of=as_of, kinds=[CLV])
    run = promotion.serving(CLV)
    assert run is not None and run.state == "live"
    return run, scores()


def scores() -> dict:
    return {(one.customer_id, one.name): (one.run_id, one.value) for one in Score.objects.all()}


def spin(*_given, **_more):
    while True:
        sum(range(1_000))


@committed
def test_a_cancel_ends_a_training_within_seconds_and_leaves_the_champion(monkeypatch):
    make_shop()
    run, before = champion(NOW)
    endless = replace(training.RECIPES[CLV], train=spin)
    monkeypatch.setitem(training.RECIPES, CLV, endless)
    asked_at = []

    def cancel_when_it_trains():
        try:
            training_one = ModelRun.objects.filter(state="training")
            wait_until(training_one.exists, what="the training")
            asked_at.append(monotonic())
            runs.request_cancel(Run.objects.latest("pk"))
        finally:
            connection.close()

    other = threading.Thread(target=cancel_when_it_trains)
    other.start()
    trained = training.retrain(as_of=NOW, kinds=[CLV], now=NOW + timedelta(hours=1))
    other.join()

    assert monotonic() - asked_at[0] < 10
    assert trained == []
    assert Run.objects.latest("pk").state == Run.State.CANCELLED
    cancelled = ModelRun.objects.latest("pk")
    assert (cancelled.state, cancelled.error) == ("failed", "Cancelled.")
    assert promotion.serving(CLV) == run and scores() == before


@committed
@pytest.mark.slow
def test_a_training_killed_half_way_leaves_the_champion_and_the_next_succeeds(start_worker):
    now = datetime.now(UTC)
    make_shop(until=now)
    run, before = champion(now)
    job = runs.create("retrain", "Retrain", user=None)
    worker = start_worker()
    tasks.retrain.apply_async((job.pk, [CLV]))
    wait_until(ModelRun.objects.filter(state="training").exists, what="the training")
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait(10)

    assert promotion.serving(CLV) == run and scores() == before
    wait_until(lambda: training.find_abandoned(now=now) == 1, what="the end of its connection")
    killed = ModelRun.objects.latest("pk")
    assert (killed.state, killed.error) == ("failed", "Its process died.")
    runs.mark_lost(now=datetime.now(UTC) + timedelta(seconds=runs.LOST_AFTER_SECONDS))
    job.refresh_from_db()
    assert job.state == Run.State.LOST
    (after,) = training.retrain(as_of=now, kinds=[CLV])
    assert after.state == "live" and promotion.serving(CLV) == after
    assert {run_id for run_id, _value in scores().values()} == {after.pk}


@pytest.mark.django_db
def test_of_two_trainings_at_a_time_the_second_is_refused_in_words():
    make_order(make_customer("ada"), 20)
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [training.LOCK])
        with pytest.raises(training.Busy, match="at work: wait for it"):
            training.retrain(as_of=NOW, kinds=[CLV])
        tasks.retrain()  # as at night: no error, its row says so
    other.close()

    assert not ModelRun.objects.exists()
    assert set(Run.objects.values_list("state", flat=True)) == {"failed"}
    (run,) = training.retrain(as_of=NOW, kinds=[CLV])
    assert run.state == "fallback"


@pytest.mark.django_db
def test_a_worse_challenger_is_refused_a_better_one_promoted_and_rolled_back(monkeypatch):
    make_shop()
    first, _ = champion(NOW)
    learn = training.RECIPES[CLV]

    def learn_too_much(*given, **more):
        judged = learn.train(*given, **more)
        worse = [
            replace(one, difference=replace(one.difference, low=9, value=9, high=9))
            for one in judged.comparisons
            if one.against == "live run" and one.decides
        ]
        assert worse and not worse[0].higher_is_better  # it was held against the champion
        return replace(judged, comparisons=worse)  # fmt: skip

    monkeypatch.setitem(training.RECIPES, CLV, replace(learn, train=learn_too_much))
    (refused,) = training.retrain(as_of=NOW, kinds=[CLV])
    assert refused.state == "refused" and "worse than that of the live run" in refused.summary
    assert promotion.serving(CLV) == first
    monkeypatch.setitem(training.RECIPES, CLV, learn)
    (better,) = training.retrain(as_of=NOW, kinds=[CLV], now=NOW + timedelta(hours=1))
    assert promotion.serving(CLV) == better
    back = promotion.roll_back(CLV, user=None, now=NOW)
    assert back == first and promotion.serving(CLV) == first


@pytest.mark.django_db
def test_one_changed_byte_in_any_kind_s_artefact_scores_nobody_and_leaves_the_scores():
    for place in range(30):
        make_order(make_customer(f"c{place}"), 20, days_ago=5 + place)
    training.retrain(as_of=NOW)
    before = scores()
    table = features(frames.facts(known_at=NOW, with_events=True), NOW)
    stored = list(ModelArtefact.objects.select_related("run"))
    assert {one.run.kind for one in stored} >= {"churn_90d", CLV}
    for one in stored:
        content = bytearray(one.content)
        content[len(content) // 2] ^= 1
        ModelArtefact.objects.filter(pk=one.pk).update(content=bytes(content))
        with pytest.raises(artefacts.ArtefactRefused, match="checksum differs"):
            artefacts.load(one.run)
        assert scoring.write_serving(one.run.kind, table, now=NOW + timedelta(days=1)) == 0

    assert scores() == before


@pytest.mark.django_db
def test_the_weeks_of_a_forecast_are_written_with_its_run():
    make_shop()
    (first,) = training.retrain(as_of=NOW, kinds=["forecast"])

    points = ForecastPoint.objects.filter(run=first, subject_kind="shop", measure="orders")
    assert points.exists() and {point.subject for point in points} == {""}
    for point in points:
        assert point.week_start.weekday() == 0
        assert point.low <= point.expected <= point.high
