"""Shops with hardly anything to learn from: every page and call gives a sentence, no traceback."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from customers.models import Customer
from segments.models import ModelRun
from segments.services import training
from segments.web import features
from tests.makers import make_crowd, make_order, make_product, make_staff

pytestmark = pytest.mark.django_db
QUERIES_MOST = 15
PAGES = ("models", "clusters", "explore", "explore_more", "scores", "forecast", "home")
CALLS = (
    "model-runs", "clusters", "scores", "score-summaries", "drift-checks", "forecast-points",
    "matrix", "model-approvals",
)  # fmt: skip


def thirty() -> None:
    for place, one in enumerate(make_crowd(30, consent=False)):
        for order in range(1 + place % 4):
            moment = timezone.now() - timedelta(days=5 + 37 * order + place)
            make_order(one, 20 + place, happened_at=moment)


def one_order() -> None:
    make_order(make_crowd(1, consent=False)[0], 20, happened_at=timezone.now() - timedelta(days=3))


def one_product() -> None:
    mug, now = make_product("mug"), timezone.now()
    for place, one in enumerate(make_crowd(8, consent=False)):
        make_order(one, 10, product=mug, happened_at=now - timedelta(days=10 * place))


def constant() -> None:
    moment = timezone.now() - timedelta(days=40)
    for one in make_crowd(12, consent=False):
        make_order(one, 20, happened_at=moment)


def refunds() -> None:
    for place, one in enumerate(make_crowd(6, consent=False)):
        moment = timezone.now() - timedelta(days=20 + place)
        make_order(one, -20, kind="refund", happened_at=moment)


def nothing() -> None:
    """Nobody, and no order."""


def no_orders() -> None:
    make_crowd(5, consent=False)


@pytest.fixture
def program():
    from rest_framework.test import APIClient

    from rapport.access import SCOPES
    from rapport.models import ApiKey

    def make():
        _key, secret = ApiKey.objects.create_key(name="test", scopes=list(SCOPES))
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
        return client

    return make


SHOPS = (thirty, one_order, one_product, constant, refunds, nothing, no_orders)


# Untrained, the pages of all these shops say the same but for two.
WALKS = [(shop, True) for shop in SHOPS] + [(thirty, False), (nothing, False)]
SHORT = (thirty, nothing)


@pytest.mark.parametrize(
    ("shop", "is_trained"),
    [
        pytest.param(shop, is_it, marks=() if shop in SHORT else pytest.mark.long)
        for shop, is_it in WALKS
    ],
    ids=[f"{shop.__name__}-{'trained' if is_it else 'untrained'}" for shop, is_it in WALKS],
)
def test_every_page_of_a_thin_shop_says_something(
    client, program, shop, is_trained, django_assert_max_num_queries
):
    shop()
    if is_trained:
        training.retrain(as_of=timezone.now(), now=timezone.now())
        assert not ModelRun.objects.filter(state="failed").exists()
    client.force_login(make_staff("manager"))
    addresses = [reverse(name) for name in PAGES]
    addresses += [f"{reverse('models')}?kind={kind}" for kind in features.KINDS]
    addresses += [reverse("model", args=[run.pk]) for run in ModelRun.objects.all()]
    addresses += [reverse("customer", args=[one.pk]) for one in Customer.objects.all()[:2]]

    for address in addresses:
        # Home has a test of its own, which holds its queries.
        most = QUERIES_MOST + (5 if address == reverse("home") else 0)
        with django_assert_max_num_queries(most):
            answer = client.get(address)
        text = answer.content.decode()
        assert answer.status_code == 200, address
        assert ">nan" not in text.lower() and ">None<" not in text, address
        assert 'class="r-lead"' in text or address == reverse("home"), address
    assert client.get(reverse("forecast_export")).status_code == 200
    for call in CALLS:
        assert program().get(f"/api/v1/{call}/").status_code == 200, call
