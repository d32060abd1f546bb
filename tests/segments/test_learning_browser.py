"""Monday review in a real browser: retrain, read the card, name groups, keep the good ones."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from rapport.models import Run
from segments.models import Cluster, Membership, ModelRun, Score, Segment
from segments.services import membership
from tests.conftest import wait_until
from tests.makers import make_crowd, make_order
from tests.rapport.test_pages_browser import open_page, roles  # noqa: F401
from tests.segments.learnt import make_clusters, make_run
from tests.segments.shops import make_shop
from tests.segments.test_builder_browser import looked_at
from tests.segments.test_pages_clusters import CARD as CLUSTERS_CARD
from tests.segments.test_pages_forecast import make_points
from tests.segments.test_pages_models import CARD as MODEL_CARD
from tests.segments.test_pages_models import make_check
from tests.segments.test_pages_scores import make_summary

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
TRAINING_SECONDS = 240.0
POINTS = [[at % 7 / 3, at % 11 / 5 + at % 3, at % 3] for at in range(120)]
REASONS = [
    {"words": "has not ordered for 41 days; usually comes every 12", "feature": "recency",
     "contribution": 0.9},
    {"words": "spends 40 an order on average", "feature": "spend", "contribution": -0.2},
    {"words": "everything else taken together", "feature": "other", "contribution": 0.244},
    {"words": "where an average customer stands", "feature": "start", "contribution": 0.0},
]  # fmt: skip


@pytest.fixture
def learnt():
    """All that pages can show, written at once: cards, groups, scores, spreads, weeks, drift."""
    now = timezone.now()
    churn, clv = make_run(card={"comparisons": [], **MODEL_CARD}), make_run("clv_365d")
    make_check(churn, "orders_90d", is_alarm=True)
    clusters = make_clusters()
    run = clusters[0].run
    run.card = {**run.card, **CLUSTERS_CARD, "map": {**CLUSTERS_CARD["map"], "points": POINTS}}
    run.save(update_fields=["card"])
    crowd = make_crowd(40, consent=False)
    rows = []
    for place, one in enumerate(crowd):
        make_order(one, 20, happened_at=now - timedelta(days=9 * place))
        rows += [
            ("churn_90d", churn, one, 0.72, ("low", "medium", "high")[place % 3], REASONS),
            ("worth_365d", clv, one, 10.0 * place, ("low", "medium", "high")[place // 14], []),
            ("cluster", run, one, float(place % 3), "", []),
        ]
    Score.objects.bulk_create(
        Score(name=name, run=run, customer=one, value=value, band=band, reasons=why, as_of=now)
        for name, run, one, value, band, why in rows
    )
    for days, high in ((14, 8), (7, 12), (0, 13)):
        make_summary("churn_90d", run=churn, days_ago=days,
                     bands={"low": 50, "medium": 50 - high, "high": high})  # fmt: skip
    make_points(make_run("forecast", card={"intervals": {"stated": 0.8}}, metrics={}))
    return {"run": churn.pk, "person": crowd[2].pk}


@pytest.mark.long
def test_pages_of_learning_hold_in_every_width_and_colour(open_page, learnt):  # noqa: F811
    pages = {
        name: reverse(name) for name in ("models", "clusters", "explore", "scores", "forecast")
    }
    pages["card"] = reverse("model", args=[learnt["run"]])
    pages["person"] = reverse("customer", args=[learnt["person"]])
    faults = []
    for name, address in pages.items():
        page = open_page(address)
        if name == "explore":
            page.wait_for_selector("#s-grid")
        faults += looked_at(page, name)

    assert not faults and not page.faults


@pytest.mark.long
def test_a_person_retrains_names_groups_and_keeps_who_is_worth_it(open_page, start_worker):  # noqa: F811
    now = timezone.now()
    make_shop(500, days=420, until=now)
    start_worker()
    page = open_page(reverse("models"))
    assert "No model has been trained yet." in page.inner_text(".r-lead")

    page.click("text=Retrain all models")
    page.wait_for_selector("h1 >> text=Retrain models")
    page = open_page(reverse("models"))
    run = Run.objects.get(kind="retrain")
    if not Run.objects.get(pk=run.pk).is_over:  # on a quick machine it may be over by now
        assert page.locator("[aria-label='Training under way'] .r-bar").count() == 1
        assert page.locator("text=Stop the training").count() == 1
    wait_until(
        lambda: Run.objects.get(pk=run.pk).is_over, seconds=TRAINING_SECONDS, what="the training"
    )
    assert Run.objects.get(pk=run.pk).state == Run.State.DONE, Run.objects.get(pk=run.pk).error

    page = open_page(reverse("models"))
    page.click(".s-health a >> text=Risk of leaving")
    page.wait_for_selector("h1 >> text=Risk of leaving, run")
    page = open_page(page.url.removeprefix(page.evaluate("location.origin")))
    assert page.locator("text=How good it is, beside its baseline").count() == 1

    names = ["Regulars", "Bargain hunters"]
    for name in names:
        page = open_page(reverse("clusters"))
        card = page.locator("article:has(button:has-text('Accept as a segment'))").first
        card.locator("[id^=id_accept][name=name]").fill(name)
        card.locator("button:has-text('Accept as a segment')").click()
        page.wait_for_selector(f".r-message >> text=“{name}” is a segment now")
    page = open_page(reverse("clusters"))
    card = page.locator("article:has(h2:has-text('Regulars'))")
    card.locator("summary:has-text('Rename')").click()
    card.locator("[id^=id_rename][name=name]").fill("The faithful")
    card.locator("button:has-text('Rename the group')").click()
    page.wait_for_selector(".r-message >> text=are called “The faithful” now")
    accepted = Cluster.objects.filter(state="accepted").values_list("name", flat=True)
    assert sorted(accepted) == ["Bargain hunters", "The faithful"]

    page = open_page(reverse("explore"))
    page.wait_for_selector("#s-grid")
    page.click("[aria-label='Make a segment: High value, likely to leave']")
    page.wait_for_selector("h1 >> text=High value, likely to leave")
    made = Segment.objects.get(name="High value, likely to leave")
    wait_until(
        lambda: Segment.objects.get(pk=made.pk).refreshed_at is not None, what="the first count"
    )
    assert not page.faults
    assert ModelRun.objects.filter(state="live").count() >= 3


def test_a_cell_becomes_a_segment_that_says_why_somebody_is_in(open_page, learnt):  # noqa: F811
    page = open_page(reverse("explore"))
    page.click("[aria-label='Make a segment: High value, likely to leave']")
    page.wait_for_selector("h1 >> text=High value, likely to leave")
    made = Segment.objects.get(name="High value, likely to leave")
    membership.refresh_segment(made, cause="edit", now=timezone.now())
    who = Membership.objects.filter(segment=made).order_by("customer_id")[0].customer_id

    page = open_page(f"{reverse('customer_why', args=[who])}?segment={made.pk}")
    assert "is in “High value, likely to leave”" in page.inner_text(".r-lead")
    page = open_page(reverse("customer", args=[who]))
    assert "72 did not buy again within 90 days" in page.inner_text("main")
    assert "together they make 72%" in page.inner_text("main")
    assert not page.faults
