"""People see merges, make them and take them apart."""

import pytest
from django.urls import reverse

from customers.models import Customer, Merge
from customers.services import identity
from customers.services.identity import Claim
from tests.makers import NOW, ago, make_customer, make_order, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return make_customer("ada")


@pytest.fixture
def twin():
    twin = make_customer("twin", happened_at=ago(50))
    make_order(twin)
    return twin


def signed_in(client, role):
    client.force_login(make_staff(role))
    return client


def test_a_marketer_finds_the_other_profile_sees_what_moves_and_merges(client, ada, twin):
    signed_in(client, "marketer")
    address = reverse("customer_merge", args=[twin.pk])

    found = client.get(address, {"q": "ada"}).content.decode()
    assert f"?with={ada.pk}" in found
    asked = client.get(address, {"with": ada.pk}).content.decode()
    assert "1 order" in asked
    done = client.post(address, {"with": ada.pk, "reason": "same parcel"})

    assert done.url == reverse("customer", args=[ada.pk])
    made = Merge.objects.get()
    assert (made.survivor, made.merged, made.reason) == (ada, twin, "same parcel")
    assert made.user.username == "marketer"


def test_the_page_of_a_merged_customer_leads_to_the_survivor(client, ada, twin):
    identity.merge(ada.pk, twin.pk, rule="person", now=NOW)
    signed_in(client, "viewer")

    answer = client.get(reverse("customer", args=[twin.pk]), follow=True)

    assert answer.redirect_chain[-1][0] == reverse("customer", args=[ada.pk])
    assert "Merged from" in answer.content.decode()
    assert reverse("customer_merge", args=[ada.pk]) not in answer.content.decode()


def test_a_merge_says_what_moved_and_is_taken_apart(client, ada, twin):
    made = identity.merge(ada.pk, twin.pk, rule="person", now=NOW, reason="same parcel")
    signed_in(client, "marketer")

    assert "Twin" in client.get(reverse("merges")).content.decode()
    text = client.get(reverse("merge", args=[made.pk])).content.decode()
    assert "1 order" in text
    assert "same parcel" in text
    client.post(reverse("merge_undo", args=[made.pk]))

    assert Customer.objects.get(pk=twin.pk).merged_into_id is None
    text = client.get(reverse("merge", args=[made.pk])).content.decode()
    assert "taken out again" in text
    assert "Take them apart" not in text


def test_a_viewer_sees_and_changes_nothing(client, ada, twin):
    made = identity.merge(ada.pk, twin.pk, rule="person", now=NOW)
    signed_in(client, "viewer")

    assert "Take them apart" not in client.get(reverse("merge", args=[made.pk])).content.decode()
    assert client.post(reverse("merge_undo", args=[made.pk])).status_code == 403
    assert client.get(reverse("customer_merge", args=[ada.pk])).status_code == 403
    assert Merge.objects.get().undone_at is None


def test_refused_handles_are_told_with_a_way_to_merge(client, ada):
    claims = [Claim("u1", email="ada@example.com", happened_at=NOW), Claim("null", happened_at=NOW)]
    other = identity.resolve(claims, source="shop", now=NOW)[0]
    signed_in(client, "marketer")

    text = client.get(reverse("refused_claims")).content.decode()
    assert "Belongs to another customer" in text
    assert f"{reverse('customer_merge', args=[other])}?with={ada.pk}" in text
    text = client.get(reverse("refused_claims"), {"reason": "blocked"}).content.decode()
    assert "ada@example.com" not in text


def test_nonsense_in_the_address_chooses_nobody(client, ada):
    signed_in(client, "marketer")
    for given in ("x", "0", str(ada.pk), "9" * 30, "²"):
        answer = client.get(reverse("customer_merge", args=[ada.pk]), {"with": given})
        assert "Merge the two" not in answer.content.decode()


def test_lists_cost_a_few_statements(client, ada, django_assert_max_num_queries):
    for number in range(8):
        twin = make_customer(f"twin{number}", happened_at=ago(2))
        identity.merge(ada.pk, twin.pk, rule="person", now=NOW)
    signed_in(client, "manager")

    with django_assert_max_num_queries(15):
        client.get(reverse("merges"))
