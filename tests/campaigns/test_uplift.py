"""From the arms of a finished campaign one learns whom its message moved."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.urls import reverse

from campaigns import tasks
from campaigns.models import Assignment, Campaign
from campaigns.services import planning, reports, uplift
from customers.models import Order
from rapport.errors import Conflict
from rapport.models import Run
from segments.models import ModelRun
from tests.makers import NOW, make_campaign, make_crowd, make_segment, make_staff

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
CLOSED = NOW + 8 * DAY  # the window is 7 days


def order(customer_ids, moments, *, discount: float = 0.0, name: str = "o") -> None:
    Order.objects.bulk_create(
        Order(
            source="shop",
            external_id=f"{name}{place}",
            customer_id=customer_id,
            total=Decimal(20),
            discount=Decimal(str(discount)),
            currency="EUR",
            happened_at=moment,
            recorded_at=moment,
        )
        for place, (customer_id, moment) in enumerate(zip(customer_ids, moments, strict=True))
    )


def launched(n: int, *, holdout_share: float = 0.4) -> Campaign:
    """Half of the customers bought at a discount before; the message wins those, and only those."""
    rng = np.random.default_rng(1)
    crowd = make_crowd(n)
    ids = np.array([customer.pk for customer in crowd])
    likes = rng.random(n) < 0.5
    for chosen, discount, name in ((likes, 8.0, "d"), (~likes, 0.0, "p")):
        days = rng.uniform(20, 300, chosen.sum())
        order(ids[chosen].tolist(), [NOW - day * DAY for day in days], discount=discount, name=name)
    campaign = make_campaign(make_segment("all", crowd), holdout_share=holdout_share)
    planning.launch(campaign, user=None, now=NOW)
    planning.plan(campaign.pk, now=NOW)
    arms = dict(Assignment.objects.filter(campaign=campaign).values_list("customer_id", "arm"))
    treated = np.array([arms.get(pk) == "treated" for pk in ids])
    buys = rng.random(n) < 0.15 + 0.4 * (treated & likes)
    order(ids[buys].tolist(), [NOW + DAY] * int(buys.sum()), name="w")
    return campaign


@pytest.fixture
def campaign() -> Campaign:
    return launched(1_000)


def test_whom_the_message_moved_is_learnt_from_its_arms(campaign):
    run = uplift.learn(campaign, now=CLOSED)

    assert (run.kind, run.subject, run.state) == ("uplift", f"campaign-{campaign.pk}", "live")
    assert run.metrics["qini"]["low"] > 0
    assert run.card["qini"]["rule"] == "most discount_share first"
    assert run.card["advice"].startswith("Write to ")
    report = {arm.arm: arm for arm in reports.report(campaign, now=CLOSED).arms}
    for name in ("treated", "holdout"):
        found = run.card["arms"][name]
        assert (found["n"], found["buyers"]) == (report[name].n, report[name].buyers)


def test_features_are_those_of_the_draw_and_orders_after_it_are_not_in_them(campaign):
    drawn = uplift._drawn_at(campaign)
    arms = uplift._arms(campaign, drawn, now=CLOSED)

    table = uplift._table(arms, drawn)

    assert table["orders_total"].max() == 1 and arms["outcome"].sum() > 100
    assert table.index.tolist() == arms.index.tolist()


def test_a_small_campaign_says_how_many_more_it_needs():
    run = uplift.learn(launched(150), now=CLOSED)

    assert run.state == "fallback"
    assert run.summary.startswith("Too little to tell who gains from this message: it needs ")
    assert "more customers left alone" in run.summary


@pytest.mark.parametrize(
    ("given", "now", "words"),
    [
        ({"holdout_share": 0.4}, NOW + DAY, "Orders count until 2026-06-08"),
        ({"holdout_share": 0.0}, CLOSED, "Nobody was left alone by chance"),
    ],
)
def test_too_early_or_without_a_holdout_it_is_refused_in_words(given, now, words):
    campaign = launched(20, **given)

    with pytest.raises(Conflict, match=words):
        uplift.learn(campaign, now=now)
    assert not ModelRun.objects.exists()


def test_a_draft_has_nothing_to_learn_from():
    campaign = make_campaign(make_segment("all", make_crowd(3)))

    assert uplift.obstacle(campaign, now=CLOSED).startswith("It was not launched")


def test_asking_twice_makes_one_job_and_the_task_does_it(campaign):
    first, second = (uplift.ask(campaign, user=None, now=CLOSED) for _ in range(2))
    assert first == second

    tasks.learn_uplift(campaign.pk, first.pk)

    first.refresh_from_db()
    assert first.state == Run.State.DONE and first.result["run"] == uplift.newest(campaign).pk


def test_the_page_asks_and_then_shows_curve_table_and_advice(campaign, client):
    client.force_login(make_staff("manager"))
    address = reverse("campaign_uplift", args=[campaign.pk])
    assert "Learn from it" in client.get(address).content.decode()

    answer = client.post(address)
    assert answer.status_code == 302 and Run.objects.filter(kind="uplift").exists()
    uplift.learn(campaign, now=CLOSED)

    text = client.get(address).content.decode()
    assert "X-learner" in text and "response model" in text and "Write to " in text
    assert "Qini" in text and "extra orders" in text
    card = client.get(reverse("model", args=[uplift.newest(campaign).pk]))
    assert card.status_code == 200 and "response model" in card.content.decode()
