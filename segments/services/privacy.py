"""What is concluded about one customer: hand it out, and remove it.  Erases Score, Membership,
MembershipChange, Recheck and ListMember rows, and takes her out of what webhooks told; nothing
else of one customer is kept in segments.
"""

from typing import Any

from django.db import transaction

from segments.models import (
    ListMember,
    Membership,
    MembershipChange,
    Recheck,
    Score,
    ScoreChange,
    WebhookAttempt,
    WebhookDelivery,
)
from segments.services import forgetting, locks, mirror


def export_scores(customer_id: int) -> dict[str, list[Any]]:
    """Present scores, and every step from one band to another."""
    columns = ("name", "value", "low", "high", "band", "reasons", "as_of", "run_id")
    steps = ("name", "band_before", "band_after", "happened_at", "run_id")
    present = Score.objects.filter(customer_id=customer_id).order_by("name")
    history = ScoreChange.objects.filter(customer_id=customer_id).order_by("happened_at", "id")
    return {"present": list(present.values(*columns)), "history": list(history.values(*steps))}


def erase_scores(customer_id: int) -> int:
    """Remove scores, their history, and what stored models keep of her; those are trained anew."""
    learnt = forgetting.forget(customer_id)
    scores = Score.objects.filter(customer_id=customer_id).delete()[0]
    return learnt + scores + ScoreChange.objects.filter(customer_id=customer_id).delete()[0]


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

    A refresh at work on this customer ends first, and the next sees that she is erased.  Once it
    is committed her numbers are blanked in the mirror; where that fails, the next generation is
    without them, at the latest that of the next night.
    """
    with transaction.atomic():
        transaction.on_commit(lambda: mirror.forget([customer_id]), robust=True)
        locks.hold([customer_id])
        Recheck.objects.filter(customer_id=customer_id).delete()
        stays = Membership.objects.filter(customer_id=customer_id).delete()[0]
        return stays + MembershipChange.objects.filter(customer_id=customer_id).delete()[0]


def export_lists(customer_id: int) -> list[Any]:
    places = ListMember.objects.filter(customer_id=customer_id).order_by("list__key")
    return list(places.values("list__key", "list__name", "added_at"))


def erase_lists(customer_id: int) -> int:
    return ListMember.objects.filter(customer_id=customer_id).delete()[0]


def export_webhooks(customer_id: int) -> list[dict]:
    """To which systems it was told that she entered or left, and what."""
    told = WebhookDelivery.objects.filter(customer_ids__contains=[customer_id]).order_by("id")
    return [
        {
            "endpoint": one.endpoint.name,
            "state": one.state,
            "created_at": one.created_at,
            "changes": [
                change
                for change in one.payload["data"]["changes"]
                if change["customer"]["id"] == customer_id
            ],
        }
        for one in told.select_related("endpoint")
    ]


def erase_webhooks(customer_id: int) -> int:
    """Take her out of every message, told or not yet, and drop what was answered to it.

    What other systems were told they have to erase themselves.
    """
    with transaction.atomic():
        told = WebhookDelivery.objects.filter(customer_ids__contains=[customer_id])
        erased = 0
        for one in told.order_by("pk").select_for_update(no_key=True):
            changes = one.payload["data"]["changes"]
            left = [change for change in changes if change["customer"]["id"] != customer_id]
            one.payload["data"]["changes"] = left
            one.customer_ids = [pk for pk in one.customer_ids if pk != customer_id]
            one.n_changes = len(left)
            one.save(update_fields=["payload", "customer_ids", "n_changes"])
            WebhookAttempt.objects.filter(delivery=one).update(answer="")
            erased += 1
        return erased
