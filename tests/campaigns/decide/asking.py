"""A slot with words for some and for everybody, and how a browser asks for it."""

from typing import Any

import pytest

from campaigns.models import Slot, SlotContent
from campaigns.services import decide, slots
from customers.models import Customer, Identity, WriteKey
from customers.services import write_keys
from tests.makers import NOW

BROWSER = "b3f1c2d4-0000-4000-8000-00000000ada1"
STRANGER = "0000c2d4-0000-4000-8000-00000000eee1"


def make_key(source: str = "shop") -> WriteKey:
    return write_keys.create(source=source, name="The shop", user=None, now=NOW)


def make_browser(customer: Customer, value: str = BROWSER, source: str = "shop") -> None:
    """The handle that a customer's browser made up."""
    Identity.objects.create(
        customer=customer, kind="anonymous", source=source, value=value, recorded_at=NOW
    )


def make_visitor(value: str = BROWSER, **given: Any) -> Customer:
    """A customer of whom nothing is known but her browser."""
    fields = {"source": "shop", "happened_at": NOW, "recorded_at": NOW, "changed_at": NOW}
    customer = Customer.objects.create(**{**fields, **given})
    make_browser(customer, value)
    return customer


def make_slot(key: str = "hero", **given: Any) -> Slot:
    return slots.create(user=None, now=NOW, key=key, **given)


def add(slot: Slot, body: str = "<p>Hello</p>", **given: Any) -> SlotContent:
    return slots.add_content(slot, user=None, now=NOW, body=body, **{"name": "Content", **given})


def ask(key: WriteKey | None, **given: Any) -> dict[str, Any]:
    return decide.answer(decide.Question(key=key, **given), now=NOW)


def shown(key: WriteKey, slot: str = "hero", **given: Any) -> Any:
    return ask(key, slots=(slot,), **{"anonymous_id": BROWSER, **given})["slots"][slot]


@pytest.fixture
def key(db) -> WriteKey:
    return make_key()
