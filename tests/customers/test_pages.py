"""The customer list, its export, and the catalogue."""

import csv
import io

import pytest
from django.urls import reverse

from customers.web import filters, people
from customers.web.filters import Filter
from rapport.models import AuditEntry
from tests.makers import (
    make_cast,
    make_consent,
    make_customer,
    make_order,
    make_product,
    make_staff,
)

pytestmark = pytest.mark.django_db
QUERIES_MOST = 15


@pytest.fixture
def cast():
    return make_cast()


@pytest.fixture
def viewer(client):
    client.force_login(make_staff("viewer"))
    return client


@pytest.fixture
def manager(client):
    client.force_login(make_staff("manager"))
    return client


def text(answer) -> str:
    return answer.content.decode()


def named(answer) -> list[str]:
    """First names of the customers on a page, in order."""
    return [row["customer"].first_name for row in answer.context["rows"]]


def exported(answer) -> list[dict]:
    lines = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(lines)))


def test_an_empty_list_offers_an_import(viewer):
    page = text(viewer.get("/customers/"))

    assert "Nobody is known yet." in page
    assert reverse("import_new") in page


def test_the_list_tells_orders_value_and_consent(viewer, cast, django_assert_max_num_queries):
    with django_assert_max_num_queries(QUERIES_MOST):
        answer = viewer.get("/customers/")

    rows = {row["customer"].first_name: row for row in answer.context["rows"]}
    assert rows["Ada"]["orders"] == 5
    assert rows["Ada"]["value"] == ["€300.00"]
    assert rows["Ada"]["may_email"]
    assert not rows["Mallory"]["may_email"]
    assert "4 customers are known to the shop." in text(answer)


def test_refunds_lower_the_value_and_cancelled_orders_do_not_count(viewer, cast):
    make_order(cast["bob"], -5, kind="refund")
    make_order(cast["bob"], 1000, status="cancelled")
    make_order(cast["bob"], 1000, status="refunded")

    bob = next(
        row
        for row in viewer.get("/customers/").context["rows"]
        if row["customer"].first_name == "Bob"
    )

    assert bob["orders"] == 1
    assert bob["value"] == ["€20.00"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("ada", ["Ada"]),
        ("LOV", ["Ada"]),
        ("ada lovelace", ["Ada"]),
        ("ada lo", ["Ada"]),
        ("ada@example.com", ["Ada"]),
        ("ADA@example.com", ["Ada"]),
        ("bo", ["Bob"]),
        ("k-77", ["Eve"]),
        ("nobody", []),
        ("%", []),
    ],
)
def test_people_are_found_by_how_their_name_address_or_number_begins(viewer, cast, words, found):
    ada, eve = cast["ada"], cast["eve"]
    type(ada).objects.filter(pk=ada.pk).update(last_name="Lovelace")
    eve.identities.update(value="K-77")

    assert named(viewer.get("/customers/", {"q": words})) == found


def test_people_are_found_by_their_number_here(viewer, cast):
    eve = cast["eve"]

    assert "Eve" in named(viewer.get("/customers/", {"q": str(eve.pk)}))


def test_filters_narrow_and_show_as_chips(viewer, cast):
    make_customer("gita", country="IN")

    country = viewer.get("/customers/?country=IN")
    allowed = viewer.get("/customers/?may_email=yes")
    refused = viewer.get("/customers/?may_email=no&country=FR")

    assert named(country) == ["Gita"]
    assert "Country: India (1)" in text(country)
    assert sorted(named(allowed)) == ["Ada", "Bob", "Eve"]
    assert named(refused) == ["Mallory"]
    assert "1 customer fits this." in text(refused)


def test_the_latest_word_decides_who_may_be_written_to(viewer, cast):
    make_consent(cast["ada"], False, happened_at=cast["ada"].happened_at)  # before the yes
    make_consent(cast["bob"], False, source="phone", happened_at=cast["bob"].changed_at)
    make_consent(cast["eve"], False, source="phone", happened_at=make_order(None).happened_at)

    assert sorted(named(viewer.get("/customers/?may_email=yes"))) == ["Ada", "Bob"]


