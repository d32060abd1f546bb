"""Nothing that was learnt is targeted before a person accepts it."""

import pytest
from django.core.management import CommandError, call_command

from campaigns.services import planning, readiness
from rapport.models import AuditEntry
from segments.models import LearntApproval, Segment
from segments.services import approvals, clusters, promotion, segments
from tests.makers import NOW, make_campaign, make_segment, make_staff
from tests.segments.learnt import make_clusters
from tests.segments.learnt import make_run as make_learnt

pytestmark = pytest.mark.django_db
HIGH = {"type": "score", "name": "churn_90d", "op": "band", "value": ["high"]}


def ruled(name: str, where: dict) -> Segment:
    return make_segment(name, rule={"version": 1, "where": where})


@pytest.mark.parametrize(
    ("where", "kinds"),
    [
        (HIGH, ["churn_90d"]),
        ({"type": "score", "name": "orders_365d", "op": "top_share", "value": 0.1}, ["clv_365d"]),
        ({"type": "cluster", "key": 3}, ["clusters"]),
        ({"type": "not", "of": {"type": "or", "of": [HIGH, {"type": "cluster", "key": 3}]}},
         ["clusters", "churn_90d"]),
        ({"type": "orders", "measure": "count", "op": ">=", "value": 1}, []),
        ({"type": "rfm", "groups": ["rfm-loyal"]}, []),
    ],
)  # fmt: skip
def test_a_rule_depends_on_the_models_whose_scores_it_asks_for(where, kinds):
    assert approvals.kinds_of(ruled("asked", where)) == kinds


def test_a_rule_depends_on_the_models_of_the_segments_it_names():
    ruled("leaving", HIGH)
    ruled("lost", {"type": "segment", "key": "leaving"})
    outer = ruled("outer", {"type": "and", "of": [{"type": "segment", "key": "lost"}]})

    assert approvals.kinds_of(outer) == ["churn_90d"]


def test_an_edit_at_work_depends_on_both_rules():
    segment = ruled("edited", {"type": "orders", "measure": "count", "op": ">=", "value": 1})
    Segment.objects.filter(pk=segment.pk).update(live_rule={"version": 1, "where": HIGH})
    segment.refresh_from_db()

    assert approvals.kinds_of(segment) == ["churn_90d"]


def test_a_campaign_waits_for_the_approval_of_the_model_behind_its_segment():
    leaving, user = ruled("leaving", HIGH), make_staff("manager")
    campaign = make_campaign(leaving)
    (fault,) = readiness.segment_faults(campaign)

    assert fault.startswith("The segment leaving depends on the model “Risk of leaving”")
    assert "models approve churn_90d" in fault
    with pytest.raises(planning.LaunchRefused, match="approve"):
        planning.launch(campaign, user=user, now=NOW)
    approvals.approve("churn_90d", user=user, now=NOW, note="Looks right.")
    assert readiness.segment_faults(campaign) == []
    planning.launch(campaign, user=user, now=NOW)


def test_an_excluded_segment_needs_the_approval_as_well():
    campaign = make_campaign(make_segment("all"), excluded=[ruled("out", HIGH)])

    assert "The segment out depends on" in readiness.segment_faults(campaign)[0]


def test_a_setting_allows_what_nobody_approved(settings):
    leaving = ruled("leaving", HIGH)
    assert approvals.unapproved(leaving) == ["churn_90d"]
    settings.TARGET_UNAPPROVED_MODELS = True

    assert approvals.unapproved(leaving) == []


def test_an_approval_stands_over_new_runs_until_it_is_withdrawn():
    user = make_staff("manager")
    approvals.approve("churn_90d", user=user, now=NOW, note="First.")
    approvals.approve("churn_90d", user=None, now=NOW, note="Second.")
    make_learnt(state="retired")
    promotion.promote(make_learnt(state="judged", promoted_at=None), user=user, now=NOW)
    promotion.roll_back("churn_90d", user=user, now=NOW)

    assert LearntApproval.objects.get().note == "First."
    assert approvals.is_allowed("churn_90d")
    assert approvals.withdraw("churn_90d", user=user)
    assert not approvals.withdraw("churn_90d", user=user)
    assert not approvals.is_allowed("churn_90d")
    told = AuditEntry.objects.filter(target="model:churn_90d").values_list("action", flat=True)
    assert sorted(told) == ["model.approval_withdrawn", "model.approved"]


def test_accepting_a_cluster_approves_its_segment_and_no_other():
    one, other, _third = make_clusters()
    user = make_staff("manager")
    accepted = clusters.accept(one, name="Regulars", user=user, now=NOW)

    assert approvals.kinds_of(accepted) == ["clusters"]
    assert approvals.unapproved(accepted) == []
    proposed = segments.create(name="By hand", rule=clusters.rule(other.key), user=user, now=NOW)
    assert approvals.unapproved(proposed) == ["clusters"]
    assert "nobody accepted" in approvals.faults([accepted, proposed])[0]


def test_an_unknown_kind_is_refused_in_words():
    with pytest.raises(approvals.UnknownKind, match="churn_90d"):
        approvals.approve("weather", user=None, now=NOW)


def test_the_command_lists_approves_and_withdraws(capsys):
    make_learnt()
    call_command("models", "approve", "churn_90d", "--note", "Fine.")
    call_command("models", "list")
    said = capsys.readouterr().out
    assert "approved on" in said and "AUC of 0.81" in said and "nothing serves" in said
    call_command("models", "withdraw", "churn_90d")

    assert not approvals.is_allowed("churn_90d")
    with pytest.raises(CommandError, match="nothing to go back to"):
        call_command("models", "rollback", "churn_90d")
