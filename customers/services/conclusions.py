"""Ask downstream, within a request, what follows for customers whose facts just changed.

`customers` knows no segments.  An app that concludes something registers in its `apps.py`; a small
tracking call asks it and answers with the segments its customers are in.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

# Customer ids and now; the keys of the segments that each of them is in.
Conclude = Callable[[list[int], datetime], dict[int, list[str]]]

_registered: list[Conclude] = []


def register(conclude: Conclude) -> None:
    """Add one app's conclusions; a second registration of the same function changes nothing."""
    if conclude not in _registered:
        _registered.append(conclude)


def exist() -> bool:
    """Whether anybody registered: without, the bell alone has to tell what changed."""
    return bool(_registered)


def conclude(customer_ids: Iterable[int], now: datetime) -> dict[int, list[str]]:
    """Refresh these customers and return the keys of the segments each is in.

    Call it when the facts are committed.  A customer who is in none has an empty list.
    """
    ids = sorted(set(customer_ids))
    found: dict[int, list[str]] = {pk: [] for pk in ids}
    if ids:
        for each in _registered:
            for pk, keys in each(ids, now).items():
                found.setdefault(pk, []).extend(keys)
    return found
