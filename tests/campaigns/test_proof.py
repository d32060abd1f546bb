"""Several arms, several looks, people who enter one by one, cost, segments and all marketing."""

import json
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.core.serializers.json import DjangoJSONEncoder

from campaigns import judging, querysets
from campaigns.experiments import assignment
from campaigns.models import Assignment, Campaign, Look, Message, Outcome, SendingPolicy, Variant
from campaigns.services import calculator, lifts, looks, measuring, planning, reports, shifting
from campaigns.services.measuring import MeasuringRefused
from customers.models import Order, OrderLine, Product
from rapport.errors import Conflict
from segments.models import MembershipChange
from tests.campaigns.test_reports import arm, buy, planned
from tests.makers import NOW, ago, make_campaign, make_crowd, make_product, make_segment

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
CLOSED = NOW + 8 * DAY


def with_variants(campaign, *names, **given):
    return [
        Variant.objects.create(
            campaign=campaign, name=name, created_at=NOW, changed_at=NOW, **given
        )
        for name in names
    ]


def going_on(crowd, *, since=60, **given):
    """A flow that runs, whose people were drawn one a quarter of an hour."""
    campaign = make_campaign(make_segment(f"f{crowd[0].pk}", crowd), holdout_share=0.3, **given)
    Campaign.objects.filter(pk=campaign.pk).update(
        kind=given.get("kind", "flow"), state="sending", launched_at=NOW - since * DAY
    )
    campaign.refresh_from_db()
    rows = []
    for place, one in enumerate(crowd):
        is_held = assignment.is_holdout(campaign.salt, one.pk, holdout_share=0.3)
        at = NOW - since * DAY + place * timedelta(minutes=15)
        named = "holdout" if is_held else "treated"
        rows.append(Assignment(campaign=campaign, customer=one, arm=named, assigned_at=at))
    Assignment.objects.bulk_create(rows)
    return campaign


def test_python_and_the_database_draw_the_same_arm_and_variant():
    crowd = make_crowd(300)
    campaign = make_campaign(make_segment("all", crowd), holdout_share=0.25)
    first, second, third = with_variants(campaign, "A", "B", "C")
    Variant.objects.filter(pk=second.pk).update(weight=2)

    text, params = querysets.variants(campaign, customer="c.id")
    draw = judging.DRAW_SQL.format(customer="c.id")
    rows = querysets.rows(
        (
            f"SELECT c.id, {text} AS variant, {draw} AS drawn FROM customers_customer c",
            [*params, campaign.salt],
        )
    )

    places = [first.pk, second.pk, third.pk]
    for row in rows:
        assert row["drawn"] == assignment.draw(campaign.salt, row["id"])
        chosen = assignment.variant(campaign.salt, row["id"], weights=[1, 2, 1])
        assert row["variant"] == places[chosen]


def test_the_metric_chosen_beforehand_decides():
    campaign = planned(make_crowd(1_000), holdout_share=0.3)
    Campaign.objects.filter(pk=campaign.pk).update(metric="revenue")
    campaign.refresh_from_db()
    buy(arm(campaign, "treated")[:150], totals=50)
    buy(arm(campaign, "holdout")[:65], totals=10)

    report = reports.report(campaign, now=CLOSED)

    assert report.metric == "revenue" and report.verdict == "more"
    assert "more revenue each" in report.conclusion
    assert {one.metric for one in report.lifts} == {"conversion", "orders", "revenue", "margin"}
    assert report.lift == next(one.plain for one in report.lifts if one.metric == "revenue")


def test_adjustment_by_earlier_orders_narrows_the_interval_and_decides_if_said_so():
    crowd = make_crowd(800)
    campaign = make_campaign(make_segment("s", crowd), holdout_share=0.4)
    measuring.decide(campaign, user=None, now=NOW, is_adjusted=True)
    planning.launch(campaign, user=None, now=NOW)
    planning.plan(campaign.pk, now=NOW)
    regulars = [one.pk for one in crowd[::4]]
    for days in (-10, -30, -60, -100):
        buy(regulars, days=days)
    buy(regulars)
    buy(regulars, days=2)

    report = reports.report(campaign, now=CLOSED)

    orders = next(one for one in report.lifts if one.metric == "orders")
    assert orders.explained_share == pytest.approx(1)
    assert orders.adjusted is None or orders.adjusted.high - orders.adjusted.low < 1e-6
    revenue = next(one for one in report.lifts if one.metric == "revenue")
    assert revenue.explained_share > 0.9 and report.is_adjusted
    with pytest.raises(Conflict, match="settled when it was launched"):
        measuring.decide(campaign, user=None, now=NOW, looks=3)


