"""People rename, merge, take out and reconsider clusters; retraining keeps what they decided."""

from datetime import timedelta

import pytest

from rapport.errors import Conflict
from rapport.models import AuditEntry
from segments.models import Cluster, ModelArtefact, ModelRun
from segments.services import clusters, promotion, segments
from tests.makers import NOW, make_staff

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)


@pytest.fixture
def analyst():
    return make_staff("analyst")


def a_run(*keys: int, state: str = "live") -> ModelRun:
    run = ModelRun.objects.create(kind="clusters", state=state, as_of=NOW, created_at=NOW)
    profiles = {key: {"orders_total": {"mean": 1.0, "base_mean": 1.0, "z": 0.0}} for key in keys}
    live = promotion.serving("clusters")
    clusters.propose(
        run,
        sizes={key: 100 - key for key in keys},
        profiles=profiles,
        names={key: f"Group {key}" for key in keys},
        live=live if live is not None and live.pk != run.pk else None,
    )
    return run


def rows(run: ModelRun) -> dict[int, Cluster]:
    return {row.key: row for row in Cluster.objects.filter(run=run)}


def retrained(*keys: int, user) -> ModelRun:
    run = a_run(*keys, state="judged")
    promotion.promote(run, user=user, now=LATER, then_score=False)
    run.refresh_from_db()
    assert run.state == "live"
    return run


def keys_of(segment) -> list[int]:
    segment.refresh_from_db()
    where = segment.rule["where"]
    return [each["key"] for each in where["of"]] if where["type"] == "or" else [where["key"]]


def test_merged_clusters_are_one_segment_of_all_their_keys(analyst):
    found = rows(a_run(1, 2, 3))
    segment = clusters.merge(
        [found[3], found[1]], name="Regulars", note="The same to us", user=analyst, now=NOW
    )

    found = rows(found[1].run)
    assert keys_of(segment) == [1, 3]
    assert segment.cluster == found[1]  # the larger
    assert [found[key].state for key in (1, 2, 3)] == ["accepted", "proposed", "merged"]
    assert (found[1].name, found[3].merged_into) == ("Regulars", found[1])
    assert AuditEntry.objects.filter(action="cluster.merged", actor="analyst").exists()


def test_merging_extends_the_segment_there_is_and_its_parts_go_along(analyst):
    found = rows(a_run(1, 2, 3, 4))
    first = clusters.merge([found[3], found[4]], name="Small", user=analyst, now=NOW)
    found = rows(found[1].run)
    segment = clusters.merge([found[3], found[1]], name="Larger", user=analyst, now=NOW)
    with pytest.raises(Conflict, match="take it out first"):
        clusters.merge([rows(found[1].run)[4], found[2]], name="No", user=analyst, now=NOW)

    assert segment.pk == first.pk
    assert (segment.name, keys_of(segment)) == ("Larger", [1, 3, 4])


def test_two_segments_in_use_are_not_merged_nor_one_cluster_nor_rejected_ones(analyst):
    found = rows(a_run(1, 2, 3))
    clusters.accept(found[1], name="One", user=analyst, now=NOW)
    clusters.accept(found[2], name="Two", user=analyst, now=NOW)
    clusters.reject(found[3], user=analyst, now=NOW)

    for chosen, words in (
        ([found[1], found[2]], "archive all but one"),
        ([found[1], found[1]], "at least two"),
        ([found[1], found[3]], "reconsider it first"),
    ):
        with pytest.raises(Conflict, match=words):
            clusters.merge(chosen, name="Both", user=analyst, now=NOW)
    assert {row.state for row in rows(found[1].run).values()} == {"accepted", "rejected"}


