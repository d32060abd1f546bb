"""One cluster is parted in two, the others stay; and pages are given what they draw."""

from datetime import timedelta

import numpy as np
import pytest
from django.db import connection

from rapport.errors import Conflict
from rapport.models import AuditEntry, Run
from segments.models import Cluster, ModelRun
from segments.services import artefacts, clusters, scoring, splitting, training
from tests.makers import NOW, make_staff
from tests.segments.shops import make_shop
from tests.segments.test_clusters import scored

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)


def test_a_cluster_is_split_in_two_and_stays_so_while_the_others_keep_their_customers():
    analyst = make_staff("analyst")
    make_shop(400)
    (live,) = training.retrain(as_of=NOW, kinds=["clusters"])
    assert live.state == "live", live.summary
    before = {row.key: scored(row.key) for row in Cluster.objects.filter(run=live)}
    largest = Cluster.objects.filter(run=live).order_by("-size").first()
    segment = clusters.accept(largest, name="Regulars", user=analyst, now=NOW)
    job = splitting.ask(largest, note="Too many in one", user=analyst, now=NOW)
    run = splitting.work(job.pk, now=NOW)
    scoring.score(run, now=NOW)

    job.refresh_from_db()
    assert (job.state, job.result["run"]) == (Run.State.DONE, run.pk)
    assert splitting.work(job.pk, now=NOW) is None  # a task that comes twice

    assert (run.state, ModelRun.objects.get(pk=live.pk).state) == ("live", "retired")
    after = {row.key: scored(row.key) for row in Cluster.objects.filter(run=run)}
    (fresh,) = set(after) - set(before)
    assert after[largest.key] | after[fresh] == before[largest.key]
    assert len(after[largest.key]) >= len(after[fresh]) > 0
    assert all(after[key] == before[key] for key in set(before) - {largest.key})
    states = dict(Cluster.objects.filter(run=run).values_list("key", "state"))
    assert (states[largest.key], states[fresh]) == ("accepted", "proposed")
    segment.refresh_from_db()
    assert segment.cluster.run_id == run.pk
    assert "Too many in one" in run.card["because"]
    assert AuditEntry.objects.filter(action="cluster.split", actor="analyst").exists()
    _pages_have_what_they_draw(run, live, keys=set(after))

    (again,) = training.retrain(as_of=LATER, kinds=["clusters"])
    assert again.state == "live", again.summary
    assert set(Cluster.objects.filter(run=again).values_list("key", flat=True)) == set(after)
    assert "a person had one split" in again.card["centres"]


def _pages_have_what_they_draw(run: ModelRun, live: ModelRun, *, keys: set[int]) -> None:
    card, n = run.card, run.n_customers
    assert {point[2] for point in card["map"]["points"]} == keys
    assert len(card["map"]["points"]) == n and len(card["map"]["axes"]) == 2
    assert 0 < sum(card["map"]["explained"]) <= 1
    assert sum(leaf["n"] for leaf in card["dendrogram"]["leaves"]) == n
    assert card["dendrogram"]["merges"][-1][3] == n
    moves = np.array(card["flow"]["moves"])
    assert moves[:, 2].sum() == n
    changed = moves[moves[:, 0] != moves[:, 1], 2].sum() / n
    assert changed == pytest.approx(card["moved_share"], abs=1e-4)
    assert {side["key"] for side in card["flow"]["from"]} == keys - {max(keys)}
    assert {side["key"] for side in card["flow"]["to"]} == keys
    assert all(side["name"] for side in [*card["flow"]["from"], *card["flow"]["to"]])
    assert card["flow"]["as_of"] == [live.as_of.isoformat(), run.as_of.isoformat()]


def test_only_a_cluster_of_the_live_run_that_is_not_merged_is_split():
    run = ModelRun.objects.create(kind="clusters", state="live", as_of=NOW, created_at=NOW)
    whole, part = (
        Cluster.objects.create(run=run, key=key, proposed_name=f"Group {key}", size=9)
        for key in (1, 2)
    )
    analyst = make_staff("analyst")
    clusters.merge([whole, part], name="Both", user=analyst, now=NOW)
    part.refresh_from_db()

    with pytest.raises(Conflict, match="take it out first"):
        splitting.ask(part, user=analyst, now=NOW)
    with pytest.raises(artefacts.ArtefactRefused):
        splitting.ask(whole, user=analyst, now=NOW)
    run.state = "retired"
    run.save()
    whole.refresh_from_db()
    with pytest.raises(Conflict, match="of the live run"):
        splitting.ask(whole, user=analyst, now=NOW)


def test_nothing_is_split_while_a_training_is_at_work():
    run = ModelRun.objects.create(kind="clusters", state="live", as_of=NOW, created_at=NOW)
    cluster = Cluster.objects.create(run=run, key=1, proposed_name="Group 1", size=9)
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [training.LOCK])
        with pytest.raises(training.Busy, match="when it is done"):
            splitting.ask(cluster, user=None, now=NOW)
    other.close()
