"""Two profiles become one, with all they have, and can be taken apart again."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import ForeignKey

from campaigns.models import Assignment, Message
from campaigns.services import outcomes
from customers.models import (
    Consent,
    Customer,
    Event,
    Identity,
    Merge,
    MovedRows,
    Order,
    RefusedClaim,
    Suppression,
    Touch,
)
from customers.services import consent, events, identity, privacy, records
from customers.services.events import NewEvent
from customers.services.identities import merging, refusals
from customers.services.identity import Claim
from rapport.errors import Conflict, NotFound
from rapport.models import AuditEntry
from segments.models import CustomerList, ListMember, Membership
from segments.services import membership
from tests.makers import (
    NOW,
    ago,
    make_campaign,
    make_consent,
    make_customer,
    make_event,
    make_order,
    make_segment,
    make_staff,
)

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=3)
FRENCH = {
    "version": 1,
    "where": {"type": "field", "field": "country", "op": "=", "value": "FR"},
}


@pytest.fixture
def ada():
    return make_customer("ada", phone="+33612345678", traits={"plan": "gold"})


@pytest.fixture
def twin():
    """Ada's younger second account."""
    return make_customer(
        "twin", happened_at=ago(50), last_name="Byron", traits={"plan": "free", "size": "M"}
    )


def merge(survivor, merged, **more):
    return identity.merge(survivor.pk, merged.pk, **{"rule": "person", "now": NOW, **more})


def resolve(*args, **more):
    claim = Claim(*args, **{"happened_at": NOW, **more})
    return identity.resolve([claim], source="shop", now=LATER)[0]


def everything():
    """All rows that a merge may touch, as a value to compare."""
    tables = ("customers_identity", "customers_order", "customers_event", "customers_review")
    tables += ("customers_consent", "customers_customer", "segments_listmember")
    tables += ("campaigns_assignment", "campaigns_message", "campaigns_coupon")
    found = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(
                f"SELECT to_jsonb(t) - 'changed_at' FROM {table} t ORDER BY id"  # noqa: S608
            )
            found[table] = [row for (row,) in cursor.fetchall()]
    return found


def test_everything_moves_to_the_survivor(ada, twin):
    order, event, word = make_order(twin), make_event(twin), make_consent(twin)
    on_list = ListMember.objects.create(list=a_list(), customer=twin, added_at=NOW)

    found = merge(ada, twin, reason="same person on the phone")

    assert Order.objects.get(pk=order.pk).customer == ada
    assert Event.objects.get(pk=event.pk).customer == ada
    assert Consent.objects.get(pk=word.pk).customer == ada
    assert ListMember.objects.get(pk=on_list.pk).customer == ada
    assert found.moved["customers_order"] == 1
    assert (found.rule, found.reason) == ("person", "same person on the phone")
    assert {pk for (pk,) in Touch.objects.values_list("customer_id")} >= {ada.pk, twin.pk}
    assert AuditEntry.objects.filter(action="customer.merged").exists()


def test_the_survivor_keeps_what_it_has_and_gets_what_it_lacks(ada, twin):
    merge(ada, twin)

    ada.refresh_from_db()
    assert (ada.email, ada.first_name, ada.last_name) == ("ada@example.com", "Ada", "Byron")
    assert ada.traits == {"plan": "gold", "size": "M"}


def test_no_id_is_lost(ada, twin):
    """mautic 16425 and 6079: ids of the merged contact were lost, and it could still be reached."""
    merge(ada, twin)

    assert resolve("twin") == resolve("ada") == ada.pk
    assert resolve(email="twin@example.com") == resolve(email="ada@example.com") == ada.pk
    assert identity.surviving(twin.pk) == ada.pk
    twin.refresh_from_db()
    assert twin.email is None
    assert twin.erased_at == NOW


def test_sessions_and_cookies_go_on(ada):
    """mautic 7559: a merge deleted devices, and sessions broke."""
    young = make_customer("young", happened_at=ago(1))
    resolve("young", "browser")
    merge(ada, young)

    assert resolve(anonymous_id="browser") == ada.pk