def test_a_merge_lasts_over_retraining_whichever_part_is_found_again(analyst):
    found = rows(a_run(1, 2, 3))
    segment = clusters.merge(list(found.values()), name="Regulars", user=analyst, now=NOW)
    version = segment.rule_version
    again = rows(retrained(1, 2, 3, user=analyst))

    segment.refresh_from_db()
    assert (segment.cluster, segment.rule_version) == (again[1], version)
    assert [again[key].merged_into for key in (1, 2, 3)] == [None, again[1], again[1]]

    without = rows(retrained(2, 3, 9, user=analyst))  # the one with the segment is gone
    segment.refresh_from_db()
    assert segment.cluster == without[2]
    assert [without[key].state for key in (2, 3, 9)] == ["accepted", "merged", "proposed"]
    assert (without[2].name, without[3].merged_into) == ("Regulars", without[2])

    none = retrained(10, 11, user=analyst)
    segment.refresh_from_db()
    assert segment.cluster == without[2]
    assert "'Regulars' has no counterpart" in none.card["limits"][0]


def test_proposals_of_a_run_that_is_not_live_yet_show_what_was_merged(analyst):
    found = rows(a_run(1, 2, 3))
    clusters.merge([found[1], found[2]], name="Regulars", user=analyst, now=NOW)
    both, one = rows(a_run(1, 2, state="judged")), rows(a_run(2, 3, state="judged"))

    assert (both[2].state, both[2].merged_into) == ("merged", both[1])
    assert (one[2].state, one[2].merged_into) == ("proposed", None)  # what it was part of is gone


def test_rolling_back_keeps_a_merge_that_was_made_since(analyst):
    first = a_run(1, 2)
    ModelRun.objects.filter(pk=first.pk).update(promoted_at=NOW)
    ModelArtefact.objects.create(run=first, content=b"-", sha256="-")
    second = rows(retrained(1, 2, user=analyst))
    segment = clusters.merge(list(second.values()), name="All", user=analyst, now=LATER)
    promotion.roll_back("clusters", user=analyst, now=LATER + timedelta(days=1), then_score=False)

    back = rows(first)
    segment.refresh_from_db()
    assert segment.cluster == back[1]
    assert (back[2].state, back[2].merged_into) == ("merged", back[1])


def test_a_cluster_taken_out_is_a_proposal_and_leaves_the_rule(analyst):
    found = rows(a_run(1, 2, 3))
    segment = clusters.merge(list(found.values()), name="Regulars", user=analyst, now=NOW)
    parts = rows(found[1].run)
    for decide in (clusters.reject, lambda row, **by: clusters.accept(row, name="Mine", **by)):
        with pytest.raises(Conflict, match="take it out first"):
            decide(parts[2], user=analyst, now=NOW)
    out = clusters.take_out(parts[2], user=analyst, now=NOW)

    assert (out.state, out.merged_into) == ("proposed", None)
    assert keys_of(segment) == [1, 3]
    clusters.take_out(parts[3], user=analyst, now=NOW)
    assert keys_of(segment) == [1]
    assert segment.rule["where"]["type"] == "cluster"
    with pytest.raises(Conflict, match="only a merged cluster"):
        clusters.take_out(parts[3], user=analyst, now=NOW)


def test_a_rejected_cluster_can_be_reconsidered(analyst):
    found = rows(a_run(1, 2))
    with pytest.raises(Conflict, match="only a rejected"):
        clusters.reconsider(found[1], user=analyst, now=NOW)
    clusters.reject(found[1], note="Of no use", user=analyst, now=NOW)
    again = clusters.reconsider(found[1], user=analyst, now=LATER)

    assert (again.state, again.note) == ("proposed", "")
    assert AuditEntry.objects.filter(action="cluster.reconsidered", actor="analyst").exists()
    assert clusters.accept(again, name="Regulars", user=analyst, now=LATER).name == "Regulars"


def test_a_new_name_is_that_of_the_cluster_and_of_its_segment(analyst):
    found = rows(a_run(1, 2))
    with pytest.raises(Conflict, match="accept it"):
        clusters.rename(found[1], name="Regulars", user=analyst, now=NOW)
    segment = clusters.accept(found[1], name="Regulars", user=analyst, now=NOW)
    renamed = clusters.rename(found[1], name=" Friends ", user=analyst, now=NOW)
    with pytest.raises(segments.NameMissing):
        clusters.rename(found[1], name=" ", user=analyst, now=NOW)

    segment.refresh_from_db()
    assert (renamed.name, segment.name) == ("Friends", "Friends")
    entry = AuditEntry.objects.get(action="cluster.renamed")
    assert entry.details["before"] == "Regulars"
