"""Who is already known, who shares an address, who is new."""

from datetime import date

import pytest

from customers.models import Customer, Identity
from customers.services.importing import chunks
from tests.customers.importing import csv_file, json_file, load, rejects, triple
from tests.makers import NOW, ago, make_customer

pytestmark = pytest.mark.django_db


def owner(external_id: str) -> Customer:
    return Identity.objects.get(kind="external", source="shop", value=external_id).customer


def test_a_new_customer_gets_every_field(tmp_path):
    header = "external_id,email,phone,first_name,last_name,language,time_zone,country,birth_date,"
    row = "7, Zoe@Example.com ,+33 1 23-45 67 89,Zoé,O'Hara,pt_BR,Europe/Paris,fr,1984-02-29,"
    text = f"{header}happened_at,recorded_at,plan\n{row}2020-01-01,2020-01-02T00:00:00Z,gold\n"

    report = load("customers", csv_file(tmp_path, text))

    assert triple(report) == (1, 0, 0)
    zoe = owner("7")
    assert (zoe.email, zoe.phone, zoe.first_name) == ("zoe@example.com", "+33123456789", "Zoé")
    assert (zoe.last_name, zoe.language, zoe.time_zone) == ("O'Hara", "pt-BR", "Europe/Paris")
    assert (zoe.country, zoe.birth_date, zoe.traits) == ("FR", date(1984, 2, 29), {"plan": "gold"})
    assert zoe.happened_at.isoformat() == "2020-01-01T00:00:00+00:00"
    assert zoe.recorded_at.isoformat() == "2020-01-02T00:00:00+00:00"
    assert zoe.changed_at == NOW


def test_the_same_file_again_changes_nothing(tmp_path):
    path = csv_file(tmp_path, "external_id,email,first_name\n1,a@b.example,Ada\n2,,Bob\n")
    load("customers", path)

    report = load("customers", path, now=NOW.replace(hour=23))

    assert triple(report) == (0, 0, 2)
    assert Customer.objects.filter(changed_at=NOW).count() == 2


def test_what_is_new_changes_and_an_empty_cell_does_not(tmp_path):
    ada = make_customer("ada", traits={"plan": "gold"})
    text = "external_id,first_name,language,plan,size\nada,Adele,,,M\n"

    assert triple(load("customers", csv_file(tmp_path, text))) == (0, 1, 0)

    ada.refresh_from_db()
    assert (ada.first_name, ada.language, ada.email) == ("Adele", "en", "ada@example.com")
    assert ada.traits == {"plan": "gold", "size": "M"}
    assert (ada.changed_at, ada.recorded_at) == (NOW, ago(400))


def test_an_address_that_is_known_joins_the_new_id_to_its_customer(tmp_path):
    ada = make_customer("ada")

    report = load("customers", csv_file(tmp_path, "external_id,email\nada-2,ADA@example.com\n"))

    assert triple(report) == (0, 1, 0)
    assert owner("ada-2") == ada
    assert Customer.objects.count() == 1


@pytest.mark.parametrize("chunk_rows", [1, 100])
def test_two_new_ids_with_one_address_are_one_customer(tmp_path, monkeypatch, chunk_rows):
    monkeypatch.setattr(chunks, "CHUNK_ROWS", chunk_rows)
    rows = ["a,zoe@example.com,Old", "b,,Bob", "c,ZOE@example.com,New"]
    path = csv_file(tmp_path, "external_id,email,first_name\n" + "\n".join(rows))

    report = load("customers", path)

    assert (report.inserted, report.read) == (2, 3)
    assert owner("a") == owner("c")
    assert owner("a").first_name == "New"
    assert triple(load("customers", path)) == (0, 0, 3)


def test_an_address_of_somebody_else_is_not_taken(tmp_path):
    make_customer("ada")
    bob = make_customer("bob")
    text = "external_id,email,first_name\nbob,ada@example.com,Robert\neve,eve@example.com,Eve\n"

    report = load("customers", csv_file(tmp_path, text))

    assert rejects(report) == [(2, "email", "ada@example.com", "belongs to another customer")]
    bob.refresh_from_db()
    assert (bob.email, bob.first_name) == ("bob@example.com", "Bob")
    assert report.inserted == 1


def test_a_new_address_claimed_by_two_known_customers_goes_to_one(tmp_path):
    make_customer("ada")
    make_customer("bob")
    text = "external_id,email\nada,same@example.com\nbob,same@example.com\n"

    report = load("customers", csv_file(tmp_path, text))

    assert (report.changed, report.rejected) == (1, 1)
    assert Customer.objects.filter(email="same@example.com").count() == 1


def test_of_rows_with_one_id_the_last_counts(tmp_path):
    text = "external_id,first_name\n1,Old\n2,Bob\n1,New\n"

    report = load("customers", csv_file(tmp_path, text))

    assert owner("1").first_name == "New"
    assert rejects(report) == [(2, "external_id", "1", "comes again in row 4, which counts")]


def test_a_customer_that_an_order_told_of_is_filled_in(tmp_path):
    stub = make_customer("9", email=None, first_name="", happened_at=ago(5))
    text = f"external_id,email,happened_at\n9,nine@example.com,{ago(50):%Y-%m-%d}\n"

    assert triple(load("customers", csv_file(tmp_path, text))) == (0, 1, 0)

    stub.refresh_from_db()
    assert stub.email == "nine@example.com"
    assert f"{stub.happened_at:%Y-%m-%d}" == f"{ago(50):%Y-%m-%d}"


def test_an_erased_customer_stays_erased(tmp_path):
    gone = make_customer("gone", email=None, first_name="", erased_at=ago(1))

    load("customers", csv_file(tmp_path, "external_id,first_name\ngone,Back\n"))

    gone.refresh_from_db()
    assert gone.first_name == ""


def test_traits_of_json_keep_their_types(tmp_path):
    path = json_file(tmp_path, {"external_id": 5, "traits": {"vip": True}, "visits": 3})

    load("customers", path)

    assert owner("5").traits == {"vip": True, "visits": 3}


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("email", "zoe@", "e-mail address"),
        ("email", "zoe.@example.com", "e-mail address"),
        ("email", "zoe@example", "e-mail address"),
        ("email", "zoë@example.com", "e-mail address"),
        ("email", "a@b@example.com", "e-mail address"),
        ("phone", "0123", "phone number"),
        ("language", "English", "language"),
        ("time_zone", "Europe/Atlantis", "time zone"),
        ("country", "UK", "country code"),
        ("birth_date", "1985-02-29", "date"),
        ("birth_date", "29.2.1984", "date"),
        ("happened_at", "2999-01-01", "between 1900 and tomorrow"),
        ("first_name", "x" * 121, "at most 120"),
        ("external_id", "x" * 121, "1 to 120"),
        ("traits", "[1]", "JSON object"),
        ("traits", "{1}", "JSON object"),
    ],
)
def test_a_value_that_cannot_be_meant_is_named(tmp_path, field, value, word):
    names = ["external_id", field] if field != "external_id" else ["external_id", "phone"]
    cell = '"' + value.replace('"', '""') + '"'
    bad = f"1,{cell}" if field != "external_id" else f"{cell},"
    text = ",".join(names) + f"\n{bad}\n2,\n"

    report = load("customers", csv_file(tmp_path, text))

    assert triple(report) == (1, 0, 0)
    row, column, shown, reason = rejects(report)[0]
    assert (row, column) == (2, field)
    assert shown.lstrip("'") in value
    assert word in reason
