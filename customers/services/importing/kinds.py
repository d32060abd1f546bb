"""How each kind of facts is merged, in one table."""

from collections.abc import Callable
from dataclasses import dataclass

from customers.services.importing import facts, orders, people
from customers.services.importing.counts import Counts
from customers.services.importing.staging import Stage


@dataclass(frozen=True)
class Merging:
    """Judge rows, prepare what they refer to, merge those in a range of places.

    Ranges that share no row of ours may be merged side by side: ``is_parallel``.
    """

    judge: Callable[[Stage], None]
    prepare: Callable[[Stage], None]
    merge: Callable[[Stage, int, int], Counts]
    table: str = "facts"  # whose places bound a chunk
    is_parallel: bool = False


def _nothing(stage: Stage) -> None:
    pass


MERGING = {
    "customers": Merging(people.judge, people.prepare, people.merge),
    "products": Merging(facts.judge_keyed, _nothing, facts.merge_products),
    "orders": Merging(orders.judge, orders.prepare, orders.merge, table="heads", is_parallel=True),
    "events": Merging(_nothing, facts.prepare_events, facts.merge_events, is_parallel=True),
    "reviews": Merging(facts.judge_keyed, facts.prepare_reviews, facts.merge_reviews),
    "consent": Merging(_nothing, people.introduce_subscribers, facts.merge_consent),
}
