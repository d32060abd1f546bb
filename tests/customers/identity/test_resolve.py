"""Who a message is about: found, created, completed; and what does not identify anybody."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.models import Customer, Event, Identity, Merge, RefusedClaim, Touch
from customers.services import identity
from customers.services.identity import Claim
from tests.makers import NOW, ago, make_customer, make_event

pytestmark = pytest.mark.django_db


def claim(user_id="", anonymous_id="", **more):
    return Claim(user_id, anonymous_id, **{"happened_at": NOW, **more})


def resolve(*claims, source="shop", now=NOW):
    return identity.resolve(claims, source=source, now=now)


def reasons():
    return sorted(RefusedClaim.objects.values_list("value", "reason"))


def test_a_visitor_is_created_once_and_found_again():
    (first,) = resolve(claim(anonymous_id="b1", happened_at=ago(1)))
    (second,) = resolve(claim(anonymous_id="b1"))

    assert first == second
    visitor = Customer.objects.get()
    assert (visitor.pk, visitor.happened_at, visitor.recorded_at) == (first, ago(1), NOW)
    assert Touch.objects.filter(customer_id=first).exists()


def test_answers_come_in_the_order_of_the_claims():
    ada, bob = make_customer("ada"), make_customer("bob")

    found = resolve(claim("bob"), claim("ada"), claim(), claim("new"), claim("bob", "b7"))

    assert found[:3] == [bob.pk, ada.pk, None]
    assert found[3] == Identity.objects.get(value="new").customer_id
    assert found[4] == bob.pk == Identity.objects.get(value="b7").customer_id


def test_an_address_finds_the_customer_whose_row_has_it_whatever_its_case():
    ada = make_customer("ada", email="Ada@Example.com")

    assert resolve(claim(email=" ADA@example.com ", anonymous_id="b1")) == [ada.pk]
    assert Identity.objects.get(value="b1").customer == ada


def test_a_user_id_belongs_to_its_source():
    assert len({*resolve(claim("1042")), *resolve(claim("1042"), source="app")}) == 2


def test_a_new_customer_has_the_address_and_the_number_that_were_told():
    resolve(claim("1042", email="New@Example.com", phone="+33 6 12 34 56 78"))

    new = Customer.objects.get()
    assert (new.email, new.phone) == ("new@example.com", "+33612345678")
    assert new.identities.count() == 3


def test_a_visitor_who_says_who_she_is_keeps_her_profile():
    (visitor,) = resolve(claim(anonymous_id="b1"))

    assert resolve(claim("1042", "b1", email="n@example.com")) == [visitor]
    assert Customer.objects.get().email == "n@example.com"


def test_what_a_browser_did_while_it_was_nobodys_belongs_to_its_customer():
    early = make_event(None, anonymous_id="b1")
    others = make_event(None, anonymous_id="b1", source="app")

    (pk,) = resolve(claim("1042", "b1"))

    assert Event.objects.get(pk=early.pk).customer_id == pk
    assert Event.objects.get(pk=others.pk).customer_id is None


@pytest.mark.parametrize("value", ["null", "0", "00000-0000", "-1", "Undefined", "anonymous"])
def test_values_that_say_nothing_identify_nobody(value):
    assert resolve(claim(value), claim(anonymous_id=value)) == [None, None]

    assert not Customer.objects.exists()
    assert {reason for _value, reason in reasons()} == {"blocked"}


def test_more_values_can_be_blocked(settings):
    settings.IDENTITY_BLOCKED = [r"kiosk-\d+"]

    assert resolve(claim(anonymous_id="kiosk-7"), claim("1042", "kiosk-7"))[0] is None
    assert not Identity.objects.filter(value="kiosk-7").exists()


@pytest.mark.parametrize(
    "given", [{"email": "ada at example"}, {"phone": "0612"}, {"user_id": "a\x00b"}]
)
def test_what_cannot_be_read_is_refused_and_kept(given):
    assert resolve(claim(**given)) == [None]
    assert [reason for _value, reason in reasons()] == ["unclear"]


def test_a_repeated_refusal_is_one_row_and_is_not_written_again_at_once():
    resolve(claim("null"))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        resolve(*[claim("null")] * 50, now=NOW + timedelta(minutes=1))
    assert RefusedClaim.objects.get().last_at == NOW
    assert len(queries) <= 4

    resolve(claim("null"), now=NOW + timedelta(hours=1))
    assert RefusedClaim.objects.get().last_at == NOW + timedelta(hours=1)


def test_without_profiles_for_visitors_a_browser_alone_is_nobody(settings):
    settings.IDENTITY_ANONYMOUS_PROFILES = False

    assert resolve(claim(anonymous_id="b1")) == [None]
    make_event(None, anonymous_id="b1")
    (pk,) = resolve(claim("1042", "b1"))
    assert Event.objects.get().customer_id == pk


def test_an_address_of_somebody_else_is_not_taken_over():
    ada = make_customer("ada")

    (other,) = resolve(claim("1042", email="ada@example.com"))

    assert other != ada.pk
    assert Customer.objects.get(pk=other).email is None
    kept = RefusedClaim.objects.get()
    assert (kept.value, kept.reason, kept.holder_id) == ("ada@example.com", "taken", ada.pk)


def test_a_subscriber_who_opens_an_account_stays_one_customer():
    subscriber = Customer.objects.create(
        email="s@example.com", happened_at=NOW, recorded_at=NOW, changed_at=NOW
    )

    assert resolve(claim("1042", email="s@example.com")) == [subscriber.pk]


def test_a_customer_whom_the_shop_names_may_change_the_address():
    ada = make_customer("ada")

    assert resolve(claim("ada", email="new@example.com")) == [ada.pk]

    ada.refresh_from_db()
    assert ada.email == "new@example.com"
    (other,) = resolve(claim("1042", email="ada@example.com"))
    assert other != ada.pk
    assert Customer.objects.get(pk=other).email == "ada@example.com"


def test_a_browser_alone_does_not_change_an_address():
    (ada,) = resolve(claim("ada", "b1", email="ada@example.com"))

    (other,) = resolve(claim(anonymous_id="b1", email="eve@example.com"))

    assert other != ada
    assert Customer.objects.get(pk=ada).email == "ada@example.com"


def test_a_visitor_becomes_part_of_the_known_customer_and_never_the_other_way():
    ada = make_customer("ada", happened_at=NOW)
    (visitor,) = resolve(claim(anonymous_id="b1", happened_at=ago(700)))
    viewed = make_event(Customer.objects.get(pk=visitor), anonymous_id="b1")

    assert resolve(claim("ada", "b1")) == [ada.pk]

    assert Event.objects.get(pk=viewed.pk).customer == ada
    assert identity.surviving(visitor) == ada.pk
    assert resolve(claim(anonymous_id="b1")) == [ada.pk]
    assert Merge.objects.get().rule == "anonymous"


def test_a_shared_device_moves_on_and_joins_nobody():
    (ada,) = resolve(claim("ada", "tablet"))
    viewed = make_event(Customer.objects.get(pk=ada), anonymous_id="tablet")

    (bob,) = resolve(claim("bob", "tablet"))

    assert bob != ada
    assert not Merge.objects.exists()
    assert Event.objects.get(pk=viewed.pk).customer_id == ada
    assert resolve(claim(anonymous_id="tablet")) == [bob]
    assert resolve(claim("ada", "tablet"), claim(anonymous_id="tablet")) == [ada, ada]


def test_a_batch_reads_like_its_messages_one_by_one():
    found = resolve(
        claim(anonymous_id="b1"),
        claim("ada", "b1"),
        claim("bob", "b1"),
        claim(anonymous_id="b1"),
        claim("ada", "b2", email="a@example.com"),
        claim(email="a@example.com"),
    )

    ada, bob = found[1], found[2]
    assert found == [ada, ada, bob, bob, ada, ada]
    assert Customer.objects.count() == 2


def test_an_address_is_proof_only_where_the_shop_says_so(settings):
    old, young = make_customer("old"), make_customer("young", happened_at=NOW)
    told = claim("young", email="old@example.com", email_is_verified=True)
    assert resolve(told) == [young.pk]

    settings.IDENTITY_MERGE_SAME_EMAIL = True
    assert resolve(claim("young", email="old@example.com")) == [young.pk]
    assert resolve(told) == [old.pk]

    assert Merge.objects.get().rule == "same_email"
    assert resolve(claim("young")) == [old.pk]


def test_too_many_visitors_in_an_hour_stop_becoming_one(settings):
    settings.IDENTITY_MERGES_AN_HOUR = 3
    make_customer("ada")
    visitors = resolve(*(claim(anonymous_id=f"b{n}") for n in range(5)))

    ada = resolve(*(claim("ada", f"b{n}") for n in range(5)))[0]

    assert [identity.surviving(one) == ada for one in visitors] == [True] * 3 + [False] * 2
    assert {reason for _value, reason in reasons()} == {"too_many"}
    later = NOW + timedelta(hours=2)
    resolve(claim("ada", "b4"), now=later)
    assert identity.surviving(visitors[4]) == ada


def test_the_number_of_statements_does_not_grow_with_the_claims():
    def statements(first, size):
        visitors = [claim(anonymous_id=f"v{n}") for n in range(first, first + size)]
        resolve(*visitors)
        users = [claim(f"u{n}", f"w{n}") for n in range(first, first + size)]
        resolve(*users)
        join = [claim(f"u{n}", f"v{n}") for n in range(first, first + size)]
        with CaptureQueriesContext(connection) as queries:
            resolve(*users, *join, *(claim(f"n{n}") for n in range(first, first + size)))
        return len(queries)

    assert statements(0, 2) == statements(100, 60)


def test_a_known_customer_costs_three_statements():
    make_customer("ada")

    with CaptureQueriesContext(connection) as queries:
        resolve(*[claim("ada", email="ada@example.com")] * 40)

    assert len(queries) <= 4
