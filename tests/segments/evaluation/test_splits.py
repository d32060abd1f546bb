from datetime import UTC, datetime, timedelta

import pytest

from segments.evaluation.splits import NotEnoughHistory, snapshots

FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def after(days: float) -> datetime:
    return FIRST + timedelta(days=days)


@pytest.mark.parametrize("span", [270, 300, 365, 1_000])
@pytest.mark.parametrize("horizon", [30, 90])
def test_no_training_label_reaches_past_the_test_snapshot(span, horizon):
    split = snapshots(FIRST, after(span), horizon_days=horizon, step_days=30, count=4)

    assert split.test == after(span - horizon)  # its own labels are complete
    assert split.train == sorted(split.train) and 1 <= len(split.train) <= 4
    assert max(split.train) + timedelta(days=horizon) <= split.test
    assert min(split.train) >= after(horizon)  # and each has a past to look at


def test_the_latest_training_snapshot_is_as_late_as_it_may_be():
    split = snapshots(FIRST, after(400), horizon_days=90, step_days=30, count=3)

    assert split.train == [after(160), after(190), after(220)]
    assert split.test == after(310)


def test_exactly_enough_history_gives_one_snapshot_and_a_day_less_none():
    assert len(snapshots(FIRST, after(270), horizon_days=90, step_days=30, count=9).train) == 1
    with pytest.raises(NotEnoughHistory, match="269 days of facts, at least 270 are needed"):
        snapshots(FIRST, after(269), horizon_days=90, step_days=30, count=9)


def test_less_history_may_be_asked_for():
    split = snapshots(FIRST, after(200), horizon_days=90, step_days=10, count=9, history_days=0)

    assert split.train == [after(0), after(10), after(20)]


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        snapshots(datetime(2024, 1, 1), after(400), horizon_days=9, step_days=9, count=1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="1 or more"):
        snapshots(FIRST, after(400), horizon_days=90, step_days=30, count=0)