def test_chains_lead_to_the_last(ada, twin):
    third = make_customer("third", happened_at=ago(900))
    merge(ada, twin)
    merge(third, ada)

    assert identity.surviving_ids([twin.pk, ada.pk, third.pk]) == dict.fromkeys(
        [twin.pk, ada.pk, third.pk], third.pk
    )
    assert resolve(email="twin@example.com") == third.pk


def test_merged_ids_stand_for_the_survivor(ada, twin):
    other = make_customer("other")
    merge(ada, twin)

    assert identity.merge(twin.pk, other.pk, rule="alias", now=NOW).survivor == ada
    with pytest.raises(Conflict, match="one profile already"):
        merge(ada, twin)


def test_what_cannot_be_merged_is_refused_and_nothing_happens(ada):
    erased = make_customer("erased")
    privacy.erase(erased.pk, user=None, now=NOW)

    with pytest.raises(Conflict, match="erased"):
        merge(ada, erased)
    with pytest.raises(NotFound):
        identity.merge(ada.pk, 10**12, rule="person", now=NOW)
    with pytest.raises(Conflict, match="expected one of"):
        merge(ada, make_customer("bob"), rule="hunch")
    assert not Merge.objects.exists()


def test_the_latest_word_by_time_counts_and_suppression_stays(ada, twin):
    make_consent(ada, happened_at=ago(100))
    make_consent(twin, is_granted=False, happened_at=ago(10))
    consent.suppress("twin@example.com", channel="email", reason="manual", source="x", now=NOW)

    merge(ada, twin)

    assert not consent.allows(ada.pk, "email", "marketing")
    assert Consent.objects.filter(customer=ada).count() == 2
    assert Suppression.objects.count() == 1


def test_the_same_word_said_twice_is_kept_once_and_the_other_remembered(ada, twin):
    words = [make_consent(one, happened_at=ago(100)) for one in (ada, twin)]

    found = merge(ada, twin)

    assert Consent.objects.get(pk=words[1].pk).customer == twin
    assert "customers_consent" not in found.moved
    identity.undo(found, now=LATER, user=None)
    assert [Consent.objects.get(pk=word.pk).customer for word in words] == [ada, twin]


def test_where_both_were_in_a_campaign_the_survivors_arm_and_message_stand(ada, twin):
    campaign = make_campaign(make_segment())
    for one, arm in ((ada, "holdout"), (twin, "treated")):
        Assignment.objects.create(campaign=campaign, customer=one, arm=arm, assigned_at=NOW)
    mail = Message.objects.create(
        campaign=campaign, customer=twin, channel="email", planned_at=NOW, due_at=NOW
    )

    merge(ada, twin)

    assert Assignment.objects.get(customer=ada).arm == "holdout"
    assert Assignment.objects.get(customer=twin).arm == "treated"
    assert Message.objects.get(pk=mail.pk).customer == ada


def test_who_unsubscribes_by_a_message_of_the_merged_one_is_the_survivor(ada, twin):
    campaign = make_campaign(make_segment())
    mails = [
        Message.objects.create(
            campaign=campaign, customer=one, channel="email", planned_at=NOW, due_at=NOW
        )
        for one in (ada, twin)
    ]
    make_consent(ada), make_consent(twin)
    merge(ada, twin)

    assert outcomes.unsubscribed(mails[1].pk, now=LATER, how="link")

    assert Message.objects.get(pk=mails[1].pk).customer == twin
    assert not consent.allows(ada.pk, "email", campaign.topic)
    assert Event.objects.get().customer == ada


def test_memberships_follow_at_the_next_refresh(ada, twin):
    segment = make_segment("french", rule=FRENCH)
    membership.refresh([ada.pk, twin.pk], cause="event", now=NOW)
    assert Membership.objects.filter(segment=segment).count() == 2

    merge(ada, twin)
    membership.refresh([ada.pk, twin.pk], cause="edit", now=LATER)

    assert [m.customer for m in Membership.objects.filter(segment=segment)] == [ada]