def test_a_plan_of_measuring_that_makes_no_sense_is_refused():
    campaign = make_campaign()
    with pytest.raises(MeasuringRefused) as refused:
        measuring.decide(campaign, user=None, now=NOW, looks=0, bounce_rate_most=2, odd=1)
    assert len(refused.value.faults) >= 3


def test_margin_takes_costs_where_products_have_them(settings):
    settings.MARGIN_SHARE = 0.5
    make_product("known", properties={"cost": "4.0"})
    make_product("unknown")
    campaign = planned(make_crowd(120), holdout_share=0.4)
    people = arm(campaign, "treated")[:3]
    buy(people, totals=20)
    orders = Order.objects.filter(customer_id__in=people).order_by("customer_id")
    known, unknown = (
        Product.objects.get(external_id="known"),
        Product.objects.get(external_id="unknown"),
    )
    lines = [(orders[0], known, 2), (orders[1], known, 1), (orders[1], unknown, 1)]
    for place, (order, product, quantity) in enumerate(lines):
        OrderLine.objects.create(
            order=order, position=place + 1, product=product, quantity=quantity, unit_price=10,
            happened_at=order.happened_at, recorded_at=order.recorded_at,
        )  # fmt: skip

    treated = reports.report(campaign, now=CLOSED).arms[0]

    # 20 - 2 * 4; 20 - 4 - half of the other half; no lines at all: half
    assert treated.margin_per_customer * treated.n == pytest.approx(12 + 11 + 10)


