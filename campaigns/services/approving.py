"""Have a second person approve what goes to many.  The only writer of Approval.

    asked --decide--> approved | refused

An approval is of a content: of the words, the people, the offer and the plan as they were when it
was asked for.  Once any of them is changed it says nothing any more.
"""

import hashlib
import json
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import Q, QuerySet

from campaigns import judging, querysets
from campaigns.models import Approval, Campaign, FlowVersion, Offer
from campaigns.services.plans import FIELDS
from customers.models import Customer
from rapport.access import audit
from rapport.errors import Conflict, DomainError

Verdict = Approval.Verdict
GROWTH_MOST = 1.1  # an audience larger than this many times the approved one is another audience
NOT_CONTENT = ("name", "priority", "offer")  # the offer's own terms are looked at instead
OFFER_TERMS = (
    "kind", "share", "amount", "currency", "gift", "points", "codes", "static_code", "valid_days",
    "given_most", "redeemed_most", "budget",
)  # fmt: skip
ONGOING = (Campaign.Kind.FLOW, Campaign.Kind.TRIGGERED)


class ApprovalRefused(DomainError):
    code = "approval_refused"


def size(campaign: Campaign) -> int:
    """How many people it may reach, at most: the members of its segments, without the excluded.

    What lets people in one by one may reach everybody.
    """
    if campaign.kind in ONGOING and not campaign.included.exists():
        return Customer.objects.filter(erased_at=None).count()
    text, params = querysets.population(campaign)
    return querysets.rows((f"SELECT count(*) AS n FROM ({text}) p", params))[0]["n"]


def is_needed(campaign: Campaign) -> bool:
    """Whether somebody else must approve it before it may be launched."""
    above = judging.policy().approval_above
    if above is None or campaign.kind == Campaign.Kind.TRANSACTIONAL:
        return False
    return size(campaign) > above


def standing(campaign: Campaign) -> Approval | None:
    """The approval of the campaign as it is now."""
    found = (
        Approval.objects.filter(campaign=campaign, verdict=Verdict.APPROVED)
        .filter(content_sha256=content_sha256(campaign))
        .order_by("-audience")
        .first()
    )
    return found if found and size(campaign) <= found.audience * GROWTH_MOST else None


def faults(campaign: Campaign) -> list[str]:
    """What is missing; empty where nobody need approve, or somebody has."""
    above = judging.policy().approval_above
    if above is None or not is_needed(campaign) or standing(campaign):
        return []
    last = Approval.objects.filter(campaign=campaign).order_by("-pk").first()
    rule = f"It may reach more than {above:,} people, so somebody else must approve it"
    if last is None:
        return [f"{rule}: nobody was asked yet."]
    if last.verdict == Verdict.REFUSED:
        return [f"{rule}: {last.decided_by or 'somebody'} refused. {last.note}".rstrip()]
    if last.content_sha256 != content_sha256(campaign):
        return [f"{rule}: it was changed since the last question, ask again."]
    if last.verdict == Verdict.WAITING:
        return [f"{rule}: the answer is awaited."]
    return [f"{rule}: its audience has grown since, ask again."]


@transaction.atomic
def ask(campaign: Campaign, *, user: Any, now: datetime) -> Approval:
    """Ask for an approval of the campaign as it is.  Asked again, the open question is renewed."""
    if user is None:
        raise ApprovalRefused("An approval is asked for by a person, not by a key.")
    current = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if current.state == Campaign.State.CANCELLED:
        raise Conflict(f"The campaign {current} is cancelled.")
    found, _is_new = Approval.objects.update_or_create(
        campaign=current,
        verdict=Verdict.WAITING,
        defaults={
            "content_sha256": content_sha256(current),
            "audience": size(current),
            "asked_by": user,
            "asked_at": now,
        },
    )
    audit(user, "campaign.approval_asked", f"campaign {current.pk}", audience=found.audience)
    return found


@transaction.atomic
def decide(
    approval: Approval, *, is_approved: bool, user: Any, now: datetime, note: str = ""
) -> Approval:
    """Answer an open question; of two who answer at once one is refused.

    Who asked may not approve, and nobody approves what was changed since.
    """
    current = Approval.objects.select_for_update().select_related("campaign").get(pk=approval.pk)
    if current.verdict != Verdict.WAITING:
        raise Conflict(f"It was answered already: {current.get_verdict_display().lower()}.")
    if user is None or user.pk is None:
        raise ApprovalRefused("An approval is a person's word, not a key's.")
    if is_approved and user.pk in (current.asked_by_id, current.campaign.launched_by_id):
        raise ApprovalRefused("Whoever asked cannot approve as well: it takes somebody else.")
    if is_approved and current.content_sha256 != content_sha256(current.campaign):
        raise Conflict("The campaign was changed since the question: it must be asked again.")
    current.verdict = Verdict.APPROVED if is_approved else Verdict.REFUSED
    current.decided_by, current.decided_at, current.note = user, now, note.strip()[:300]
    current.save(update_fields=["verdict", "decided_by", "decided_at", "note"])
    target = f"campaign {current.campaign_id}"
    audit(user, f"campaign.{current.verdict}", target, note=current.note, audience=current.audience)
    return current


def waiting() -> QuerySet[Approval]:
    """The open questions about campaigns that could still be launched, the oldest first."""
    return (
        Approval.objects.filter(verdict=Verdict.WAITING)
        .exclude(campaign__state__in=(Campaign.State.CANCELLED, Campaign.State.FINISHED))
        .select_related("campaign", "asked_by")
        .order_by("asked_at", "pk")
    )


def content_sha256(campaign: Campaign) -> str:
    """Fingerprint all that a person looks at before saying yes."""
    plan = {name: getattr(campaign, name) for name in FIELDS if name not in NOT_CONTENT}
    content = {
        "plan": plan,
        "segments": {
            side: list(
                getattr(campaign, side).order_by("pk").values_list("pk", "state", "rule_version")
            )
            for side in ("included", "excluded")
        },
        "variants": list(
            campaign.variants.order_by("pk").values(
                "step", "name", "weight", "channel", "subject", "preheader", "body", "blocks",
                "text", "translations", "offer_id", "local_hour",
            )
        ),
        "offers": _offers(campaign),
        "flow": FlowVersion.objects.filter(campaign=campaign)
        .order_by("-number")
        .values_list("definition")
        .first(),
    }  # fmt: skip
    written = json.dumps(content, cls=DjangoJSONEncoder, sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()


def _offers(campaign: Campaign) -> list[dict[str, Any]]:
    given = Q(campaign=campaign) | Q(variant__campaign=campaign) | Q(candidates__campaign=campaign)
    return list(Offer.objects.filter(given).distinct().order_by("pk").values("pk", *OFFER_TERMS))
