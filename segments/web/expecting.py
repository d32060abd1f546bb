"""What the scores of one customer say: a word, a number and a frame of reference each."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import exp
from typing import Any

from django.conf import settings

from rapport.web import words
from segments.models import ModelRun, Score
from segments.web import features
from segments.web.clusters_charts import color_of

REASONS_SHOWN = 4
START, REST = "start", "other"  # of the sum, not of the customer
RISK = {"high": "High risk", "medium": "Medium risk", "low": "Low risk"}
LIKELY = {"high": "Likely", "medium": "Possible", "low": "Unlikely"}
WORTH = {"high": "High value", "medium": "Middle value", "low": "Low value"}
OFF_MOST = 0.02  # steps that add up farther from the score are not shown as steps


@dataclass(frozen=True)
class Step:
    """One reason: its words, what it adds in points, and where the sum stands after it."""

    words: str
    speaks: str = ""  # raises it, lowers it
    added: str = ""  # "+12 points"
    left: float = 0.0  # of its bar, in % of the width
    width: float = 0.0
    is_more: bool = False
    is_start: bool = False


@dataclass(frozen=True)
class Told:
    """One score as a person reads it."""

    word: str
    figure: str
    run: ModelRun
    as_of: datetime
    label: str = ""
    between: str = ""
    frame: str = ""
    color: str = ""
    more: tuple[str, ...] = ()
    steps: list[Step] = field(default_factory=list)
    is_sum: bool = False  # whether the steps end at the score
    changes: list[tuple[datetime, str]] = field(default_factory=list)

    @property
    def is_rule_of_thumb(self) -> bool:
        return self.run.state == ModelRun.State.FALLBACK


def told(scores: dict[str, Score]) -> list[Told]:
    """What there is to say, the most asked-for first."""
    found = (
        _churn(scores),
        _value(scores),
        _next(scores),
        _propensity(scores),
        _response(scores),
        _cluster(scores),
    )
    return [one for one in found if one]


def _churn(scores: dict[str, Score]) -> Told | None:
    score = scores.get("churn_90d")
    if score is None:
        return None
    hundred = round(100 * score.value)
    steps, is_sum = _steps(score)
    return Told(
        word=RISK.get(score.band, "Risk of leaving"),
        figure=words.percent(score.value),
        label="no order within 90 days",
        between=_between(score),
        frame=f"Of 100 people like this one, {hundred} did not buy again within 90 days.",
        steps=steps,
        is_sum=is_sum,
        changes=_changes(score),
        run=score.run,
        as_of=score.as_of,
    )


def _value(scores: dict[str, Score]) -> Told | None:
    score = scores.get("clv_365d")
    if score is None:
        return None
    orders, quarter = scores.get("orders_365d"), scores.get("clv_90d")
    place = (getattr(score, "above", None) or 0) + 1
    times = f"About {words.number(orders.value, 1)} orders are expected. " if orders else ""
    unsure = (
        "" if score.low is not None else " A single customer's amount is uncertain by a factor."
    )
    more = []
    if quarter:
        written = features.score_written("clv_90d", quarter.value)
        more.append(f"In the next 90 days: {written}{_in(quarter)}.")
    steps = [Step(one["words"]) for one in score.reasons if one.get("words")]
    return Told(
        word=WORTH.get(score.band, "Expected value"),
        figure=words.money(score.value, settings.CURRENCY),
        label="expected in the next 365 days",
        between=_between(score),
        frame=f"{times}Place {words.number(place)} among all customers with a value.{unsure}",
        more=tuple(more),
        steps=steps[:REASONS_SHOWN],
        changes=_changes(score),
        run=score.run,
        as_of=score.as_of,
    )


def _next(scores: dict[str, Score]) -> Told | None:
    score = scores.get("next_order_days")
    if score is None:
        return None
    day = score.as_of + timedelta(days=score.value)
    between = ""
    if score.low is not None and score.high is not None:
        ends = [words.day(score.as_of + timedelta(days=end)) for end in (score.low, score.high)]
        between = f"between {ends[0]} and {ends[1]}"
    return Told(
        word="Next order",
        figure=f"about {words.day(day)}",
        label=f"in {words.plural(round(score.value), 'day')}, if there is one",
        between=between,
        run=score.run,
        as_of=score.as_of,
    )


def _propensity(scores: dict[str, Score]) -> Told | None:
    score = scores.get("propensity_7d")
    if score is None:
        return None
    steps, is_sum = _steps(score)
    hundred = f"{100 * score.value:.1f}" if score.value < 0.1 else f"{round(100 * score.value)}"
    return Told(
        word=LIKELY.get(score.band, "To order"),
        figure=words.percent(score.value, 1 if score.value < 0.1 else 0),
        label="an order within 7 days",
        between=_between(score),
        frame=f"Of 100 people like this one, {hundred} ordered within 7 days.",
        steps=steps,
        is_sum=is_sum,
        changes=_changes(score),
        run=score.run,
        as_of=score.as_of,
    )


def _response(scores: dict[str, Score]) -> Told | None:
    """The better channel with its hour; one line for both."""
    channels = [
        (name, scores[key])
        for key, name in (("response_email", "e-mail"), ("response_sms", "SMS"))
        if key in scores
    ]
    hour = scores.get("best_hour")
    if not channels and hour is None:
        return None
    at = features.score_written("best_hour", hour.value) if hour else ""
    if not channels:
        assert hour is not None
        return Told(
            word="Best hour",
            figure=at,
            label="local time",
            run=hour.run,
            as_of=hour.as_of,
        )
    channels.sort(key=lambda row: -row[1].value)
    name, best = channels[0]
    return Told(
        word=f"Answers {name}",
        figure=words.percent(best.value, 1 if best.value < 0.1 else 0),
        label="a click or an order after a message",
        between=_between(best),
        frame=_first_words(best),
        more=(
            *(
                f"By {other}: {words.percent(one.value, 1)}{_in(one)}."
                for other, one in channels[1:]
            ),
            *((f"Best reached at {at}, local time.",) if at else ()),
        ),
        run=best.run,
        as_of=best.as_of,
    )


def _cluster(scores: dict[str, Score]) -> Told | None:
    score: Any = scores.get("cluster")
    if score is None:
        return None
    name = score.cluster_name or score.cluster_proposed
    return Told(
        word="Buys like",
        figure=name or f"group {round(score.value)}",
        label="" if score.cluster_name else "a proposed group",
        color=color_of(round(score.value)),
        frame=_first_words(score) or "Nearest to the middle of this group in what was bought.",
        changes=_changes(score),
        run=score.run,
        as_of=score.as_of,
    )


def _steps(score: Score) -> tuple[list[Step], bool]:
    """The reasons as steps from an average customer to this score, where they add up to it.

    Contributions are to the log-odds; each step is what the probability becomes by adding the
    next, the strongest first, so that the steps end at the score.
    """
    rows = [one for one in score.reasons if one.get("words")]
    by_name = {one.get("feature"): one for one in rows}
    told = [one for one in rows if one.get("feature") not in (START, REST)][:REASONS_SHOWN]
    start = by_name.get(START, {}).get("contribution")
    known = [one.get("contribution") for one in rows]
    if start is None or any(one is None for one in known) or not told:
        return [Step(one["words"], _speaks(one)) for one in told], False
    if abs(_share(sum(known)) - score.value) > OFF_MOST:
        return [Step(one["words"], _speaks(one)) for one in told], False
    at, steps = (
        start,
        [_step("where an average customer stands", 0.0, _share(start), is_start=True)],
    )
    rest = [one for one in rows if one not in told and one.get("feature") != START]
    for one in told:
        steps.append(_step(one["words"], _share(at), _share(at + one["contribution"])))
        at += one["contribution"]
    if rest:
        left = sum(one["contribution"] for one in rest)
        steps.append(_step("everything else taken together", _share(at), _share(at + left)))
    return steps, True


def _step(said: str, before: float, after: float, *, is_start: bool = False) -> Step:
    moved = 100 * (after - before)
    added = f"{moved:.0f}%" if is_start else f"{moved:+.0f} points".replace("-", "−")
    return Step(
        words=said,
        added=added,
        left=round(100 * min(before, after), 1),
        width=round(max(abs(moved), 0.6), 1),
        is_more=after >= before,
        is_start=is_start,
        speaks="" if is_start else ("raises it" if after >= before else "lowers it"),
    )


def _speaks(one: dict[str, Any]) -> str:
    added = one.get("contribution")
    return "" if added is None else "raises it" if added > 0 else "lowers it"


def _share(log_odds: float) -> float:
    return 1 / (1 + exp(-log_odds))


def _between(score: Score) -> str:
    if score.low is None or score.high is None:
        return ""
    low, high = (features.score_written(score.name, end) for end in (score.low, score.high))
    stated = (score.run.card.get("intervals") or {}).get("stated") if score.run.card else None
    often = f", {words.percent(stated)} of the time" if stated else ""
    return f"between {low} and {high}{often}"


def _in(score: Score) -> str:
    return f" ({_between(score)})" if score.low is not None and score.high is not None else ""


def _changes(score: Any) -> list[tuple[datetime, str]]:
    """Steps between bands, the newest first."""
    named = score.name == "cluster"
    return [
        (datetime.fromisoformat(one["at"]), _change(one["before"], one["after"], named=named))
        for one in getattr(score, "changes", [])
    ]


def _change(before: str, after: str, *, named: bool) -> str:
    after = after or "no score"
    return f"from group {before} to group {after}" if named else f"from {before} to {after}"


def _first_words(score: Score) -> str:
    said = next((str(one["words"]) for one in score.reasons if one.get("words")), "")
    return f"{said[0].upper()}{said[1:].rstrip('.')}." if said else ""