def test_undoing_the_last_merge_gives_the_state_before(ada, twin):
    make_order(twin), make_event(twin, anonymous_id="b1"), make_consent(twin), make_order(ada)
    ListMember.objects.create(list=a_list(), customer=twin, added_at=NOW)
    before = everything()

    found = merge(ada, twin)
    assert everything() != before
    identity.undo(found, now=LATER, user=make_staff("marketer"))

    assert everything() == before
    assert Merge.objects.get().undone_at == LATER
    assert not MovedRows.objects.exists()
    assert identity.surviving(twin.pk) == twin.pk


def test_new_facts_stay_with_the_survivor_unless_they_carry_a_browser_of_the_other(ada, twin):
    resolve("twin", "hers")
    found = merge(ada, twin)
    new_order = make_order(ada, happened_at=LATER)
    for number, browser in enumerate(("hers", "mine")):
        told = NewEvent("shop", f"m{number}", ada.pk, browser, "Viewed", happened_at=LATER)
        events.record([told], now=LATER)

    identity.undo(found, now=LATER, user=None)

    assert Order.objects.get(pk=new_order.pk).customer == ada
    assert Event.objects.get(message_id="m0").customer == twin
    assert Event.objects.get(message_id="m1").customer == ada


def test_what_was_changed_since_is_not_taken_back(ada, twin):
    found = merge(ada, twin)
    Customer.objects.filter(pk=ada.pk).update(
        last_name="Lovelace", traits={"plan": "gold", "size": "L"}
    )

    identity.undo(found, now=LATER, user=None)

    ada.refresh_from_db()
    assert (ada.last_name, ada.traits) == ("Lovelace", {"plan": "gold", "size": "L"})


def test_a_merge_in_the_middle_of_a_chain_can_be_undone(ada, twin):
    third = make_customer("third", happened_at=ago(900))
    order = make_order(twin)
    first = merge(ada, twin)
    second = merge(third, ada)

    identity.undo(first, now=LATER, user=None)
    assert Order.objects.get(pk=order.pk).customer == twin
    assert identity.surviving(twin.pk) == twin.pk
    assert resolve("twin") == twin.pk
    assert resolve("ada") == third.pk

    identity.undo(second, now=LATER, user=None)
    assert Order.objects.get(pk=order.pk).customer == twin
    assert resolve("ada") == ada.pk


def test_an_address_that_went_down_a_chain_comes_back(ada, twin):
    Customer.objects.filter(pk=ada.pk).update(email=None)
    third = make_customer("third", email=None, happened_at=ago(900))
    first = merge(ada, twin)
    merge(third, ada)
    third.refresh_from_db()
    assert third.email == "twin@example.com"

    identity.undo(first, now=LATER, user=None)

    for one, address in ((twin, "twin@example.com"), (ada, None), (third, None)):
        one.refresh_from_db()
        assert one.email == address
    assert resolve(email="twin@example.com") == twin.pk


def test_a_merge_undone_from_the_end_takes_its_own_merged_ones_along(ada, twin):
    third = make_customer("third", happened_at=ago(900))
    merge(ada, twin)

    identity.undo(merge(third, ada), now=LATER, user=None)

    assert identity.surviving(twin.pk) == ada.pk
    assert resolve("twin") == ada.pk


def test_a_merge_is_undone_once(ada, twin):
    found = merge(ada, twin)
    identity.undo(found, now=LATER, user=None)

    with pytest.raises(Conflict, match="undone already"):
        identity.undo(found, now=LATER, user=None)


def test_what_a_person_took_apart_the_rules_do_not_join_again(ada):
    visitor = resolve(anonymous_id="b1")
    resolve("ada", "b1")
    identity.undo(Merge.objects.get(), now=LATER, user=make_staff("marketer"))

    assert resolve("ada", "b1") == ada.pk

    assert identity.surviving(visitor) == visitor
    assert resolve(anonymous_id="b1") == visitor
    assert RefusedClaim.objects.get().reason == "apart"


