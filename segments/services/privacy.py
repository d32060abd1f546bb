"""What is concluded about one customer: hand it out, and remove it.  Erases Score, Membership,
MembershipChange and ListMember rows; nothing else of one customer is kept in segments.
"""

from typing import Any

from django.db import transaction

from segments.models import ListMember, Membership, MembershipChange, Score
from segments.services import locks


def export_scores(customer_id: int) -> list[dict]:
    columns = ("name", "value", "band", "reasons", "as_of", "run_id")
    return list(Score.objects.filter(customer_id=customer_id).order_by("name").values(*columns))


def erase_scores(customer_id: int) -> int:
    return Score.objects.filter(customer_id=customer_id).delete()[0]


def export_memberships(customer_id: int) -> dict[str, list[Any]]:
    """Present stays, and every entry and exit there was."""
    stays = Membership.objects.filter(customer_id=customer_id).order_by("entered_at", "id")
    changes = MembershipChange.objects.filter(customer_id=customer_id).order_by("happened_at", "id")
    return {
        "present": list(stays.values("segment__name", "entered_at", "rule_version")),
        "history": list(changes.values("segment__name", "kind", "cause", "happened_at")),
    }


def erase_memberships(customer_id: int) -> int:
    """Remove stays and history alike.

    A refresh at work on this customer ends first, and the next sees that she is erased.
    """
    with transaction.atomic():
        locks.hold([customer_id])
        stays = Membership.objects.filter(customer_id=customer_id).delete()[0]
        return stays + MembershipChange.objects.filter(customer_id=customer_id).delete()[0]


def export_lists(customer_id: int) -> list[dict]:
    places = ListMember.objects.filter(customer_id=customer_id).order_by("list__key")
    return list(places.values("list__key", "list__name", "added_at"))


def erase_lists(customer_id: int) -> int:
    return ListMember.objects.filter(customer_id=customer_id).delete()[0]