def test_variants_are_compared_with_the_first_and_holm_holds_over_them():
    crowd = make_crowd(900)
    campaign = make_campaign(make_segment("s", crowd), holdout_share=0.1)
    with_variants(campaign, "A", "B", "C")
    planning.launch(campaign, user=None, now=NOW)
    planning.plan(campaign.pk, now=NOW)
    for name, part in (("A", 8), ("B", 3), ("C", 8)):
        drawn = Assignment.objects.filter(campaign=campaign, arm="treated", variant__name=name)
        ids = list(drawn.order_by("customer_id").values_list("customer_id", flat=True))
        buy(ids[: len(ids) // part])

    report = reports.report(campaign, now=CLOSED)

    (step,) = report.steps
    verdicts = {one.name: one.verdict for one in step.variants}
    assert verdicts == {"A": "first", "B": "better", "C": "open"}
    assert step.sentence == "B does better than A, by Holm's rule over 2 comparisons."
    assert sum(one.n for one in step.variants) == report.arms[0].n
    json.dumps(report.as_dict(), cls=DjangoJSONEncoder, allow_nan=False)
    early = reports.report(campaign, now=NOW + DAY)
    assert {one.verdict for one in early.steps[0].variants} == {"first", "open"}


def sequential(crowd, stopping="sequential", **given):
    campaign = make_campaign(make_segment("s", crowd), holdout_share=0.4)
    Campaign.objects.filter(pk=campaign.pk).update(stopping=stopping)
    campaign.refresh_from_db()
    measuring.decide(campaign, user=None, now=NOW, **given)
    planning.launch(campaign, user=None, now=NOW)
    planning.plan(campaign.pk, now=NOW)
    return campaign


def test_planned_looks_are_taken_once_each_and_conclude_at_a_boundary():
    campaign = sequential(make_crowd(900), looks=4)
    treated, holdout = arm(campaign, "treated"), arm(campaign, "holdout")
    buy(treated[:60], days=0.5)
    buy(holdout[:40], days=0.5)

    assert looks.take(campaign.pk, now=NOW + DAY) == []  # none is due
    (first,) = looks.take(campaign.pk, now=NOW + 2 * DAY)
    assert looks.take(campaign.pk, now=NOW + 2 * DAY) == []
    report = reports.report(campaign, now=NOW + 2 * DAY)
    assert (first.number, report.verdict) == (1, "looks_left")
    assert "1 of 4 planned look was taken" in report.conclusion
    buy(treated[100:250], days=3)
    (second,) = looks.take_all(now=NOW + 4 * DAY) and Look.objects.filter(number=2)

    report = reports.report(campaign, now=NOW + 4 * DAY)
    assert second.boundary < first.boundary and second.information > first.information
    assert report.verdict == "more" and "concluded at look 2 of 4" in report.conclusion
    assert looks.take(campaign.pk, now=CLOSED) == []  # it is concluded
    json.dumps(report.as_dict(), cls=DjangoJSONEncoder, allow_nan=False)


def test_without_a_boundary_met_the_last_look_says_that_there_is_no_difference():
    campaign = sequential(make_crowd(600), looks=2, spending="pocock")
    buy(arm(campaign, "treated")[:40])
    buy(arm(campaign, "holdout")[:27])

    for days in (4, 8):
        looks.take(campaign.pk, now=NOW + days * DAY)

    report = reports.report(campaign, now=CLOSED)
    assert [look.number for look in report.looks] == [1, 2]
    assert report.looks[-1].spent == pytest.approx(0.05)
    assert report.verdict == "no_difference" and "None of the looks" in report.conclusion


def test_the_always_valid_rule_may_be_asked_any_day_and_is_wider_than_one_look():
    campaign = sequential(make_crowd(900), stopping="always_valid")
    treated = arm(campaign, "treated")
    buy(treated[:60], days=0.5)
    buy(arm(campaign, "holdout")[:40], days=0.5)

    assert len(looks.take(campaign.pk, now=NOW + DAY)) == 1
    assert looks.take(campaign.pk, now=NOW + 1.5 * DAY) == []
    buy(treated[100:320], days=1.8)
    assert len(looks.take(campaign.pk, now=NOW + 2 * DAY)) == 1

    report = reports.report(campaign, now=NOW + 2 * DAY)
    plain = report.lift_orders
    assert report.verdict == "more"
    assert report.lift.high - report.lift.low > 1.3 * (plain.high - plain.low)


def test_who_enters_one_by_one_is_compared_over_the_days_after_their_own_draw():
    crowd = make_crowd(700)
    campaign = going_on(crowd)
    drawn = dict(
        Assignment.objects.filter(campaign=campaign).values_list("customer_id", "assigned_at")
    )
    treated, holdout = arm(campaign, "treated"), arm(campaign, "holdout")
    for ids, part in ((treated, 3), (holdout, 8)):
        for one in ids[::part]:
            buy([one], happened_at=drawn[one] + DAY, recorded_at=drawn[one] + DAY)
    buy(holdout[1::8], days=-40)  # long before or after their own week

    running = reports.report(campaign, now=NOW - 50 * DAY)
    assert running.verdict == "running" and "It goes on" in running.conclusion
    assert sum(one.n for one in running.arms) < 700
    assert running.waiting is not None
    Campaign.objects.filter(pk=campaign.pk).update(state="finished")
    campaign.refresh_from_db()

    report = reports.report(campaign, now=NOW)
    found = {one.arm: one for one in report.arms}
    assert found["treated"].orders == len(treated[::3])
    assert found["holdout"].buyers == pytest.approx(len(holdout[::8]), abs=len(holdout[1::8]))
    assert report.verdict == "more" and sum(one.n for one in report.arms) == 700


def test_a_planned_size_is_compared_alone_however_many_come_after():
    campaign = going_on(make_crowd(400))
    measuring.Measuring.objects.create(campaign=campaign, customers_planned=300, changed_at=NOW)

    report = reports.report(campaign, now=NOW)

    assert sum(one.n for one in report.arms) == 300
    assert report.verdict != "running"


def test_thompson_sampling_shifts_what_goes_on_and_gives_no_p_values():
    crowd = make_crowd(400)
    campaign = going_on(crowd, stopping="thompson")
    Campaign.objects.filter(pk=campaign.pk).update(stopping="thompson", metric="conversion")
    campaign.refresh_from_db()
    good, bad = with_variants(campaign, "good", "bad", step=2)
    at = NOW - 20 * DAY
    Message.objects.bulk_create(
        Message(
            campaign=campaign, customer=one, step=2, channel="email", planned_at=at, due_at=at,
            variant=good if place % 2 else bad, state="sent", sent_at=at, occasion=1,
        )
        for place, one in enumerate(crowd)
    )  # fmt: skip
    buy([one.pk for one in crowd[1::8]], days=-19)

    shares = shifting.shift(campaign.pk, now=NOW)

    assert shares["2 good"] > 0.9 and shares["2 bad"] == pytest.approx(0.05, abs=0.01)
    assert Variant.objects.get(pk=bad.pk).weight == shares["2 bad"]
    assert shifting.shift(campaign.pk, now=NOW) == {}
    (step,) = reports.report(campaign, now=NOW).steps
    assert all(one.p_value is None and one.lift is None for one in step.variants)
    assert "good is the best with a chance" in step.sentence


def test_cost_is_what_the_other_side_said_or_the_price_and_the_return_has_an_interval():
    campaign = planned(make_crowd(400), holdout_share=0.4)
    Campaign.objects.filter(pk=campaign.pk).update(cost_per_message=Decimal("0.02"))
    campaign.refresh_from_db()
    sent = Message.objects.filter(campaign=campaign, state="planned")
    told = list(sent.order_by("id").values_list("pk", flat=True)[:10])
    count = sent.update(state="sent", sent_at=NOW)
    Message.objects.filter(pk__in=told).update(cost=Decimal("0.5"))
    buy(arm(campaign, "treated")[:80])
    buy(arm(campaign, "holdout")[:20])

    report = reports.report(campaign, now=CLOSED)

    assert report.costs.messages == pytest.approx(10 * 0.5 + (count - 10) * 0.02)
    assert report.made.value == pytest.approx(report.extra_margin.value - report.costs.total)
    assert report.made.low < report.made.value < report.made.high


def test_guard_rails_break_when_too_many_leave():
    campaign = planned(make_crowd(400), holdout_share=0.1)
    Message.objects.filter(campaign=campaign, state="planned").update(state="sent", sent_at=NOW)
    first = Message.objects.filter(campaign=campaign, state="sent")[:20]
    Outcome.objects.bulk_create(
        Outcome(message=one, kind="unsubscribe", happened_at=NOW, recorded_at=NOW) for one in first
    )

    rails = {one.name: one.guard.verdict for one in reports.report(campaign, now=CLOSED).guards}

    assert rails == {"unsubscribe": "broken", "complaint": "unknown", "bounce": "within"}


def test_a_segment_combines_its_campaigns_by_membership_at_the_draw():
    crowd = make_crowd(900)
    segment = make_segment("keen", crowd)
    MembershipChange.objects.bulk_create(
        MembershipChange(
            segment=segment, customer=one, kind="entered", cause="import", happened_at=ago(5),
            rule_version=1,
        )
        for one in crowd[:700]
    )  # fmt: skip
    for place in range(2):
        campaign = make_campaign(segment, holdout_share=0.4, name=f"c{place}")
        Campaign.objects.filter(pk=campaign.pk).update(salt=f"salt{place}")
        campaign.refresh_from_db()
        planning.launch(campaign, user=None, now=NOW + 20 * place * DAY)
        planning.plan(campaign.pk, now=NOW + 20 * place * DAY)
        buy(arm(campaign, "treated")[::3], days=20 * place + 1)
        buy(arm(campaign, "holdout")[::8], days=20 * place + 1)

    found = lifts.of_segment(segment, now=NOW + 40 * DAY)

    assert len(found.parts) == 2
    assert {part.treated + part.holdout for part in found.parts} == {700}
    combined = found.combined["orders"]
    assert combined.n_estimates == 2 and combined.low > 0
    parts = [part.lifts[1].plain for part in found.parts]
    assert min(p.difference for p in parts) <= combined.estimate <= max(p.difference for p in parts)
    assert "Over 2 campaigns" in found.sentence and "I²" in found.sentence
    nobody = lifts.of_segment(make_segment("nobody"), now=NOW)
    assert not nobody.combined and "No campaign" in nobody.sentence


def test_all_marketing_is_compared_by_the_global_draw():
    assert lifts.of_all_marketing(now=NOW).verdict == "none"
    crowd = make_crowd(1_500)
    SendingPolicy.objects.create(
        pk=1, holdout_share=0.3, holdout_salt="g", holdout_since=NOW, changed_at=NOW
    )
    held = {one.pk for one in crowd if assignment.is_holdout("g", one.pk, holdout_share=0.3)}
    reached = [one.pk for one in crowd if one.pk not in held]
    buy(reached[::2], totals=40)
    buy(sorted(held)[::6], totals=40)

    found = lifts.of_all_marketing(now=NOW + 90 * DAY)

    assert (found.treated.n, found.holdout.n) == (len(reached), len(held))
    assert found.verdict == "more" and "marketing earned revenue" in found.sentence
    assert all(one.plain.low < one.plain.difference for one in found.lifts)
    json.dumps(found.as_dict(), cls=DjangoJSONEncoder, allow_nan=False)


def test_the_calculator_foretells_what_an_audience_can_show():
    crowd = make_crowd(500)
    campaign = make_campaign(make_segment("s", crowd), holdout_share=0.2)
    buy([one.pk for one in crowd[:50]], days=-3)

    plan = calculator.plan(campaign, now=NOW)

    assert (plan.audience, plan.usual.mean) == (500, 0.1)
    assert plan.usual.sd == pytest.approx(np.std([1] * 50 + [0] * 450, ddof=1))
    needs = [need.customers for need in plan.needs]
    assert needs == sorted(needs, reverse=True)
    assert "true change of" in plan.sentence
