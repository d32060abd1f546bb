"""From a shop's files to a measured campaign, by mouse and keyboard, over real servers."""

import csv
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, Message
from customers.models import Consent, Order
from rapport.access import create_roles
from rapport.models import Run
from segments.models import Segment
from segments.services import segments
from tests.campaigns.smtp import SmtpServer
from tests.conftest import wait_until
from tests.makers import make_staff

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PEOPLE = 360  # so many that chance holds out nobody in one walk of ten thousand
WAIT_MS = 30_000
NAMES = ("Ada", "Bob", "Eve", "Flo", "Gil", "Hana", "Ivo", "Jun")


@pytest.fixture(autouse=True)
def furnished(transactional_db):
    """What a new installation has, and another test's flush takes away."""
    create_roles()
    segments.create_ready_made(now=timezone.now())


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    """A small shop's files, whose customers have two columns with names of their own."""
    now = timezone.now()
    people, orders, consent = [], [], []
    for number in range(PEOPLE):
        key = f"c{number}"
        people.append([key, f"{key}@example.com", NAMES[number % len(NAMES)], "FR"])
        for order in range(1 + number % 3):
            day = now - timedelta(days=40 + 11 * order + number % 17)
            orders.append([f"{key}-{order}", key, day.isoformat(), "EUR", "mug", 1 + order, "12.5"])
        if number % 4:
            consent.append([key, "email", "true", (now - timedelta(days=90)).isoformat()])
    return {
        "customers": written(
            tmp_path / "customers.csv", ["Kundennummer", "Mail", "first_name", "country"], people
        ),
        "orders": written(
            tmp_path / "orders.csv",
            ["order_id", "customer_id", "happened_at", "currency", "product_id", "quantity",
             "unit_price"],
            orders,
        ),
        "consent": written(
            tmp_path / "consent.csv",
            ["customer_id", "channel", "is_granted", "happened_at"],
            consent,
        ),
    }  # fmt: skip


def written(path: Path, header: list[str], rows: list[list]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


@pytest.fixture
def page(chromium, live_server):
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.home = live_server.url
    yield page
    context.close()


def sign_in(page, name: str) -> None:
    page.goto(page.home + reverse("home"))
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", "secret-word-7")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Home')")


def import_by_hand(page, kind: str, path: Path, mapping: dict[str, str]) -> None:
    page.goto(page.home + reverse("import_new"))
    page.select_option("select[name=kind]", kind)
    page.fill("input[name=source]", "shop")
    page.set_input_files("input[name=file]", str(path))
    page.get_by_role("button", name="Upload and look inside").click()
    page.wait_for_selector("text=First values")
    for column, field in mapping.items():
        page.get_by_label(column, exact=True).select_option(field)
    page.get_by_role("button", name="Import it now").click()
    page.wait_for_url(re.compile(r"/imports/\d+/"))
    run_id = int(page.url.rstrip("/").rsplit("/", 1)[1])
    wait_until(lambda: Run.objects.get(pk=run_id).is_over, what=f"the import of {kind}")
    run = Run.objects.get(pk=run_id)
    assert run.state == Run.State.DONE, run.error


def test_a_person_walks_from_import_to_report(page, files, start_worker):
    make_staff("admin")
    with SmtpServer() as mail:
        start_worker(concurrency=2, beat=True, EMAIL_URL=mail.url, SITE_URL=page.home)
        sign_in(page, "admin")

        mapping = {"Kundennummer": "external_id", "Mail": "email"}
        import_by_hand(page, "customers", files["customers"], mapping)
        import_by_hand(page, "orders", files["orders"], {})
        import_by_hand(page, "consent", files["consent"], {})
        assert Order.objects.exclude(customer=None).count() == 2 * PEOPLE

        wait_until(
            lambda: Segment.objects.get(key="one-time-buyers").members_count == PEOPLE // 3,
            what="the segment of one-time buyers",
        )

        page.goto(page.home + reverse("campaign_new"))
        page.fill("input[name=name]", "Come back")
        page.get_by_label(re.compile("One-time buyers")).first.check()
        page.wait_for_function(
            "document.getElementById('r-preview-said').textContent.includes('would get it')"
        )
        page.get_by_role("button", name="Save the draft").click()
        page.get_by_role("link", name="Go to launch").click()
        page.wait_for_selector("text=will be written to")
        campaign = Campaign.objects.get(name="Come back")
        assert not Message.objects.exists()

        page.get_by_role("button", name=re.compile("Send to these")).click()
        wait_until(
            lambda: Campaign.objects.get(pk=campaign.pk).state == Campaign.State.FINISHED,
            what="the campaign",
        )

        page.goto(page.home + reverse("campaign", args=[campaign.pk]))
        page.wait_for_selector("h2:has-text('What may be concluded')")
        text = page.inner_text("main")

    sent = set(Message.objects.filter(state="sent").values_list("customer__email", flat=True))
    assert sorted(received.recipient for received in mail.received) == sorted(sent)
    assert len(sent) == len(mail.received) > 0
    skipped = Message.objects.filter(state="skipped").values_list("reason", flat=True)
    assert set(skipped) == {"no_consent", "holdout"}
    assert len(sent) + len(skipped) == PEOPLE // 3
    assert "No consent" in text
    assert "Left alone" in text
    first = mail.received[0].parsed()
    assert first["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    link = re.search(r"<(http[^>]+)>", first["List-Unsubscribe"]).group(1)
    page.goto(link)
    page.get_by_role("button").first.click()
    page.wait_for_load_state()
    address = mail.received[0].recipient
    wait_until(lambda: withdrawn(address), what="the withdrawal")


def withdrawn(address: str) -> bool:
    last = Consent.objects.filter(customer__email=address).order_by("-happened_at", "-id").first()
    return last is not None and not last.is_granted
