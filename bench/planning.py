"""Measure what a campaign costs: the dry run, the plan with codes, attribution, the report.

``python bench/planning.py`` takes 100,000 customers and 500,000 orders; ``--full`` ten times that.
Everything happens on a database of its own that is gone afterwards.
"""

import argparse
import json
import resource
import time
from datetime import UTC, datetime, timedelta

import _embedded

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ORDERS_EACH = 5
SHARE_WITHOUT_CONSENT = 0.1
NAIVE_CUSTOMERS = 5_000  # the peer that goes through the ORM is measured on so many

FACTS = [
    """INSERT INTO customers_customer (source, email, first_name, last_name, language, time_zone,
            country, traits, happened_at, recorded_at, changed_at)
        SELECT 'shop', 'c' || n || '@example.com', 'Ada', 'Smith', 'en', '', 'FR', '{}', t, t, t
        FROM generate_series(1, %(customers)s) n, (SELECT %(then)s::timestamptz AS t) moment""",
    """INSERT INTO customers_consent (customer_id, channel, topic, is_granted, source, proof_text,
            proof_url, happened_at, recorded_at)
        SELECT id, 'email', 'marketing', true, 'checkout', '', '', happened_at, happened_at
        FROM customers_customer WHERE id %% 10 <> 0""",
    """INSERT INTO customers_order (source, external_id, customer_id, kind, status, total, discount,
            currency, coupon_code, country, properties, happened_at, recorded_at)
        SELECT 'shop', c.id || '-' || n, c.id, 'sale', 'paid', 20 + c.id %% 50, 0, 'EUR', '', 'FR',
            '{}', t, t
        FROM customers_customer c, generate_series(1, %(orders_each)s) n,
            LATERAL (SELECT %(now)s::timestamptz + make_interval(days => 3)
                - make_interval(hours => ((c.id * 7919 + n * 104729) %% 8760)::int) AS t) moment""",
    """INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
        SELECT %(segment)s, id, happened_at, 1 FROM customers_customer""",
    "ANALYZE",
]


# The floor: the same rows from a table that already has every answer.
def floor(table: str, **changed: str) -> str:
    """The rows of one campaign once more, for its twin."""
    from django.apps import apps

    model = apps.get_model("campaigns", table)
    names = [one.column for one in model._meta.concrete_fields if not one.primary_key]
    given = {"campaign_id": "%(twin)s", **changed}
    values = ", ".join(given.get(name, name) for name in names)
    return f"""INSERT INTO {model._meta.db_table} ({", ".join(names)})
        SELECT {values} FROM {model._meta.db_table} WHERE campaign_id = %(campaign)s"""


def _floors() -> list[str]:
    return [floor("Assignment"), floor("Coupon", code="'X' || code"), floor("Message")]


def seconds(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def execute(statements: list[str], **params) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, params)


def invent(customers: int):
    """Customers with consent, orders and a segment of all of them."""
    from segments.models import Segment

    segment = Segment.objects.create(
        key="bench", name="Everybody", rule={}, refreshed_at=NOW, created_at=NOW, changed_at=NOW
    )
    given = {"customers": customers, "then": NOW - timedelta(days=400), "now": NOW}
    execute(FACTS, **given, segment=segment.pk, orders_each=ORDERS_EACH)
    return segment


def naive(campaign, customers: int) -> float:
    """The peer: one look at each customer, one object each, bulk_create.  Seconds for all."""
    from django.db import transaction

    from campaigns.experiments import assignment
    from campaigns.models import Assignment, Message
    from customers.models import Customer
    from customers.services import consent

    def work():
        with transaction.atomic():
            assignments, messages = [], []
            for one in Customer.objects.order_by("id")[:NAIVE_CUSTOMERS]:
                held = assignment.is_holdout(campaign.salt, one.pk, holdout_share=0.1)
                allowed = consent.allows(one.pk, "email", "marketing")
                reason = "" if allowed and not held else "holdout" if allowed else "no_consent"
                assignments.append(
                    Assignment(
                        campaign=campaign,
                        customer=one,
                        arm="holdout" if held else "treated",
                        assigned_at=NOW,
                    )
                )
                messages.append(
                    Message(
                        campaign=campaign,
                        customer=one,
                        channel="email",
                        state="skipped" if reason else "planned",
                        reason=reason,
                        planned_at=NOW,
                        due_at=NOW,
                    )
                )
            Assignment.objects.bulk_create(assignments)
            Message.objects.bulk_create(messages)
            transaction.set_rollback(True)

    return seconds(work) * customers / NAIVE_CUSTOMERS


def measure(customers: int) -> dict[str, float]:
    """Seconds of each job."""
    from campaigns.models import Message
    from campaigns.services import audience, campaigns, offers, outcomes, planning, reports

    segment = invent(customers)
    offer = offers.create(user=None, now=NOW, name="Gift", kind="free_shipping", code_prefix="VIP")
    fields = {"user": None, "now": NOW, "name": "Bench", "included": [segment], "offer": offer}
    campaign, twin = campaigns.create(**fields), campaigns.create(**fields)
    found = {"naive plan": naive(campaign, customers)}
    found["dry run"] = seconds(lambda: audience.dry_run(campaign, now=NOW))
    planning.launch(campaign, user=None, now=NOW)
    found["plan"] = seconds(lambda: planning.plan(campaign.pk, now=NOW))
    assert Message.objects.filter(campaign=campaign).count() == customers
    found["floor"] = seconds(lambda: execute(_floors(), campaign=campaign.pk, twin=twin.pk))
    execute(["DELETE FROM campaigns_message WHERE campaign_id = %(twin)s"], twin=twin.pk)
    Message.objects.filter(state="planned").update(state="sent", sent_at=NOW, finished_at=NOW)
    execute(["VACUUM ANALYZE campaigns_message"])
    later = NOW + timedelta(days=8)
    found["attribute"] = seconds(lambda: outcomes.attribute(now=later))
    found["attribute again"] = seconds(lambda: outcomes.attribute(now=later))
    found["report"] = seconds(lambda: reports.report(campaign, now=later))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="1,000,000 customers")
    customers = 1_000_000 if parser.parse_args().full else 100_000
    with _embedded.servers():
        found = measure(customers)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{customers:,} customers, {customers * ORDERS_EACH:,} orders; this process {peak:.0f} MiB"
    )
    print(f"{'what':<18}{'seconds':>9}{'customers/s':>14}{'x floor':>9}{'x naive':>9}")
    for name, took in found.items():
        ratios = ("", "")
        if name == "plan":
            ratios = (f"{took / found['floor']:.2f}", f"{found['naive plan'] / took:.1f}")
        rate = f"{customers / took:,.0f}"
        print(f"{name:<18}{took:>9.2f}{rate:>14}{ratios[0]:>9}{ratios[1]:>9}")
    print(json.dumps({"customers": customers, "peak_mib": round(peak), **found}))


if __name__ == "__main__":
    main()