def test_an_alias_joins_a_visitor_and_repeats_quietly(ada):
    visitor = resolve(anonymous_id="b1")

    for _ in range(2):
        assert identity.alias("b1", "ada", source="shop", now=NOW) == ada.pk

    assert identity.surviving(visitor) == ada.pk
    assert Merge.objects.count() == 1


def test_an_alias_of_two_users_keeps_the_older(ada, twin):
    for _ in range(2):
        assert identity.alias("ada", "twin", source="shop", now=NOW) == ada.pk

    assert resolve("twin") == ada.pk
    assert [(m.rule, m.reason) for m in Merge.objects.all()] == [("alias", "ada is twin")]


def test_an_alias_of_a_browser_that_is_somebody_elses_joins_no_two_people(ada, twin):
    resolve("ada", "tablet")

    assert identity.alias("tablet", "twin", source="shop", now=NOW) == twin.pk

    assert not Merge.objects.exists()
    assert resolve(anonymous_id="tablet") == twin.pk


def test_an_alias_of_somebody_new_adds_the_id(ada):
    assert identity.alias("ada", "ada-2", source="shop", now=NOW) == ada.pk
    assert resolve("ada-2") == ada.pk
    assert identity.alias("null", "ada", source="shop", now=NOW) == ada.pk
    assert identity.alias("ada", "null", source="shop", now=NOW) == ada.pk
    new = identity.alias("b9", "u9", source="shop", now=NOW)
    assert resolve(anonymous_id="b9") == resolve("u9") == new


def test_aliases_stop_where_a_person_took_apart_or_too_many_come(ada, twin, settings):
    identity.alias("ada", "twin", source="shop", now=NOW)
    identity.undo(Merge.objects.get(), now=NOW, user=None)
    assert identity.alias("ada", "twin", source="shop", now=LATER) == twin.pk

    settings.IDENTITY_MERGES_AN_HOUR = 1
    for name in ("one", "two"):
        make_customer(name, happened_at=ago(1))
        identity.alias(name, "ada", source="shop", now=LATER)

    assert resolve("one") == ada.pk
    assert resolve("two") != ada.pk
    assert sorted(r.reason for r in RefusedClaim.objects.all()) == ["apart", "too_many"]
    assert AuditEntry.objects.filter(action="identity.merging_stopped").exists()


def test_merged_customers_get_no_new_facts(ada, twin):
    merge(ada, twin)

    subscribed = [{"external_id": "new", "email": "twin@example.com"}]
    assert records.upsert("customers", subscribed, source="till", now=LATER).changed == 1
    rows = [{"external_id": "twin", "email": "twin@example.com", "first_name": "New"}]
    assert not records.upsert("customers", rows, source="shop", now=LATER).rejected
    order = {"order_id": "o-1", "customer_id": "twin", "product_id": "mug", "quantity": 1}
    order |= {"unit_price": "10", "happened_at": NOW.isoformat(), "currency": "EUR"}
    assert not records.upsert("orders", [order], source="shop", now=LATER).rejected
    word = {"email": "ada@example.com", "channel": "email", "is_granted": "true"}
    word |= {"happened_at": NOW.isoformat()}
    word_of_twin = {**word, "email": "twin@example.com", "is_granted": "false"}
    assert not records.upsert("consent", [word, word_of_twin], source="shop", now=LATER).rejected

    assert Order.objects.get(external_id="o-1").customer == ada
    assert {word.customer_id for word in Consent.objects.all()} == {ada.pk}
    twin.refresh_from_db()
    assert twin.first_name == "Twin"
    assert Customer.objects.count() == 2


