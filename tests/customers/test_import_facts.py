"""Products, events, reviews and consent: appended or merged, and known again."""

from decimal import Decimal

import pytest

from customers.models import Consent, Customer, Event, Identity, Product, Review
from customers.services.importing import chunks
from tests.customers.importing import csv_file, json_file, load, rejects, triple
from tests.makers import NOW, ago, make_customer, make_product

pytestmark = pytest.mark.django_db


def test_products_are_added_and_changed_only_where_something_is_new(tmp_path):
    make_product("mug", kind="service", brand="Old")
    text = "external_id,name,brand,price,currency,is_available,colour\n"
    path = csv_file(tmp_path, text + "mug,Mug,,10,EUR,,\ncup,Cup,Kiln,0.0010,usd,no,red\n")

    assert triple(load("products", path)) == (1, 0, 1)

    mug, cup = Product.objects.order_by("-external_id")
    assert (mug.kind, mug.brand, mug.recorded_at) == ("service", "Old", ago(500))
    assert (cup.price, cup.currency, cup.is_available) == (Decimal("0.001"), "USD", False)
    assert (cup.kind, cup.properties, cup.happened_at) == ("goods", {"colour": "red"}, NOW)
    assert triple(load("products", path)) == (0, 0, 2)


def test_an_event_is_known_by_its_message_id(tmp_path):
    ada = make_customer("ada")
    text = "message_id,customer_id,name,happened_at,properties,page\n"
    text += 'm1,ada,Seen,2026-05-01,"{""a"": 1}",/x\n'
    path = csv_file(tmp_path, text + "m1,ada,Seen,2026-05-02,,\n")

    assert triple(load("events", path)) == (1, 0, 1)

    event = Event.objects.get()
    assert (event.customer, event.properties) == (ada, {"a": 1, "page": "/x"})
    assert (event.source, event.recorded_at) == ("shop", NOW)
    assert triple(load("events", path)) == (0, 0, 2)


@pytest.mark.parametrize("chunk_rows", [1, 100])
def test_events_without_an_id_are_as_many_as_the_file_says(tmp_path, monkeypatch, chunk_rows):
    monkeypatch.setattr(chunks, "CHUNK_ROWS", chunk_rows)
    rows = ["ada,Seen,2026-05-01T10:00:00Z"] * 3 + ["ada,Seen,2026-05-01T10:00:01Z"]
    path = csv_file(tmp_path, "customer_id,name,happened_at\n" + "\n".join(rows))

    assert triple(load("events", path)) == (4, 0, 0)
    assert triple(load("events", path)) == (0, 0, 4)

    # the same moment in other words is the same event
    other = csv_file(tmp_path, "name,happened_at,customer_id\nSeen,2026-05-01 12:00:00+02:00,ada\n")
    assert triple(load("events", other)) == (0, 0, 1)


def test_an_event_belongs_to_the_browser_s_customer_when_it_is_known(tmp_path):
    ada = make_customer("ada")
    Identity.objects.create(
        customer=ada, kind="anonymous", source="shop", value="cookie-1", recorded_at=ago(1)
    )
    text = "anonymous_id,name,happened_at\ncookie-1,Seen,2026-05-01\ncookie-2,Seen,2026-05-01\n"

    load("events", csv_file(tmp_path, text + ",Seen,2026-05-01\n"))

    assert Event.objects.get(anonymous_id="cookie-1").customer == ada
    assert Event.objects.get(anonymous_id="cookie-2").customer is None


def test_an_event_of_nobody_is_left_out(tmp_path):
    text = "customer_id,anonymous_id,name,happened_at\n,,Seen,2026-05-01\nada,,Seen,2026-05-01\n"

    report = load("events", csv_file(tmp_path, text))

    assert rejects(report) == [(2, "customer_id or anonymous_id", "", "is empty")]
    assert report.inserted == 1


def test_a_review_may_be_corrected(tmp_path):
    text = "external_id,customer_id,product_id,rating,is_recommended,title,text,happened_at\n"
    load("reviews", csv_file(tmp_path, text + 'r1,zoe,mug,4,yes,Fine,"Two\nlines",2026-05-01\n'))

    review = Review.objects.get()
    assert (review.rating, review.is_recommended, review.text) == (4, True, "Two\nlines")
    assert (review.product.external_id, review.product.name) == ("mug", "")
    assert review.customer.identities.get().value == "zoe"

    report = load("reviews", csv_file(tmp_path, text + "r1,zoe,mug,2,,,,2026-05-01\n"))

    assert triple(report) == (0, 1, 0)
    review.refresh_from_db()
    assert (review.rating, review.is_recommended, review.title) == (2, True, "Fine")


def test_columns_without_a_place_are_named(tmp_path):
    text = "external_id,happened_at,mood\nr1,2026-05-01,good\n"

    assert load("reviews", csv_file(tmp_path, text)).figures["ignored_columns"] == ["mood"]
    record = {"external_id": "r2", "happened_at": "2026-05-01", "mood": "good"}
    assert load("reviews", json_file(tmp_path, record)).figures["ignored_columns"] == ["mood"]


def test_consent_is_appended_once(tmp_path):
    ada = make_customer("ada")
    header = "customer_id,channel,topic,is_granted,happened_at,proof_text,proof_ip\n"
    path = csv_file(tmp_path, header + "ada,email,,true,2026-05-01,Yes please,192.0.2.7\n"
                                       "ada,email,,false,2026-05-02,,\n")  # fmt: skip

    assert triple(load("consent", path, source="checkout")) == (2, 0, 0)
    assert Customer.objects.count() == 2  # the checkout's "ada" is not the shop's
    assert triple(load("consent", path)) == (2, 0, 0)

    yes, no = Consent.objects.filter(customer=ada).order_by("happened_at")
    assert (yes.topic, yes.is_granted, yes.proof_text) == ("marketing", True, "Yes please")
    assert (yes.proof_ip, yes.source, no.is_granted) == ("192.0.2.7", "shop", False)
    assert triple(load("consent", path)) == (0, 0, 2)


def test_consent_finds_its_customer_by_address_or_makes_one(tmp_path):
    ada = make_customer("ada")
    text = "customer_id,email,channel,is_granted,happened_at\n"
    rows = [",ADA@example.com", ",new@example.com", "n7,new7@example.com", "ada-2,ada@example.com"]
    rows += ["n7,", "n8,new@example.com"]
    text += "".join(f"{row},email,1,2026-05-01\n" for row in rows)

    report = load("consent", csv_file(tmp_path, text))

    assert report.rejected == 0
    assert Consent.objects.filter(customer=ada).count() == 1  # said twice at one moment
    assert Identity.objects.get(value="ada-2").customer == ada
    new = Customer.objects.get(email="new@example.com")
    assert Identity.objects.get(value="n8").customer == new
    seventh = Identity.objects.get(value="n7").customer
    assert (seventh.email, seventh.consents.count()) == ("new7@example.com", 1)
    assert Customer.objects.count() == 3


def test_consent_with_nonsense_is_left_out(tmp_path):
    text = "customer_id,channel,is_granted,happened_at,proof_ip\n"
    rows = ["a,fax,1,2026-05-01,", "a,email,perhaps,2026-05-01,", "a,email,1,2026-05-01,999.1.1.1"]

    report = load("consent", csv_file(tmp_path, text + "\n".join(rows)))

    assert [(row, column) for row, column, _, _ in rejects(report)] == [
        (2, "channel"),
        (3, "is_granted"),
        (4, "proof_ip"),
    ]
    assert not Consent.objects.exists()
    assert not Customer.objects.exists()
