"""Several calls at once with the same messages, people and orders: as if one had come."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from customers.models import Customer, Event, Identity, Order, OrderLine, Product, Touch
from tests.customers.tracking.calls import make_key, send

pytestmark = pytest.mark.django_db(transaction=True)
CALLERS, PEOPLE, ORDERS = 4, 6, 12


def messages() -> list[dict]:
    """What a shop tells of some people: a visit, a name, orders, one refund for each order."""
    found: list[dict] = []
    for n in range(PEOPLE):
        who = {"userId": f"u{n}", "anonymousId": f"a{n}"}
        found.append({**who, "type": "page", "name": "Home"})
        found.append({**who, "type": "identify", "traits": {"email": f"u{n}@example.com", "n": n}})
    for n in range(ORDERS):
        who = {"userId": f"u{n % PEOPLE}", "type": "track"}
        products = [{"product_id": f"p{n % 5}", "price": 10, "quantity": 2}]
        said = {"order_id": f"o{n}", "revenue": 20, "products": products}
        found.append({**who, "event": "Order Completed", "properties": said})
        refund = {"order_id": f"o{n}", "revenue": 5}
        found.append({**who, "event": "Order Refunded", "properties": refund})
    for n, message in enumerate(found):
        message["messageId"] = f"m{n}"
        message["timestamp"] = f"2026-01-01T00:{n:02}:00Z"
    return found


def test_the_same_messages_from_several_callers_at_once_count_once():
    key, told = make_key(), messages()

    def call(number: int) -> list[int]:
        dice = random.Random(number)
        mine = dice.sample(told, len(told))
        parts = [mine[start : start + 12] for start in range(0, len(mine), 12)]
        try:
            return [send(key, "batch", {"batch": part}).status_code for part in parts]
        finally:
            connection.close()

    with ThreadPoolExecutor(CALLERS) as pool:
        codes = {code for found in pool.map(call, range(CALLERS)) for code in found}

    assert codes == {200}
    assert Event.objects.count() == len(told)
    assert Customer.objects.count() == PEOPLE
    assert Identity.objects.count() == 3 * PEOPLE
    for customer in Customer.objects.all():
        assert customer.email == f"u{customer.traits['n']}@example.com"
    orders = Order.objects.all()
    assert {(order.total, order.status) for order in orders} == {(15, "paid")}
    assert orders.count() == OrderLine.objects.count() == ORDERS
    assert Product.objects.count() == 5
    touched = set(Touch.objects.values_list("customer_id", flat=True))
    assert touched >= set(Customer.objects.values_list("id", flat=True))
