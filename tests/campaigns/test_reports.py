"""A report compares what chance assigned, and says no more than it knows."""

import json
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.core.serializers.json import DjangoJSONEncoder

from campaigns.models import Assignment, Campaign, Message
from campaigns.services import planning, reports
from customers.models import Order
from tests.makers import NOW, make_campaign, make_crowd, make_order, make_segment

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
CLOSED = NOW + 8 * DAY  # the window is 7 days


def planned(crowd, *, holdout_share=0.2, **given) -> Campaign:
    campaign = make_campaign(
        make_segment(f"s{crowd[0].pk}", crowd), holdout_share=holdout_share, **given
    )
    planning.launch(campaign, user=None, now=NOW)
    planning.plan(campaign.pk, now=NOW)
    return campaign


def buy(customer_ids, *, totals=20, days=1.0, **given) -> None:
    """One order each, so many days after the draw."""
    customer_ids = list(customer_ids)
    first = Order.objects.count()
    moment = NOW + days * DAY
    Order.objects.bulk_create(
        Order(
            **{
                "source": "shop",
                "external_id": f"n{first + number}",
                "customer_id": customer_id,
                "total": Decimal(str(total)),
                "currency": "EUR",
                "happened_at": moment,
                "recorded_at": moment,
                **given,
            }
        )
        for number, (customer_id, total) in enumerate(
            zip(customer_ids, np.broadcast_to(totals, len(customer_ids)), strict=True)
        )
    )


def arm(campaign, name) -> list[int]:
    chosen = Assignment.objects.filter(campaign=campaign, arm=name, is_eligible=True)
    return list(chosen.order_by("customer_id").values_list("customer_id", flat=True))


def figures(campaign, now=CLOSED):
    report = reports.report(campaign, now=now)
    return {one.arm: one for one in report.arms}


