"""What segments adds to the pages of customers and to the home page."""

import pytest
from django.urls import reverse
from django.utils import timezone

from customers.models import Customer
from segments.models import Membership, Score, ScoreChange, Segment
from tests.makers import NOW, ago, make_cast, make_staff
from tests.segments.learnt import make_clusters, make_run

QUERIES_MOST = 15
REASONS = [
    {"words": "has not ordered for 41 days", "feature": "recency", "contribution": 0.9},
    {"words": "spends 40 an order on average", "feature": "spend", "contribution": -0.2},
    {"words": "everything else taken together", "feature": "other", "contribution": 0.1},
]


@pytest.fixture
def as_role(client, db):
    """The client, logged in as somebody of a role."""

    def enter(role: str):
        client.force_login(make_staff(role))
        return client

    return enter


@pytest.fixture
def ada(db):
    """Ada with all scores, in one segment."""
    cast = make_cast()
    now = timezone.now()
    churn, clv = make_run(), make_run("clv_365d", "fallback")
    clusters = make_clusters()
    rows = [
        ("churn_90d", churn, 0.72, "high", REASONS),
        ("clv_365d", clv, 310.0, "", []),
        ("orders_365d", clv, 4.2, "", []),
        ("cluster", clusters[1].run, 1, str(clusters[1].pk), []),
    ]
    for name, run, value, band, reasons in rows:
        Score.objects.create(
            name=name, customer=cast["ada"], run=run, value=value, band=band, reasons=reasons,
            as_of=now,
        )  # fmt: skip
    Score.objects.create(name="clv_365d", customer=cast["bob"], run=clv, value=900, as_of=now)
    segment = Segment.objects.get(key="lapsed")
    Segment.objects.filter(pk=segment.pk).update(members_count=1, refreshed_at=now)
    Membership.objects.create(segment=segment, customer=cast["ada"], entered_at=now, rule_version=1)
    return cast["ada"]


def test_scores_are_words_numbers_and_a_frame(as_role, ada, django_assert_max_num_queries):
    viewer = as_role("viewer")
    with django_assert_max_num_queries(QUERIES_MOST):
        text = viewer.get(reverse("customer", args=[ada.pk])).content.decode()

    assert "High risk: 72%" in text
    assert "Of 100 people like this one, 72 did not buy again within 90 days." in text
    assert "has not ordered for 41 days" in text and "raises it" in text
    assert "Observations, not causes" in text
    assert "everything else" not in text
    assert "About 4.2 orders are expected. Place 2 among" in text
    assert "From a rule of thumb, not a model." in text
    assert "Buys like: Group 1" in text and "a proposed group" in text


def test_reasons_that_add_up_are_steps_to_the_score(as_role, ada):
    """ln(0.72 / 0.28) is 0.944; from 50% the steps are +21, −5 and +6 points."""
    steps = [
        {"words": "has not ordered for 41 days", "feature": "recency", "contribution": 0.9},
        {"words": "spends 40 an order", "feature": "spend", "contribution": -0.2},
        {"words": "everything else", "feature": "other", "contribution": 0.244},
        {"words": "the average", "feature": "start", "contribution": 0.0},
    ]
    Score.objects.filter(name="churn_90d", customer=ada).update(reasons=steps)
    run = Score.objects.get(name="churn_90d", customer=ada).run
    ScoreChange.objects.create(
        name="churn_90d", customer=ada, run=run, band_before="low", band_after="high",
        happened_at=ago(3),
    )  # fmt: skip
    text = as_role("viewer").get(reverse("customer", args=[ada.pk])).content.decode()

    assert "together they make 72%" in text
    added = [step for step in ("50%", "+21 points", "−4 points", "+5 points") if step in text]
    assert added == ["50%", "+21 points", "−4 points", "+5 points"]
    assert "from low to high" in text and "Changed 1 time" in text


def test_all_scores_there_are_said_in_words(as_role, ada):
    run = make_run("propensity_7d")
    rows = [
        ("propensity_7d", 0.12, 0.08, 0.2, "medium"), ("next_order_days", 12.4, 3.0, 40.0, ""),
        ("response_email", 0.061, 0.04, 0.09, ""), ("response_sms", 0.02, None, None, ""),
        ("best_hour", 19, None, None, ""), ("clv_90d", 80.0, 20.0, 200.0, ""),
    ]  # fmt: skip
    for name, value, low, high, band in rows:
        Score.objects.create(
            name=name, customer=ada, run=run, value=value, low=low, high=high, band=band,
            as_of=NOW,
        )  # fmt: skip
    text = as_role("viewer").get(reverse("customer", args=[ada.pk])).content.decode()

    for sentence in (
        "Possible: 12%",
        "between 8.0% and 20%",
        "Next order: about 13 Jun 2026",
        "between 4 Jun 2026 and 11 Jul 2026",
        "Answers e-mail: 6.1%",
        "By SMS: 2.0%",
        "Best reached at 19:00, local time.",
        "In the next 90 days: €80.00 (between €20.00 and €200.00).",
    ):
        assert sentence in text, sentence


def test_segments_are_told_with_their_rule_and_since_when(as_role, ada):
    text = as_role("viewer").get(reverse("customer", args=[ada.pk])).content.decode()

    assert "In 1 segment" in text
    assert "Customers whose last order was more than 180 days ago." in text
    assert reverse("customer_why", args=[ada.pk]) in text


def test_a_customer_without_scores_has_no_empty_panels(as_role, ada):
    mallory = Customer.objects.get(email="mallory@example.com")
    text = as_role("viewer").get(reverse("customer", args=[mallory.pk])).content.decode()

    assert "What to expect" not in text and "In 0 segments" not in text


def test_home_shows_segments_models_and_what_waits(as_role, ada, django_assert_max_num_queries):
    Segment.objects.filter(key="high-value").update(state="invalid", error="where: is missing")
    analyst = as_role("analyst")
    with django_assert_max_num_queries(QUERIES_MOST):
        text = analyst.get(reverse("home")).content.decode()

    assert "“Lapsed” is the largest of" in text
    assert "2 models are live" in text and "AUC 0.810 (0.800 to 0.820), n = 400" in text
    assert "3 clusters wait for a name" in text
    assert "The rule of “High value” cannot be read" in text


def test_a_viewer_is_asked_for_no_decision(as_role, ada):
    text = as_role("viewer").get(reverse("home")).content.decode()

    assert "Needs a decision" not in text


def test_home_before_any_training_leads_to_it(as_role):
    text = as_role("viewer").get(reverse("home")).content.decode()

    assert "Go to models" in text