def test_the_list_is_sorted_as_asked(viewer, cast):
    make_customer("zoe", email=None)

    assert named(viewer.get("/customers/?sort=email")) == ["Ada", "Bob", "Eve", "Mallory"]
    assert named(viewer.get("/customers/?sort=newest"))[0] == "Zoe"
    assert named(viewer.get("/customers/?sort=rubbish"))[0] == "Zoe"


def test_erased_people_are_not_listed(viewer, cast):
    type(cast["bob"]).objects.filter(pk=cast["bob"].pk).update(erased_at=cast["bob"].changed_at)

    assert "Bob" not in named(viewer.get("/customers/"))


def test_another_app_narrows_the_list_by_its_own_filter(viewer, cast, monkeypatch):
    monkeypatch.setattr(filters, "_filters", {})
    filters.register(
        Filter(
            key="initial",
            label="Initial",
            permission="customers.view_customer",
            options=lambda: [("A", "begins with A")],
            narrow=lambda found, value: found.filter(first_name__startswith=value),
        )
    )

    chosen = viewer.get("/customers/?initial=A")

    assert named(chosen) == ["Ada"]
    assert "Initial: begins with A" in text(chosen)
    assert len(named(viewer.get("/customers/?initial=Z"))) == 4  # not on offer, so not asked


def test_the_page_needs_no_more_queries_for_more_people(viewer, django_assert_max_num_queries):
    for number in range(60):
        make_order(make_customer(f"person{number}"))

    with django_assert_max_num_queries(QUERIES_MOST):
        first = viewer.get("/customers/?country=FR")
        assert len(first.context["rows"]) == 50
    rest = viewer.get(f"/customers/?{first.context['pages'].next}")

    assert len(rest.context["rows"]) == 10


def test_the_export_holds_what_is_shown(manager, cast):
    make_customer("gita", country="IN")

    rows = exported(manager.get("/customers/export/?country=FR&q=ada"))

    assert [(row["first_name"], row["orders"], row["value"]) for row in rows] == [
        ("Ada", "5", "300.0000")
    ]
    entry = AuditEntry.objects.get(action="customers.exported")
    assert (entry.actor, entry.details["filters"]) == ("manager", "country=FR&q=ada")


def test_the_export_reads_everybody_in_batches(manager, cast, monkeypatch):
    monkeypatch.setattr(people, "EXPORT_BATCH", 2)

    assert len(exported(manager.get("/customers/export/"))) == 4


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_the_export_is_a_formula(manager, start):
    make_customer("evil", first_name=f"{start}HYPERLINK(1)", last_name="Plain")

    (row,) = exported(manager.get("/customers/export/"))

    assert row["first_name"] == f"'{start}HYPERLINK(1)"
    assert row["last_name"] == "Plain"


def test_only_who_may_export_sees_the_button(client, cast):
    client.force_login(make_staff("marketer"))

    assert reverse("customers_export") not in text(client.get("/customers/"))
    assert client.get("/customers/export/").status_code == 403


def test_the_catalogue_tells_what_was_sold_lately(viewer, django_assert_max_num_queries):
    mug, lamp = make_product("mug"), make_product("lamp", kind="service", is_available=False)
    ada = make_customer("ada")
    make_order(ada, product=mug, days_ago=5)
    make_order(ada, product=mug, days_ago=1, status="cancelled")
    make_order(ada, product=mug, days_ago=400)
    make_order(ada, product=lamp, days_ago=400)

    with django_assert_max_num_queries(QUERIES_MOST):
        answer = viewer.get("/products/")

    assert [product.name for product, _units in answer.context["rows"]] == ["Lamp", "Mug"]
    assert "not on sale" in text(answer)
    only = viewer.get("/products/?kind=service&available=no&q=la")
    assert [product.name for product, _units in only.context["rows"]] == ["Lamp"]
    assert "No product fits" in text(viewer.get("/products/?q=sofa"))


def test_units_sold_are_of_the_last_ninety_days(cast):
    from customers import querysets
    from tests.makers import NOW

    mug = make_product("mug")

    # Ada 5, 20, 40, 80; Bob 30; Mallory 10; all within 90 days before NOW
    assert querysets.units_sold([mug.pk], until=NOW) == {mug.pk: 6}


def test_an_empty_catalogue_offers_an_import(viewer):
    assert "Import a file" in text(viewer.get("/products/"))
