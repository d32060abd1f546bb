"""The catalogue of features: a page and an API."""

import pytest
from django.urls import reverse

from customers.features import table
from customers.services import sampling
from rapport.errors import NotFound
from segments.models import ModelRun
from segments.web.features import run_label
from tests.makers import NOW, ago, make_cast, make_crowd, make_event, make_order, make_staff

pytestmark = pytest.mark.django_db
QUERIES_MOST = 15


@pytest.fixture
def viewer(client):
    client.force_login(make_staff("viewer"))
    return client


def make_run(**given) -> ModelRun:
    card = {
        "features": [
            {"name": "orders_90d", "meaning": "Purchases."},
            {"name": "own", "meaning": ""},
        ]
    }
    fields = {"kind": "churn_90d", "state": "live", "as_of": NOW, "created_at": NOW, "card": card}
    return ModelRun.objects.create(**{**fields, **given})


def test_the_page_names_every_feature_with_its_meaning(viewer, django_assert_max_num_queries):
    with django_assert_max_num_queries(QUERIES_MOST):
        page = viewer.get(reverse("features")).content.decode()

    for feature in table.catalogue():
        assert f'<code class="r-soft">{feature.name}</code>' in page
    assert f"{len(table.catalogue())} numbers known of every customer" in page


def test_the_page_says_which_serving_models_use_a_feature(viewer):
    make_run(state="fallback", card={"features": [{"name": "orders_30d"}]})
    serving = make_run()
    make_run(state="retired", card={"features": [{"name": "orders_365d"}]})

    found = {
        name: viewer.get(reverse("feature", args=[name])).content.decode()
        for name in ("orders_90d", "orders_30d", "orders_365d")
    }

    link = reverse("model", args=[serving.pk])
    assert f'<a href="{link}">{run_label(serving)}</a>' in found["orders_90d"]
    assert "no model that serves now" in found["orders_30d"]
    assert "no model that serves now" in found["orders_365d"]
    assert f'<a href="{link}">' in viewer.get(reverse("features")).content.decode()


def test_features_are_found_by_word_and_topic(viewer):
    by_word = viewer.get(reverse("features"), {"q": "clicked 30 days"}).content.decode()
    by_topic = viewer.get(reverse("features"), {"topic": "Reviews"}).content.decode()
    nothing = viewer.get(reverse("features"), {"q": "zodiac"}).content.decode()

    assert "email_click_share_30d" in by_word and "orders_90d" not in by_word
    assert "last_rating" in by_topic and "orders_90d" not in by_topic
    assert "No feature fits this." in nothing


@pytest.mark.parametrize("name", ["orders_total", "searches_30d"])
def test_a_feature_shows_how_customers_are_spread(viewer, name, django_assert_max_num_queries):
    cast = make_cast()

    with django_assert_max_num_queries(QUERIES_MOST):
        page = viewer.get(reverse("feature", args=[name])).content.decode()

    assert sampling.named(name).meaning in page and f"<code>{name}</code>" in page
    assert f"Of {len(cast)} customers drawn at random" in page


def test_a_feature_of_a_shop_without_customers_has_a_page(viewer):
    for name in ("orders_total", "days_since_last_click"):
        page = viewer.get(reverse("feature", args=[name])).content.decode()

        assert "No customer drawn has a value yet" in page


def test_an_unknown_feature_is_not_found(viewer):
    assert viewer.get(reverse("feature", args=["charm"])).status_code == 404
    with pytest.raises(NotFound, match="no feature charm"):
        sampling.named("charm")


def test_the_spread_counts_everybody_once():
    crowd = make_crowd(40)
    for place, customer in enumerate(crowd[:30]):
        for day in range(1 + place % 3):
            make_order(customer, 10 + place, days_ago=1 + day)
    make_event(crowd[35], "Product Viewed", days_ago=2)

    orders = sampling.spread(sampling.named("orders_total"), now=NOW)
    gaps = sampling.spread(sampling.named("mean_gap_days"), now=NOW)
    paid = sampling.spread(sampling.named("revenue_total"), now=NOW)

    assert (orders.customers, orders.missing) == (31, 0)
    assert [(each.least, each.customers) for each in orders.bins] == [
        (0, 1), (1, 10), (2, 10), (3, 10),
    ]  # fmt: skip
    assert (gaps.customers, gaps.known) == (31, 20)
    assert sum(each.customers for each in paid.bins) == paid.known == 31
    assert [each.least for each in paid.bins] == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110]


def test_customers_are_drawn_from_all_numbers_there_are(monkeypatch):
    crowd = make_crowd(60)
    crowd[3].erased_at = ago(1)
    crowd[3].save()
    everybody = {customer.pk for customer in crowd} - {crowd[3].pk}

    assert set(sampling._drawn()) == everybody
    monkeypatch.setattr(sampling, "DRAWN", 10)
    some, again = sampling._drawn(), sampling._drawn()
    monkeypatch.setattr(sampling, "TRIED", 40)
    fewer = sampling._drawn()

    assert some == again and len(some) == 10 and set(some) <= everybody
    assert len(fewer) == 10 and set(fewer) <= everybody and fewer != some
