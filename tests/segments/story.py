"""Stories about one segment: what customers do and whether they are in, told once, run twice."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self

from django.db import transaction

from customers.models import Customer
from segments.models import Membership, Segment
from segments.services import membership, segments
from tests import makers


class Story:
    """A script of facts and expectations; `check` runs it event by event and as batches."""

    def __init__(self, **where: Any) -> None:
        self.where = where
        self.steps: list[tuple[datetime, Customer, Callable[[datetime], Any] | bool]] = []
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def at(self, moment: str) -> Self:
        self.now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        return self

    def buys(self, customer: Customer, total: float = 20, **given: Any) -> Self:
        return self._does(
            customer, lambda t: makers.make_order(customer, total, happened_at=t, **given)
        )

    def does(self, customer: Customer, name: str, **given: Any) -> Self:
        return self._does(
            customer, lambda t: makers.make_event(customer, name, happened_at=t, **given)
        )

    def agrees(self, customer: Customer, is_granted: bool = True) -> Self:
        return self._does(
            customer,
            lambda t: makers.make_consent(customer, is_granted, happened_at=t, recorded_at=t),
        )

    def expect(self, customer: Customer, where: str) -> Self:
        self.steps.append((self.now, customer, {"in": True, "out": False}[where]))
        return self

    def check(self) -> None:
        for is_real_time in (True, False):
            with transaction.atomic():
                self._run(is_real_time)
                transaction.set_rollback(True)

    def _run(self, is_real_time: bool) -> None:
        begin = min(moment for moment, _, _ in self.steps)
        segment = segments.create(
            name="story", rule={"version": 1, "where": self.where}, user=None, now=begin
        )
        membership.refresh_all(now=begin)
        for moment, customer, step in self.steps:
            if callable(step):
                step(moment)
                if is_real_time:
                    membership.refresh([customer.pk], cause="event", now=moment)
                continue
            if is_real_time:  # nobody tells whose moment has come: the sweep has to know
                membership.refresh_due(now=moment, most=500)
            else:
                membership.refresh_all(now=moment)
            _expect(segment, customer, moment, step)

    def _does(self, customer: Customer, fact: Callable[[datetime], Any]) -> Self:
        self.steps.append((self.now, customer, fact))
        return self


def _expect(segment: Segment, customer: Customer, moment: datetime, is_in: bool) -> None:
    stays = Membership.objects.filter(segment=segment, customer=customer)
    assert stays.exists() is is_in, f"{customer} at {moment}: expected {'in' if is_in else 'out'}"
