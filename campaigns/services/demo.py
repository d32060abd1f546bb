"""Build the demo: an invented shop, trained, segmented, written to, and measured.

Every stage calls the services that a shop of one's own would call; only the customers are invented.
The campaign leaves a week before now, so that its report is complete.
"""

import csv
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Count, Sum

from campaigns.models import Assignment, Campaign, Coupon, Message, Offer, Outcome
from campaigns.services import campaigns, delivery, offers, outcomes, planning, reports
from campaigns.services.outcomes import Reaction
from customers.models import Customer, Event, Identity, Order
from customers.services import imports, simulate
from customers.simulation.plan import Plan
from customers.simulation.reactions import Reactions, Touch, react
from rapport.errors import DomainError
from segments.models import Cluster, Membership, Segment
from segments.services import approvals, clusters, membership, training

SOURCE = "demo"
WINDOW_DAYS = 7
PERCENT_OFF = 15
TARGETS = ("rfm-loyal", "rfm-recent", "rfm-needs-attention", "rfm-at-risk", "one-time-buyers")
APPROVED = ("churn_90d",)  # what the draft's segment goes by
BATCH = 1_000
NAME = "A reason to come back"


class DemoStuck(DomainError):
    """The demo's campaign did not leave."""


class Stages:
    """Run named stages, and remember how many seconds each took."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._say = say

    @contextmanager
    def __call__(self, name: str, words: str) -> Iterator[None]:
        self._say(words)
        began = monotonic()
        yield
        self.seconds[name] = round(monotonic() - began, 1)


def build(
    *, customers: int, seed: int, now: datetime, user: Any, bar: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    """Build the demo, or leave it as it is where it was built before; return its figures."""
    stage = Stages(say)
    built = Campaign.objects.filter(name=NAME, state=Campaign.State.FINISHED).order_by("pk").last()
    if built:
        say("The demo shop is there already")
        return figures(built, now=now, seconds=stage.seconds)
    sent_at = _midnight(now) - timedelta(days=WINDOW_DAYS + 1)
    with stage("simulate", f"Inventing a shop of {customers:,} customers and importing it"):
        plan = Plan(customers=customers, seed=seed, until=sent_at)
        shop = simulate.simulate(plan, source=SOURCE, now=sent_at, bar=bar, user=user)
    known = sent_at + timedelta(minutes=1)
    with stage("train", "Training models on it"):
        training.retrain(as_of=known, user=user, bar=bar)
    with stage("segment", "Working out the segments"):
        membership.refresh_all(cause="import", now=known)
        _accept_one_cluster(user=user, now=known)
    with stage("send", "Planning a campaign and sending it to the inbox"):
        campaign = _campaign(user=user, now=known)
        planning.launch(campaign, user=user, now=known)
        planning.plan(campaign.pk, now=known)
        _deliver(campaign, now=known)
    with stage("react", "Letting a week pass"):
        reactions = _react(campaign, shop.folder, sent_at=known, seed=seed)
        _take_orders(reactions, sent_at=known, now=now)
        _take_touches(campaign, reactions, now=now)
        outcomes.attribute(now=now)
    with stage("refresh", "Bringing segments up to date"):
        membership.refresh_all(cause="import", now=now)
        for kind in APPROVED:
            approvals.approve(kind, user=user, now=now, note="Approved by the demo.")
        _draft(user=user, now=now)
    campaign.refresh_from_db()
    return figures(campaign, now=now, seconds=stage.seconds, truth=reactions.true_effect)


def figures(
    campaign: Campaign, *, now: datetime, seconds: dict[str, float], truth: float | None = None
) -> dict[str, Any]:
    """What `demo --once` prints: counts, messages by state and reason, lift, seconds a stage."""
    by_state = (
        Message.objects.filter(campaign=campaign)
        .values_list("state", "reason")
        .annotate(n=Count("pk"))
        .order_by("state", "reason")
    )
    arms = Assignment.objects.filter(campaign=campaign).values_list("arm").annotate(n=Count("pk"))
    report = reports.report(campaign, now=now)
    return {
        "customers": Customer.objects.count(),
        "orders": Order.objects.count(),
        "events": Event.objects.count(),
        "revenue": float(Order.objects.aggregate(total=Sum("total"))["total"] or 0),
        "segments": Segment.objects.filter(state=Segment.State.LIVE).count(),
        "members": Membership.objects.count(),
        "messages": {f"{state}{f' {why}' if why else ''}": n for state, why, n in by_state},
        "arms": dict(arms),
        "lift_orders": asdict(report.lift_orders) if report.lift_orders else None,
        "true_effect": truth,
        "conclusion": report.conclusion,
        "seconds": seconds,
    }


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _accept_one_cluster(*, user: Any, now: datetime) -> None:
    """Accept the largest proposal, and leave the others for a person to decide."""
    proposed = Cluster.objects.filter(state=Cluster.State.PROPOSED).order_by("-size").first()
    if proposed:
        name = proposed.proposed_name[:1].upper() + proposed.proposed_name[1:]
        clusters.accept(proposed, name=name, note="Accepted by the demo.", user=user, now=now)


def _campaign(*, user: Any, now: datetime) -> Campaign:
    offer = offers.create(
        name=f"{PERCENT_OFF} % on everything",
        kind=Offer.Kind.PERCENT,
        share=PERCENT_OFF / 100,
        code_prefix="BACK",
        valid_days=14,
        user=user,
        now=now,
    )
    return campaigns.create(
        name=NAME,
        objective=Campaign.Objective.CONVERT,
        included=list(Segment.objects.filter(key__in=TARGETS)),
        offer=offer,
        attribution_days=WINDOW_DAYS,
        user=user,
        now=now,
    )


def _draft(*, user: Any, now: datetime) -> Campaign:
    """A second campaign, ready for a person to look at and launch."""
    return campaigns.create(
        name="Keep the good ones",
        objective=Campaign.Objective.KEEP,
        included=list(Segment.objects.filter(key="at-risk-of-leaving")),
        offer=Offer.objects.order_by("pk").last(),
        user=user,
        now=now,
    )


def _deliver(campaign: Campaign, *, now: datetime) -> None:
    """Hand everything over in this process, at the moment the demo plays in."""
    campaign.refresh_from_db()
    while campaign.state in (Campaign.State.PLANNING, Campaign.State.SENDING):
        delivery.deliver(campaign.pk, now=now)
        delivery.sweep(now=now)
        campaign.refresh_from_db(fields=["state", "state_reason"])
    if campaign.state != Campaign.State.FINISHED:
        raise DemoStuck(f"The demo's campaign is {campaign.state}: {campaign.state_reason}")


def _external_ids(customer_ids: Iterable[int]) -> dict[int, str]:
    handles = Identity.objects.filter(
        kind=Identity.Kind.EXTERNAL, source=SOURCE, customer_id__in=list(customer_ids)
    )
    return dict(handles.values_list("customer_id", "value"))


def _react(campaign: Campaign, folder: Path, *, sent_at: datetime, seed: int) -> Reactions:
    """What everybody does in the week after; only those who were written to can be moved by it."""
    sent = Message.objects.filter(campaign=campaign, sent_at__isnull=False)
    treated = _external_ids(sent.values_list("customer_id", flat=True))
    coupons = Coupon.objects.filter(campaign=campaign).values_list("customer_id", "code")
    return react(
        simulate.load_truth(folder),
        treated=np.array(sorted(treated.values())),
        sent_at=sent_at,
        seed=seed,
        window_days=WINDOW_DAYS,
        coupons={treated[owner]: code for owner, code in coupons if owner in treated},
        percent_off=PERCENT_OFF,
    )


def _take_orders(reactions: Reactions, *, sent_at: datetime, now: datetime) -> None:
    """Load the week's orders as any shop's orders are loaded."""
    if not reactions.orders:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(reactions.orders[0]))
            writer.writeheader()
            writer.writerows(reactions.orders)
        imports.import_file("orders", path, source=SOURCE, now=now)


def _take_touches(campaign: Campaign, reactions: Reactions, *, now: datetime) -> None:
    messages = Message.objects.filter(campaign=campaign, sent_at__isnull=False)
    pairs = dict(messages.values_list("customer_id", "pk"))
    by_external = {external: pairs[owner] for owner, external in _external_ids(list(pairs)).items()}

    def told(kind: Outcome.Kind, touches: list[Touch], **more: Any) -> list[Reaction]:
        return [
            Reaction(by_external[touch.external_id], kind, touch.happened_at, **more)
            for touch in touches
        ]

    found = told(Outcome.Kind.OPEN, reactions.opens)
    found += told(Outcome.Kind.CLICK, reactions.clicks, key="1", url=f"{settings.SHOP_URL}/")
    for start in range(0, len(found), BATCH):
        outcomes.record(found[start : start + BATCH], now=now)
    for touch in reactions.unsubscribes:
        outcomes.unsubscribed(by_external[touch.external_id], now=touch.happened_at, how="link")
