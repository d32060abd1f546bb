"""A shop with next to nothing to learn from: every kind and every command says so in a sentence."""

import logging
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from customers.services import touches
from rapport.models import Run
from segments.models import ModelRun, Score
from segments.recipes.registry import RECIPES
from segments.services import promotion, touched, training, watching
from tests.makers import NOW, make_customer, make_event, make_order, make_product

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def nothing():
    """Not even a customer."""


def customers_without_orders():
    for place in range(30):
        make_customer(f"c{place}")


def visitors_only():
    for place in range(30):
        make_event(make_customer(f"c{place}"), days_ago=place)


def thirty_customers():
    for place in range(30):
        customer = make_customer(f"c{place}")
        for number in range(1 + place % 3):
            make_order(customer, 10 + place, days_ago=5 + 9 * place + 40 * number)


def one_order():
    make_order(make_customer("ada"), 20, days_ago=10)


def order_of_this_second():
    make_order(make_customer("ada"), 20, days_ago=0.00002)


def one_product_at_one_price():
    mug = make_product("mug")
    for place in range(30):
        make_order(make_customer(f"c{place}"), 20, days_ago=40 + place, product=mug)


def all_the_same_day():
    for place in range(30):
        make_order(make_customer(f"c{place}"), 20, days_ago=40)


def refunds_only():
    for place in range(3):
        make_order(make_customer(f"c{place}"), -20, days_ago=10, kind="refund")


def free_of_charge():
    for place in range(30):
        make_order(make_customer(f"c{place}"), 0, days_ago=5 + place)


SHOPS = [
    nothing, customers_without_orders, visitors_only, thirty_customers, one_order,
    order_of_this_second, one_product_at_one_price, all_the_same_day, refunds_only, free_of_charge,
]  # fmt: skip


@pytest.mark.parametrize("shop", SHOPS, ids=lambda shop: shop.__name__)
def test_every_kind_and_command_answers_a_thin_shop_in_sentences(shop, capsys, caplog):
    shop()
    with caplog.at_level(logging.ERROR):
        call_command("retrain", "--as-of", f"{NOW.isoformat()}", verbosity=0)
        call_command("models", "list")
        said = capsys.readouterr().out
        training.nightly(now=NOW + DAY)
        training.score_everybody(now=NOW + 2 * DAY)
        touches.record_everybody(NOW)
        touched.sweep(now=NOW + 2 * DAY)
        watching.watch(now=NOW + 2 * DAY)

    assert not caplog.records
    for kind in RECIPES:
        run = ModelRun.objects.filter(kind=kind).first()
        assert run is not None and run.error == ""
        assert run.state in ("fallback", "live"), (kind, run.state, run.summary)
        assert run.summary.endswith(".") and run.summary in said
        assert promotion.serving(kind) is not None
        with pytest.raises(CommandError, match="nothing to go back to"):
            call_command("models", "rollback", kind)
    assert not Run.objects.exclude(state="done").exists()
    for score in Score.objects.all():
        assert score.value == score.value and abs(score.value) < 1e9


def test_a_shop_without_news_is_not_trained_for_nothing(capsys):
    one_order()
    assert set(training.due(now=NOW)) == set(RECIPES)
    training.nightly(now=NOW)
    runs = ModelRun.objects.count()

    assert training.due(now=NOW + 30 * DAY) == {}
    assert training.nightly(now=NOW + 30 * DAY) == []
    assert ModelRun.objects.count() == runs
    assert Run.objects.first().kind == "score"  # everybody's silence is longer by a month


def test_new_orders_age_and_failures_make_a_kind_due():
    for place in range(20):
        make_order(make_customer(f"c{place}"), 20, days_ago=30 + place)
    training.nightly(now=NOW)
    make_order(make_customer("eve"), 20, happened_at=NOW + DAY)
    later = NOW + 2 * DAY
    assert training.due(now=later) == {}  # one in twenty-one, and two days
    assert training.due(now=NOW + 8 * DAY) == dict.fromkeys(RECIPES, "it is 8 days old")
    for place in range(3):
        make_order(make_customer(f"new{place}"), 20, happened_at=NOW + DAY)
    assert set(training.due(now=later).values()) == {"4 of 24 orders are new since"}
    ModelRun.objects.filter(kind="churn_90d").update(state="failed")

    assert training.due(now=later)["churn_90d"] == "the last training failed"


def test_an_unknown_run_or_kind_is_refused_by_the_command_in_a_sentence():
    with pytest.raises(CommandError, match="there is no run 7"):
        call_command("models", "promote", "7")
    with pytest.raises(CommandError, match="kinds are weather, expected some of"):
        call_command("models", "retrain", "weather")
