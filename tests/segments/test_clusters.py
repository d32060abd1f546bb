"""A cluster is a proposal; accepted, it is a segment that survives retraining."""

from datetime import timedelta

import pytest

from customers.models import Customer
from rapport.errors import Conflict
from rapport.models import AuditEntry
from segments.models import Cluster, ModelRun, Score, Segment
from segments.services import artefacts, clusters, membership, promotion, segments, training
from tests.makers import NOW, make_order, make_staff
from tests.segments.shops import make_shop

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)


@pytest.fixture
def live() -> ModelRun:
    make_shop(500)
    (run,) = training.retrain(as_of=NOW, kinds=["clusters"])
    assert run.state == "live", run.summary
    return run


@pytest.fixture
def proposed() -> Cluster:
    """A cluster of a live run that nobody trained."""
    run = ModelRun.objects.create(kind="clusters", state="live", as_of=NOW, created_at=NOW)
    return Cluster.objects.create(run=run, key=2, proposed_name="Buys often", size=1)


@pytest.fixture
def analyst():
    return make_staff("analyst")


def members(segment: Segment) -> set[int]:
    return set(segment.memberships.values_list("customer_id", flat=True))


def scored(key: int) -> set[int]:
    found = Score.objects.filter(name="cluster", value=key)
    return set(found.values_list("customer_id", flat=True))


def test_clusters_are_proposed_with_names_profiles_and_sizes(live):
    found = list(Cluster.objects.filter(run=live))

    assert 3 <= len(found) <= 8
    assert {cluster.state for cluster in found} == {"proposed"}
    assert len({cluster.proposed_name for cluster in found}) == len(found)
    assert sum(cluster.size for cluster in found) == live.n_customers
    for cluster in found:
        assert len(scored(cluster.key)) == cluster.size
        assert set(cluster.profile["orders_total"]) == {"mean", "base_mean", "z"}
    shares = [cluster.size / live.n_customers for cluster in found]
    assert min(shares) >= 0.03
    assert live.metrics["stability"]["value"] >= 0.9
    assert live.metrics["silhouette"]["value"] > live.baseline["silhouette"]["value"]
    chosen = [row for row in live.card["choice"]["rows"] if row["chosen"]]
    assert [row["k"] for row in chosen] == [len(found)]


def test_an_accepted_cluster_is_a_segment_of_its_members(live, analyst):
    cluster = Cluster.objects.filter(run=live).first()
    segment = clusters.accept(cluster, name="Regulars", note="Buy a lot", user=analyst, now=NOW)
    membership.refresh_segment(segment, cause="edit", now=NOW)

    assert members(segment) == scored(cluster.key)
    assert (cluster.state, cluster.name, cluster.decided_by) == ("accepted", "Regulars", analyst)
    assert segment.rule == {"version": 1, "where": {"type": "cluster", "key": cluster.key}}
    assert AuditEntry.objects.filter(action="cluster.accepted", actor="analyst").exists()
    assert clusters.accept(cluster, name="Again", user=analyst, now=LATER).pk == segment.pk


def test_an_accepted_cluster_keeps_its_name_segment_and_members_over_retraining(live, analyst):
    cluster = Cluster.objects.filter(run=live).first()
    rejected = Cluster.objects.filter(run=live).last()
    segment = clusters.accept(cluster, name="Regulars", user=analyst, now=NOW)
    clusters.reject(rejected, note="Too small", user=analyst, now=NOW)
    before = scored(cluster.key)
    for customer in Customer.objects.all()[:10]:
        make_order(customer, 40, happened_at=NOW + timedelta(hours=9))
    (run,) = training.retrain(as_of=LATER, kinds=["clusters"])

    segment.refresh_from_db()
    assert run.state == "live" and run.pk != live.pk
    assert segment.cluster.run_id == run.pk
    assert (segment.cluster.key, segment.cluster.name) == (cluster.key, "Regulars")
    assert segment.cluster.state == "accepted"
    assert Cluster.objects.get(run=run, key=rejected.key).state == "rejected"
    assert segment.rule_version == 1  # the rule itself holds on
    after = members(segment)
    assert after == scored(cluster.key)
    assert len(before & after) / len(before | after) > 0.9
    assert run.card["moved_share"] < 0.1


def test_rolling_back_takes_accepted_clusters_along(live, analyst):
    (second,) = training.retrain(as_of=LATER, kinds=["clusters"])
    cluster = Cluster.objects.filter(run=second).first()
    segment = clusters.accept(cluster, name="Regulars", user=analyst, now=LATER)
    promotion.roll_back("clusters", user=analyst, now=LATER)

    segment.refresh_from_db()
    assert segment.cluster.run_id == live.pk
    assert (segment.cluster.key, segment.cluster.state) == (cluster.key, "accepted")


def test_a_group_that_is_not_found_again_leaves_its_segment_empty_and_says_so(proposed, analyst):
    segment = clusters.accept(proposed, name="Regulars", user=analyst, now=NOW)
    run = ModelRun.objects.create(kind="clusters", state="judged", as_of=NOW, created_at=NOW)
    Cluster.objects.create(run=run, key=proposed.key + 100, proposed_name="Others", size=1)
    promotion.promote(run, user=analyst, now=NOW, then_score=False)

    run.refresh_from_db()
    segment.refresh_from_db()
    assert segment.cluster_id == proposed.pk
    assert "'Regulars' has no counterpart" in run.card["limits"][0]
    assert AuditEntry.objects.filter(action="segment.cluster_lost").exists()


def test_keys_are_never_used_again_for_another_group(live):
    estimator = artefacts.load(live)
    used = set(Cluster.objects.values_list("key", flat=True))
    fresh = clusters.keyed(estimator, None)

    assert not used & set(fresh.keys_.tolist())
    assert clusters.keyed(estimator, estimator).keys_.tolist() == estimator.keys_.tolist()


def test_only_clusters_of_the_live_run_can_be_decided(proposed, analyst):
    ModelRun.objects.filter(pk=proposed.run_id).update(state="retired")

    with pytest.raises(Conflict, match="live run"):
        clusters.accept(proposed, name="Regulars", user=analyst, now=NOW)
    with pytest.raises(Conflict, match="live run"):
        clusters.reject(proposed, user=analyst, now=NOW)


def test_a_cluster_whose_segment_is_in_use_cannot_be_rejected(proposed, analyst):
    segment = clusters.accept(proposed, name="Regulars", user=analyst, now=NOW)

    with pytest.raises(Conflict, match="archive its segment"):
        clusters.reject(proposed, user=analyst, now=NOW)
    segments.archive(segment, user=analyst, now=NOW)
    assert clusters.reject(proposed, user=analyst, now=NOW).state == "rejected"
    with pytest.raises(Conflict, match="archived"):
        clusters.accept(proposed, name="Regulars", user=analyst, now=NOW)


def test_a_cluster_without_a_name_is_not_accepted(proposed, analyst):
    with pytest.raises(segments.NameMissing):
        clusters.accept(proposed, name="  ", user=analyst, now=NOW)

    proposed.refresh_from_db()
    assert proposed.state == "proposed"