def test_more_orders_are_said_to_be_caused_when_the_interval_excludes_zero():
    campaign = planned(make_crowd(1_000))
    treated, holdout = arm(campaign, "treated"), arm(campaign, "holdout")
    buy(treated[: len(treated) // 4], totals=30)
    buy(holdout[: len(holdout) // 10], totals=30)

    report = reports.report(campaign, now=CLOSED)

    expected = len(treated) // 4 / len(treated) - len(holdout) // 10 / len(holdout)
    lift = report.lift_orders
    assert lift.difference == pytest.approx(expected)
    assert 0 < lift.low < expected < lift.high and lift.p_value < 0.001
    assert report.verdict == "more"
    assert report.conclusion.startswith("Customers who were written to placed 0.1")
    assert "the campaign caused more orders. Revenue was" in report.conclusion
    assert report.lift_revenue.difference == pytest.approx(expected * 30)
    assert report.extra_orders.value == pytest.approx(expected * len(treated))


def test_fewer_orders_are_said_as_plainly():
    campaign = planned(make_crowd(1_000))
    buy(arm(campaign, "treated")[:40])
    buy(arm(campaign, "holdout")[:60])

    report = reports.report(campaign, now=CLOSED)

    assert report.verdict == "fewer" and "the campaign cost orders" in report.conclusion


def test_an_interval_with_zero_in_it_allows_no_claim_and_says_what_it_would_take():
    campaign = planned(make_crowd(1_000))
    treated, holdout = arm(campaign, "treated"), arm(campaign, "holdout")
    buy(treated[: len(treated) // 8])
    buy(holdout[: len(holdout) // 10])

    report = reports.report(campaign, now=CLOSED)

    assert report.verdict == "no_difference"
    assert "includes zero" in report.conclusion and "shows no difference yet" in report.conclusion
    assert "more customers would be needed" in report.conclusion


def test_the_arms_are_compared_by_assignment_whatever_became_of_the_message():
    campaign = planned(make_crowd(600))
    treated, holdout = arm(campaign, "treated"), arm(campaign, "holdout")
    buy(treated[:60])
    before = reports.report(campaign, now=CLOSED)

    # consent withdrawn before delivery, a failure, a crash: all stay in the arm they were drawn to
    for state, reason, ids in (
        ("skipped", "no_consent", treated[:40]),
        ("failed", "refused", treated[40:50]),
        ("unknown", "crashed", treated[50:55]),
    ):
        Message.objects.filter(customer_id__in=ids).update(state=state, reason=reason)
    after = reports.report(campaign, now=CLOSED)

    assert after.arms == before.arms and after.lift_orders == before.lift_orders
    assert (after.arms[0].n, after.arms[1].n) == (len(treated), len(holdout))
    assert (after.funnel.withdrawn, after.funnel.failed, after.funnel.unknown) == (40, 10, 5)
    assert after.reasons == {"holdout": len(holdout), "no_consent": 40}
    assert after.not_sent == {"refused": 10, "crashed": 5}
    assert "the lift is that of setting out to write" in after.notes[0]


def test_who_could_not_be_written_to_is_compared_in_neither_arm():
    campaign = planned([*make_crowd(300), *make_crowd(300, first=300, consent=False)])
    ineligible = Assignment.objects.filter(is_eligible=False)
    assert {one.arm for one in ineligible} == {"treated", "holdout"}
    buy(ineligible.values_list("customer_id", flat=True))

    report = reports.report(campaign, now=CLOSED)

    assert sum(one.n for one in report.arms) == 300
    assert report.audience == sum(one.assigned for one in report.arms) == 600
    assert [one.orders for one in report.arms] == [0, 0]


@pytest.mark.parametrize(
    ("given", "orders", "revenue"),
    [
        ({}, 1, 20),
        ({"days": 0}, 1, 20),  # the window includes its first moment
        ({"days": 7}, 0, 0),  # and not its last
        ({"days": -0.01}, 0, 0),
        ({"recorded_at": CLOSED + DAY}, 0, 0),  # not known yet
        ({"status": "cancelled"}, 0, 0),
        ({"status": "refunded"}, 0, 0),  # given back as a whole
        ({"kind": "refund", "totals": -20}, 0, -20),
        ({"kind": "refund", "status": "refunded", "totals": -20}, 0, -20),
        ({"kind": "adjustment", "totals": -5}, 0, 0),
    ],
)
def test_what_counts_as_an_order_and_as_revenue(given, orders, revenue):
    campaign = planned(make_crowd(60))
    buy(arm(campaign, "treated")[:1], **given)

    found = figures(campaign)["treated"]

    assert (found.orders, found.revenue) == (orders, revenue)


def test_several_refunds_of_one_customer_may_leave_less_than_nothing():
    campaign = planned(make_crowd(60))
    one = arm(campaign, "holdout")[:1]
    buy(one, totals=20)
    for _ in range(3):
        buy(one, totals=-10, kind="refund", days=2)

    found = figures(campaign)["holdout"]

    assert (found.orders, found.buyers, found.revenue) == (1, 1, -10)


def test_revenue_is_of_the_commonest_currency_and_the_others_are_named():
    campaign = planned(make_crowd(60))
    treated = arm(campaign, "treated")
    buy(treated[:3], currency="GBP", totals=10)
    buy(treated[3:4], currency="EUR", totals=99)

    report = reports.report(campaign, now=CLOSED)

    assert (report.currency, report.arms[0].revenue, report.arms[0].orders) == ("GBP", 30, 4)
    assert "1 in EUR" in report.notes[-1]


def test_while_the_window_is_open_the_days_left_are_said_and_nothing_is_concluded():
    campaign = planned(make_crowd(1_000))
    buy(arm(campaign, "treated")[:200])
    buy(arm(campaign, "holdout")[:20])

    report = reports.report(campaign, now=NOW + 4 * DAY)

    assert report.days_left == 3 and report.verdict == "window_open"
    assert "3 more days" in report.conclusion
    assert report.lift_orders is not None  # provisional, and said to be
    assert reports.report(campaign, now=CLOSED).verdict == "more"


def test_below_30_customers_in_an_arm_no_rates_are_shown():
    campaign = planned(make_crowd(100))
    buy(arm(campaign, "treated")[:40])
    assert len(arm(campaign, "holdout")) < 30

    report = reports.report(campaign, now=CLOSED)

    assert report.verdict == "too_small" and "below 30" in report.conclusion
    assert report.lift_orders is None
    assert report.arms[0].conversion_rate is not None and report.arms[1].conversion_rate is None


def test_arms_of_the_wrong_sizes_withhold_the_lift():
    campaign = planned(make_crowd(1_000))
    buy(arm(campaign, "treated")[:300])
    buy(arm(campaign, "holdout")[:20])
    assert reports.report(campaign, now=CLOSED).srm.is_right
    gone = arm(campaign, "holdout")[:80]
    Assignment.objects.filter(customer_id__in=gone).delete()

    report = reports.report(campaign, now=CLOSED)

    assert not report.srm.is_right and report.srm.p_value < 0.001
    assert report.verdict == "sample_ratio_mismatch" and report.lift_orders is None


def test_without_a_holdout_nothing_is_claimed():
    campaign = planned(make_crowd(100), holdout_share=0.0)
    buy(arm(campaign, "treated")[:50])

    report = reports.report(campaign, now=CLOSED)

    assert report.verdict == "no_holdout" and "Nobody was left alone" in report.conclusion


def test_a_few_buyers_are_too_few():
    campaign = planned(make_crowd(300))
    buy(arm(campaign, "treated")[:5])

    report = reports.report(campaign, now=CLOSED)

    assert report.verdict == "too_few_buyers" and report.lift_orders is None


def test_a_draft_has_nothing_to_report_and_every_report_can_be_written_as_json():
    draft = make_campaign()

    assert reports.report(draft, now=NOW).verdict == "not_launched"
    for campaign in (draft, planned(make_crowd(300))):
        report = reports.report(campaign, now=CLOSED).as_dict()
        again = json.loads(json.dumps(report, cls=DjangoJSONEncoder, allow_nan=False))
        assert again["campaign_id"] == campaign.pk


def test_a_report_takes_a_fixed_number_of_statements(django_assert_max_num_queries):
    campaign = planned(make_crowd(200))
    make_order(None, 5)

    with django_assert_max_num_queries(15):
        reports.report(campaign, now=CLOSED)
