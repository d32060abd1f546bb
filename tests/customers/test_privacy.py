"""Personal data can be handed out and erased, all of it."""

import json

import pytest
from django.apps import apps
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from customers.models import Consent, Customer, Event, Identity, Order, Suppression
from customers.services import consent, privacy
from rapport import privacy as registry
from rapport.errors import NotFound
from rapport.models import AuditEntry
from tests.makers import NOW, make_cast, make_event

# These hold a path to a customer and no personal data of her; each with its reason.
EXEMPT = {
    "customers.Product": "a thing",
    "customers.Suppression": "a fingerprint, kept so that nobody writes to an erased address",
}


@pytest.fixture
def ada(db):
    ada = make_cast()["ada"]
    make_event(ada, properties={"product": "mug"})
    return ada


def test_every_model_with_a_customer_has_an_eraser():
    names = {"customers", "segments", "campaigns"}
    with_customer = {
        f"{model._meta.app_label}.{model.__name__}"
        for model in apps.get_models()
        if model._meta.app_label in names
        and any(
            isinstance(field, models.ForeignKey) and field.related_model is Customer
            for field in model._meta.get_fields()
        )
    }

    assert with_customer - registry.covered_models() - EXEMPT.keys() == set()


def test_an_export_holds_what_is_known_and_is_json(ada):
    found = privacy.export(ada.pk)

    assert found["person"]["email"] == "ada@example.com"
    assert len(found["orders"]) == 5
    assert found["orders"][0]["lines"][0]["quantity"] == 1
    assert found["events"][0]["properties"] == {"product": "mug"}
    assert found["consent"][0]["proof_text"]
    json.dumps(found, cls=DjangoJSONEncoder)


def test_erasing_leaves_no_trace_but_the_books_and_a_fingerprint(ada):
    certificate = privacy.erase(ada.pk, user=None, now=NOW)

    left = Customer.objects.get(pk=ada.pk)
    assert (left.email, left.first_name, left.traits, left.erased_at) == (None, "", {}, NOW)
    assert not Identity.objects.filter(customer=ada).exists()
    assert not Event.objects.filter(customer_id=ada.pk).exists()
    assert not Consent.objects.filter(customer=ada).exists()
    assert not Order.objects.filter(customer=ada).exists()
    assert Order.objects.filter(customer=None).count() == 5
    assert certificate.rows["orders"] == 5
    assert "ada" not in json.dumps(certificate.rows)
    entry = AuditEntry.objects.get(action="customer.erased")
    assert "ada@" not in str(entry.details)


def test_an_erased_address_is_never_written_to_again(ada):
    privacy.erase(ada.pk, user=None, now=NOW)

    assert consent.suppressed(["ADA@example.com"], channel="email")
    assert Suppression.objects.get().hint == ""


def test_erasing_twice_changes_nothing_more(ada):
    first = privacy.erase(ada.pk, user=None, now=NOW)
    second = privacy.erase(ada.pk, user=None, now=NOW.replace(year=2027))

    assert second.erased_at == first.erased_at
    assert sum(second.rows.values()) == 0


def test_erasing_one_leaves_the_others_alone(ada):
    others = Order.objects.exclude(customer=ada).count()

    privacy.erase(ada.pk, user=None, now=NOW)

    assert Order.objects.exclude(customer=None).count() == others
    assert Customer.objects.get(email="bob@example.com").first_name == "Bob"


def test_a_stranger_is_not_found(db):
    with pytest.raises(NotFound):
        privacy.export(1)
