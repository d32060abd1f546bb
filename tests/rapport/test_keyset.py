"""Long lists page by page."""

import pytest
from django.http import QueryDict

from customers.models import Customer
from rapport.web import keyset
from tests.makers import ago, make_customer

pytestmark = pytest.mark.django_db
BY = ("-happened_at", "-id")


@pytest.fixture
def seven():
    """Seven customers, of whom three share one moment."""
    return [make_customer(f"p{i}", happened_at=ago(min(i, 4))) for i in range(7)]


def walk(link: str, size: int = 3):
    return keyset.page(Customer.objects.all(), QueryDict(link), by=BY, size=size)


def test_walking_on_meets_everybody_once_in_order(seven):
    met, link = [], "country=FR"
    while True:
        page = walk(link)
        met += page.rows
        if not page.next:
            break
        link = page.next

    assert met == list(Customer.objects.order_by(*BY))
    assert "country=FR" in link  # the filters stay in the address


def test_walking_back_leads_to_the_start(seven):
    second = walk(walk("").next)
    first = walk(second.previous)

    assert first.rows == walk("").rows
    assert not first.previous
    assert walk(first.next).rows == second.rows


def test_somebody_new_does_not_shift_the_next_page(seven):
    first = walk("")
    make_customer("new", happened_at=ago(-1))

    rest = walk(first.next)

    assert not set(first.rows) & set(rest.rows)


@pytest.mark.parametrize("place", ["rubbish", "WzFd", "WyJhZnRlciIsImEiLCJiIl0=", "%00", "eyJ9"])
def test_a_place_that_cannot_be_read_is_the_start(seven, place):
    assert walk(f"at={place}").rows == walk("").rows


def test_an_empty_list_has_no_neighbours():
    page = walk("")

    assert (page.rows, page.next, page.previous) == ([], "", "")


def test_counts_over_the_limit_are_estimates(seven, monkeypatch):
    monkeypatch.setattr(keyset, "ABOUT_OVER", 5)

    count = keyset.count(Customer.objects.all())

    assert count.is_estimate
    assert count.n >= 6


def test_small_counts_are_exact(seven):
    assert keyset.count(Customer.objects.all()) == keyset.Count(7)
