"""The language of flows: what it reads, what it refuses, and that it says everything at once."""

from datetime import timedelta

import pytest

from campaigns.flows import graph, language
from campaigns.flows import steps as S

RULE = {
    "version": 1,
    "where": {"type": "orders", "measure": "count", "op": ">=", "value": 1},
}
EVERY_KIND = {
    "version": 1,
    "trigger": {"on": "event", "event": "cart_updated", "where": [
        {"name": "value", "op": ">=", "value": 50}]},
    "reentry": {"after_days": 30},
    "exit_on": {"order": True},
    "first": 1,
    "steps": [
        {"number": 1, "kind": "wait", "hours": 1, "next": 2},
        {"number": 2, "kind": "wait_until", "event": "cart_viewed", "timeout": {"days": 1},
         "next": 3, "else": 4},
        {"number": 3, "kind": "wait_until", "hour": 9, "weekdays": [5, 0], "next": 4},
        {"number": 4, "kind": "filter", "rule": RULE, "next": 5},
        {"number": 5, "kind": "branch", "rule": RULE, "then": 6, "else": 7},
        {"number": 6, "kind": "split", "holdout_share": 0.1, "arms": [
            {"name": "A", "weight": 1, "next": 7}, {"name": "B", "weight": 2, "next": 8}]},
        {"number": 7, "kind": "offer", "offer": 3, "next": 8},
        {"number": 8, "kind": "send", "channel": "sms", "window": ["09:00", "18:00"], "next": 9},
        {"number": 9, "kind": "webhook", "endpoint": 1, "next": 10},
        {"number": 10, "kind": "update_trait", "trait": "won_back", "value": True, "next": 11},
        {"number": 11, "kind": "exit"},
    ],
}  # fmt: skip


def flow(*steps: dict, **given: object) -> dict:
    return {
        "version": 1,
        "trigger": {"on": "segment_entered", "segment": "new"},
        "first": 1,
        "steps": list(steps),
        **given,
    }


def faults(definition: object) -> set[str]:
    with pytest.raises(language.FlowError) as refused:
        language.parse(definition)
    return {str(fault) for fault in refused.value.faults}


def test_every_kind_of_step_is_read_and_written_back():
    read = language.parse(EVERY_KIND)

    assert [type(one) for one in read.steps] == [
        S.Wait, S.WaitUntil, S.WaitUntil, S.Filter, S.Branch, S.Split, S.GiveOffer, S.Send,
        S.Webhook, S.UpdateTrait, S.Exit,
    ]  # fmt: skip
    assert read.step(2).timeout == timedelta(days=1)
    assert read.step(2).on_timeout == 4
    assert read.step(3).weekdays == (0, 5)
    assert read.reentry == S.Reentry(30)
    assert language.parse(language.to_json(read)) == read


def test_every_fault_is_named_at_once_with_its_path():
    found = faults(
        {
            "version": 2,
            "trigger": {"on": "full_moon"},
            "reentry": "always",
            "exit_on": {"oder": True},
            "first": 1,
            "steps": [
                {"number": 1, "kind": "send", "channel": "fax", "window": ["9", "18:00"]},
                {"number": 2, "kind": "wait", "days": 400},
                {"number": 2, "kind": "teleport"},
                {"number": 3, "kind": "split", "arms": [{"name": "A", "weight": 0}]},
                {"number": 4, "kind": "filter", "rule": {"version": 1, "where": {"type": "x"}}},
                {"number": 5, "kind": "wait_until", "event": "a", "hour": 3},
            ],
        }
    )

    paths = {one.split(":")[0] for one in found}
    assert paths >= {
        "version", "trigger.on", "reentry", "exit_on.oder", "steps[0].channel", "steps[0].window",
        "steps[1]", "steps[2].kind", "steps[3].arms", "steps[4].rule.where.type", "steps[5]",
        "steps[5].timeout",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        (None, "is not an object"),
        (flow(), "not a list of 1 to 100"),
        (flow(*[{"number": n, "kind": "exit"} for n in range(101)]), "not a list of 1 to 100"),
        (flow({"number": 1, "kind": "send", "next": 9}), "leads to step 9, which there is not"),
        (flow({"number": 1, "kind": "exit"}, {"number": 2, "kind": "exit"}), "no way leads"),
        (flow({"number": 1, "kind": "exit"}, {"number": 1, "kind": "exit"}), "already"),
        (flow({"number": True, "kind": "exit"}), "whole number"),
        (flow({"number": 1, "kind": "exit"}, first=3), "there is no step 3"),
        (flow({"number": 1, "kind": "wait", "minutes": 0}), "is not a time of 1 minute"),
        (flow({"number": 1, "kind": "wait", "days": float("nan")}), "is not a number"),
        (
            flow(
                {"number": 1, "kind": "branch", "rule": RULE, "then": 2, "else": None},
                {"number": 2, "kind": "update_trait", "trait": "a", "value": 1, "next": 1},
            ),
            "leads back to itself without a wait",
        ),
        (
            flow(
                {"number": 1, "kind": "wait_until", "hour": 9, "next": 1},
            ),
            "leads back to itself without a wait",
        ),
        (
            flow(
                {"number": 1, "kind": "send", "next": 2},
                {"number": 2, "kind": "wait", "days": 7, "next": 1},
            ),
            "would go once only",
        ),
    ],
)
def test_an_unsound_flow_is_refused(definition, reason):
    assert any(reason in one for one in faults(definition))


def test_a_circle_with_a_wait_is_sound():
    read = language.parse(
        flow(
            {"number": 1, "kind": "wait", "days": 7, "next": 2},
            {"number": 2, "kind": "branch", "rule": RULE, "then": 3, "else": 1},
            {"number": 3, "kind": "send", "next": None},
        )
    )

    assert graph.reachable({one.number: one for one in read.steps}, 1) == {1, 2, 3}