def test_what_a_slow_writer_wrote_for_a_merged_customer_is_moved(ada, twin):
    found = merge(ada, twin)
    late = make_order(twin)

    assert merging.sweep(now=NOW + timedelta(minutes=1)) == 1
    assert merging.sweep(now=NOW + timedelta(minutes=1)) == 0

    assert Order.objects.get(pk=late.pk).customer == ada
    identity.undo(found, now=LATER, user=None)
    assert Order.objects.get(pk=late.pk).customer == twin


def test_erasing_the_survivor_erases_the_merged_too(ada, twin):
    words = [make_consent(one, happened_at=ago(100)) for one in (ada, twin)]
    found = merge(ada, twin)
    exported = privacy.export(twin.pk)
    assert exported["person"]["id"] == ada.pk
    assert exported["merged_profiles"][0]["customer_id"] == twin.pk
    assert exported["merges"]["merges"][0]["merged_id"] == twin.pk

    certificate = privacy.erase(twin.pk, user=None, now=LATER)

    assert certificate.customer_id == ada.pk
    assert not Consent.objects.filter(pk__in=[word.pk for word in words]).exists()
    assert not Identity.objects.exists()
    for one in (ada, twin):
        one.refresh_from_db()
        assert (one.email, one.first_name, one.last_name, one.traits) == (None, "", "", {})
    assert consent.suppressed(["ada@example.com", "twin@example.com"], channel="email") == {
        "ada@example.com",
        "twin@example.com",
    }
    found.refresh_from_db()
    assert (found.fields, found.reason) == ({}, "")
    assert not MovedRows.objects.exists()
    with pytest.raises(Conflict):
        identity.undo(found, now=LATER, user=None)
    assert sum(privacy.erase(ada.pk, user=None, now=LATER).rows.values()) == 0


def test_lists_are_forgotten_after_a_while_and_the_id_still_leads_on(ada, twin, settings):
    found = merge(ada, twin)
    after = NOW + timedelta(days=settings.IDENTITY_UNDO_DAYS + 1)

    assert merging.forget(now=NOW) == 0
    assert merging.forget(now=after) == 1

    assert not MovedRows.objects.exists()
    twin.refresh_from_db()
    assert (twin.first_name, twin.merged_into_id) == ("", ada.pk)
    found.refresh_from_db()
    with pytest.raises(Conflict, match="not known any more"):
        identity.undo(found, now=after, user=None)
    assert resolve("twin") == ada.pk


def test_refusals_are_bounded(monkeypatch):
    monkeypatch.setattr(refusals, "KEPT", 3)
    resolve_all = [Claim("0" * n, happened_at=NOW) for n in range(1, 8)]
    identity.resolve(resolve_all, source="shop", now=NOW)

    assert refusals.trim() == 4
    assert RefusedClaim.objects.count() == 3


def test_a_mover_names_tables_and_columns_only():
    with pytest.raises(ValueError, match="not the name"):
        identity.register_mover("x", [("orders; DROP TABLE x", "customer_id", ())])


def test_money_adds_up_after_a_merge(ada, twin):
    make_order(ada, 10), make_order(twin, 32)

    merge(ada, twin)

    totals = Order.objects.filter(customer=ada).values_list("total", flat=True)
    assert sum(totals) == Decimal("42")


def a_list():
    return CustomerList.objects.create(key="vip", name="VIP", created_at=NOW, changed_at=NOW)


# These name a customer and do not move; each with its reason.
STAYS = {
    "customers_customer": "leads to the survivor",
    "customers_merge": "the log of merges itself",
    "customers_refusedclaim": "says who claimed what then",
    "customers_touch": "passes in minutes",
    "segments_membership": "left and entered at the next refresh, for both are touched",
    "segments_membershipchange": "says who was in then, under the id of then",
    "segments_recheck": "set anew by the next refresh",
    "segments_score": "scored anew from the facts",
    "segments_scorechange": "says which band she was in then, under the id of then",
}


def test_every_table_that_names_a_customer_follows_or_says_why_not():
    naming = {
        model._meta.db_table
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, ForeignKey) and field.related_model is Customer
    }

    assert naming - {mover.table for mover in merging.movers()} - STAYS.keys() == set()
