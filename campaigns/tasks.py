"""What the queue and the clock ask of campaigns: ids in, one service call."""

from celery import shared_task
from django.utils import timezone

from campaigns.models import Campaign
from campaigns.services import (
    arrivals,
    delivery,
    looks,
    opt_in,
    outcomes,
    planning,
    preferences,
    recurring,
    shifting,
    uplift,
    visits,
)
from campaigns.services.flows import advancing, entering


@shared_task(acks_late=True, ignore_result=True)
def launch(campaign_id: int) -> None:
    planning.plan(campaign_id, now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def launch_due() -> None:
    planning.launch_due(now=timezone.now())
    recurring.run_due(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def deliver(campaign_id: int) -> None:
    delivery.deliver(campaign_id)


@shared_task(acks_late=True, ignore_result=True)
def sweep() -> None:
    delivery.sweep(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def attribute() -> None:
    outcomes.attribute(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def learn_uplift(campaign_id: int, run_id: int) -> None:
    uplift.learn(Campaign.objects.get(pk=campaign_id), run_id=run_id, now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def place_arrivals() -> None:
    arrivals.place_waiting(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def forget_old_arrivals() -> None:
    arrivals.forget_old(now=timezone.now())
    opt_in.expire(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def settle_visits() -> None:
    visits.settle(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def watch_flows() -> None:
    now = timezone.now()
    if entering.sweep(now=now):
        advancing.advance(now=now)


@shared_task(acks_late=True, ignore_result=True)
def advance_flows() -> None:
    advancing.advance(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def end_pauses() -> None:
    preferences.end_pauses(now=timezone.now())


@shared_task(acks_late=True, ignore_result=True)
def measure() -> None:
    now = timezone.now()
    looks.take_all(now=now)
    shifting.shift_all(now=now)
