"""The cluster explorer: what the card holds is drawn, and examples are real members."""

import pytest
from django.urls import reverse

from segments.models import Cluster, Score, Segment
from tests.makers import NOW, make_cast, make_staff
from tests.segments.learnt import make_clusters

pytestmark = pytest.mark.django_db
QUERIES_MOST = 15
CARD = {
    "map": {"axes": ["orders", "basket"], "explained": [0.5, 0.2],
            "points": [[0.1, 0.2, 0], [1.0, 2.0, 1], [0.4, 0.1, 0], [2, 2, -1]]},
    "dendrogram": {"leaves": [{"key": 0, "n": 30}, {"key": 1, "n": 20}, {"key": 0, "n": 10},
                              {"key": None, "n": 4}],
                   "merges": [[0, 2, 0.5, 40], [1, 3, 0.8, 24], [4, 5, 2.0, 64]]},
    "flow": {"from": [{"key": 0, "name": "Before A", "n": 60}, {"key": 1, "name": "B", "n": 40}],
             "to": [{"key": 0, "name": "A", "n": 70}, {"key": 1, "name": "B", "n": 30}],
             "moves": [[0, 0, 55], [0, 1, 5], [1, 0, 15], [1, 1, 25]],
             "as_of": ["2026-05-01", "2026-06-01"]},
    "methods": [
        {"method": "k-means", "k": 3, "silhouette": 0.3, "stability": 0.95, "worth": 0.2,
         "chosen": True},
        {"method": "HDBSCAN", "k": 2, "silhouette": 0.2, "stability": 0.6, "noise_share": 0.27,
         "why_not": "refits disagree"},
    ],
    "limits": ["It knows no seasons."],
}  # fmt: skip


@pytest.fixture
def as_role(client):
    def enter(role: str):
        client.force_login(make_staff(role))
        return client

    return enter


@pytest.fixture
def found():
    clusters = make_clusters()
    run = clusters[0].run
    run.card = {**run.card, **CARD}
    run.save(update_fields=["card"])
    return clusters


def test_all_that_the_card_holds_is_drawn(as_role, found, django_assert_max_num_queries):
    viewer = as_role("viewer")
    with django_assert_max_num_queries(QUERIES_MOST):
        text = viewer.get(reverse("clusters")).content.decode()

    for sentence in (
        "“Group 0” is the largest: 20% of all",
        "The groups differ most in orders ever",
        "The plane shows 70% of what differs between customers",
        "The last two branches join at 2.00",
        "20% of the customers changed group since the run before",
        "refits disagree",
        "It knows no seasons.",
    ):
        assert sentence in text, sentence
    assert "Before A" in text and "in no group" in text


def test_examples_are_members_and_never_erased(as_role, found):
    cast = make_cast()
    for name, key in (("ada", 0), ("bob", 0), ("eve", 1), ("mallory", 1)):
        Score.objects.create(
            name="cluster", customer=cast[name], run=found[0].run, value=key, as_of=NOW
        )
    cast["mallory"].erased_at = NOW
    cast["mallory"].save(update_fields=["erased_at"])
    text = as_role("viewer").get(reverse("clusters")).content.decode()

    assert all(reverse("customer", args=[cast[name].pk]) in text for name in ("ada", "bob", "eve"))
    assert reverse("customer", args=[cast["mallory"].pk]) not in text


@pytest.mark.parametrize(
    "card",
    [
        {"map": {"points": []}, "dendrogram": {"leaves": [], "merges": []}, "flow": {"moves": []}},
        {"map": {"points": [[0, 0, 0]]}, "dendrogram": {"leaves": [{"key": 0, "n": 1}]}},
        {"flow": {"from": [], "to": [], "moves": [[9, 9, 1]]}, "methods": [{"method": "Ward"}]},
        {"map": None, "flow": None, "dendrogram": None, "methods": None, "limits": None},
    ],
)
def test_a_card_that_holds_little_draws_what_it_can(as_role, found, card):
    run = found[0].run
    run.card = card
    run.save(update_fields=["card"])
    answer = as_role("viewer").get(reverse("clusters"))

    assert answer.status_code == 200 and b"The groups differ most in" in answer.content


def decide(client, action: str, cluster=None, **given):
    address = reverse(action, args=[cluster.pk] if cluster else [])
    return client.post(address, given, follow=True).content.decode()


def test_an_accepted_group_is_renamed_with_its_segment(as_role, found):
    analyst = as_role("analyst")
    decide(analyst, "cluster_accept", found[0], name="Regulars")
    text = decide(analyst, "cluster_rename", found[0], name="The faithful")

    assert "are called “The faithful” now" in text
    assert Segment.objects.get(cluster=found[0]).name == "The faithful"


def test_a_proposal_is_not_renamed_and_the_reason_is_said(as_role, found):
    assert "accept it" in decide(as_role("analyst"), "cluster_rename", found[0], name="Mine")


def test_groups_are_merged_and_one_is_taken_out_again(as_role, found):
    analyst = as_role("analyst")
    ids = [found[0].pk, found[1].pk]
    text = decide(analyst, "clusters_merge", clusters=ids, name="Both", note="Alike")

    assert "2 groups are the one segment “Both” now." in text
    assert "Merged with “Both”" in text and "Take it out again" in text

    merged = Cluster.objects.get(state="merged")
    assert "waits for your decision again" in decide(analyst, "cluster_reconsider", merged)
    merged.refresh_from_db()
    assert merged.state == "proposed"


def test_one_group_alone_is_not_merged_and_what_was_typed_stays(as_role, found):
    text = decide(as_role("analyst"), "clusters_merge", clusters=[found[0].pk], name="Both")

    assert "Choose at least two groups." in text and 'value="Both"' in text
    assert f'value="{found[0].pk}" checked' in text


def test_what_was_put_aside_is_thought_of_again(as_role, found):
    analyst = as_role("analyst")
    decide(analyst, "cluster_reject", found[0], note="Too mixed")
    decide(analyst, "cluster_reconsider", found[0])

    found[0].refresh_from_db()
    assert found[0].state == "proposed"


def test_a_group_without_its_model_is_not_split_and_the_reason_is_said(as_role, found):
    assert "Nothing was changed" in decide(as_role("analyst"), "cluster_split", found[0])


@pytest.mark.parametrize("name", ["cluster_rename", "cluster_split", "cluster_reconsider"])
def test_a_viewer_decides_on_nothing(as_role, found, name):
    answer = as_role("viewer").post(reverse(name, args=[found[0].pk]), {"name": "Mine"})

    assert answer.status_code == 403
