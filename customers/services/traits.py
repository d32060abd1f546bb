"""Write traits that we concluded ourselves.  A trait is never a consent."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from customers.collect.traits import Told
from customers.services.importing.counts import Counts, ring
from customers.services.tracking import people


@transaction.atomic
def write(traits: Mapping[int, Mapping[str, Any]], *, now: datetime) -> set[int]:
    """Set these traits, by customer; null removes one.  Returns who changed.

    Fields of the profile, such as an address, are no traits and stay as they are, and so does
    what was said about consent.  Erased customers are passed over.  Safe to repeat.
    """
    sayings = [
        people.Saying(pk, _told(given), now) for pk, given in sorted(traits.items()) if given
    ]
    changed, _taken = people.write(sayings, now=now)
    ring(Counts(touched=set(changed)), cause="edit", now=now)
    return changed


def _told(given: Mapping[str, Any]) -> Told:
    return Told(
        traits={name: value for name, value in given.items() if value is not None},
        dropped=[name for name, value in given.items() if value is None],
    )
