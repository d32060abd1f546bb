"""response_email, response_sms, best_hour: whether somebody answers messages, and when."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit

from customers.features.facts import Facts
from segments.estimators.response import HOURS as HOURS_A_DAY
from segments.estimators.response import ResponseModel
from segments.evaluation import calibration, metrics
from segments.evaluation.deciles import deciles
from segments.evaluation.estimate import Estimate
from segments.evaluation.groups import by_group
from segments.recipes import answers, history
from segments.recipes.answers import CHANNELS, HOURS, Messages
from segments.recipes.judged import (
    BASELINE,
    LIVE,
    RESAMPLES,
    Comparison,
    Judged,
    block,
    compare,
    day,
    not_judged,
    shortage,
    shown,
    until,
)
from segments.recipes.reasons import text

KIND = "response"
NAMES = ("response_email", "response_sms", "best_hour")
TEST_DAYS = 28  # of messages that judge, before the last ones whose answers may be still to come
LEAST_MESSAGES = 500  # of a channel, before those that judge
LEAST_ANSWERS = 30  # of a channel, among those that judge
JUDGED_MESSAGES = 50_000
USUAL = {"email": (0.05, 20.0), "sms": (0.08, 20.0)}  # rate, and messages it stands for
WORDS = {"email": ("e-mail", "e-mails"), "sms": ("text message", "text messages")}
BANDS = {"medium": 0.05, "high": 0.15}  # least probability of each; below is low
LABEL = f"a click or an order within {answers.WITHIN_DAYS} days of a message, before the next one"
LIMITS = (
    "An order after a message may have come without it: an answer is no effect.",
    "A message that is opened and nothing else is not answered.",
    "Nobody is scored on a channel who was never sent a message there.",
    "The hour is when links are followed, by the customer's own clock where its time zone is "
    "known, by UTC elsewhere.",
)

table = answers.table


def train(
    facts: Facts,
    as_of: datetime,
    *,
    live: Any = None,
    seed: int = 0,
    people: pd.DataFrame | None = None,
) -> Judged:
    """Learn from messages of the past, be judged on those of later weeks, then learn from all.

    Parameters as of `churn.train`.
    """
    cut = as_of - timedelta(days=answers.WITHIN_DAYS + TEST_DAYS)
    past, now = table(facts, cut, people), table(facts, as_of, people)
    tests = {channel: _later(answers.messages(facts, channel, as_of), cut) for channel in CHANNELS}
    short = {channel: _shortage(channel, past, tests[channel]) for channel in CHANNELS}
    ready = [channel for channel in CHANNELS if not short[channel]]
    early, estimator = _fit(past, ready), _fit(now, ready)
    words = " or ".join(short.values())
    card = {**_card(facts, as_of, estimator, now, cut), **({"missing": words} if words else {})}
    if not ready:
        return _thumb(estimator, now, card, words)
    judged = {
        channel: _figures(early, live, facts, past, tests[channel], channel, people, seed=seed)
        for channel in ready
    }
    first = judged[ready[0]]
    return Judged(
        method="beta-binomial, Dirichlet-multinomial",
        estimator=estimator,
        judged_estimator=early,
        n_customers=len(now),
        summary=" ".join(found["summary"] for found in judged.values()),
        card={**card, **first["card"]},
        params={"within_days": answers.WITHIN_DAYS, "channels": ready},
        metrics={key: one for found in judged.values() for key, one in found["metrics"].items()},
        baseline={key: one for found in judged.values() for key, one in found["baseline"].items()},
        comparisons=[one for found in judged.values() for one in found["comparisons"]],
        instead=lambda: _thumb(_fit(now, []), now, card, ""),
    )


def blocks(estimator: ResponseModel, found: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The scores of the customers of ``found``, a table as of `table`."""
    for channel in CHANNELS:
        told = found[found[f"{channel}_sent"] > 0]
        p, within = estimator.rate(channel, told), estimator.interval(channel, told)
        steps = np.searchsorted([BANDS["medium"], BANDS["high"]], p.to_numpy(), side="right")
        yield block(
            f"response_{channel}", p, low=within["low"], high=within["high"],
            band=np.array(["low", "medium", "high"])[steps],
            reasons=_reasons(estimator, channel, told, p),
        )  # fmt: skip
    hour = estimator.hour(found)
    yield block("best_hour", hour, reasons=_reasons_of_hour(estimator, found.loc[hour.index], hour))


def _later(found: Messages, cut: datetime) -> Messages:
    """Messages sent from ``cut`` on."""
    late = found.placed >= cut.timestamp() * 1e6
    return Messages(*(column[late] for column in found))


def _shortage(channel: str, past: pd.DataFrame, test: Messages) -> str:
    one, many = WORDS[channel]
    sent = int(past[f"{channel}_sent"].sum()) if len(past) else 0
    answered = int(test.is_answered.sum())
    weeks = f"{TEST_DAYS // 7} weeks"
    return shortage(
        [
            (sent, LEAST_MESSAGES, f"{many} to learn from"),
            (answered, LEAST_ANSWERS, f"answered {many} in {weeks} to be judged on"),
            (len(test.customer) - answered, LEAST_ANSWERS, f"{many} without answer in {weeks}"),
        ]
    )


def _fit(found: pd.DataFrame, ready: list[str]) -> ResponseModel:
    return ResponseModel(channels=ready, usual=USUAL, hours=list(HOURS)).fit(found)


def _figures(
    early: ResponseModel,
    live: Any,
    facts: Facts,
    past: pd.DataFrame,
    test: Messages,
    channel: str,
    people: pd.DataFrame | None,
    *,
    seed: int,
) -> dict[str, Any]:
    """One channel's messages of the last weeks, foretold from the counts before them."""
    chosen = np.arange(len(test.customer))
    if len(chosen) > JUDGED_MESSAGES:
        chosen = np.random.default_rng(seed).choice(chosen, JUDGED_MESSAGES, replace=False)
    index = pd.Index(facts.customer_ids[test.customer[chosen]], name="customer_id")
    known = past.reindex(index).fillna(0)  # who was never written to has the rate of all
    y = pd.Series(test.is_answered[chosen].astype(float), index=index)
    p = early.rate(channel, known)
    base = pd.Series(_share(past, channel), index=index)
    ours = {f"{key}_{channel}": one for key, one in _metrics(y, p, seed=seed).items()}
    theirs = {f"{key}_{channel}": one for key, one in _metrics(y, base, seed=seed).items()}
    key = f"log_loss_{channel}"
    comparisons = [compare(metrics.log_loss, BASELINE, y, p, base, key=key, seed=seed)]
    if isinstance(live, ResponseModel) and live.knows(channel):
        comparisons.append(_against(live, known, y, p, channel, seed=seed))
    loss, usual = ours[key], theirs[key]
    many = WORDS[channel][1]
    return {
        "metrics": ours,
        "baseline": theirs,
        "comparisons": comparisons,
        "summary": (
            f"Foretells answers to {many} with a log loss of {shown(loss.value, 4)} "
            f"({shown(loss.low, 4)} to {shown(loss.high, 4)}, n = {loss.n:,} messages); the "
            f"average rate reaches {shown(usual.value, 4)}."
        ),
        "card": {
            "reliability": calibration.reliability(y, p).round(4).to_dict("records"),
            "deciles": deciles(y, p),
            "groups": by_group(y, p, people, threshold=BANDS["high"], seed=seed),
        },
    }


def _against(
    live: ResponseModel, known: pd.DataFrame, y: pd.Series, p: pd.Series, channel: str, *, seed: int
) -> Comparison:
    theirs = live.rate(channel, known)
    return compare(metrics.log_loss, LIVE, y, p, theirs, key=f"log_loss_{channel}", seed=seed)


def _metrics(y: pd.Series, p: pd.Series, *, seed: int) -> dict[str, Estimate]:
    asked = {"log_loss": metrics.log_loss, "brier": metrics.brier, "auc": metrics.auc}
    return {key: metric(y, p, seed=seed, resamples=RESAMPLES) for key, metric in asked.items()}


def _share(found: pd.DataFrame, channel: str) -> float:
    """The average rate, as a probability that is never certain."""
    sent, answered = found[f"{channel}_sent"].sum(), found[f"{channel}_answered"].sum()
    return float((answered + 0.5) / (sent + 1))


def _card(
    facts: Facts, as_of: datetime, estimator: ResponseModel, now: pd.DataFrame, cut: datetime
) -> dict[str, Any]:
    span = history.span(facts, as_of)
    return {
        "window": span.as_json(),
        "n": len(now),
        "label": LABEL,
        "features": [
            *({"name": f"{one}_sent", "meaning": f"{WORDS[one][1].capitalize()} sent in a year."}
              for one in CHANNELS),
            *({"name": f"{one}_answered", "meaning": f"{WORDS[one][1].capitalize()} answered."}
              for one in CHANNELS),
            {"name": "answers_00h … answers_23h", "meaning": "Clicks by local hour."},
        ],
        "bands": BANDS,
        "split": {"test": day(cut), "holdout_days": TEST_DAYS},
        "parameters": estimator.parameters(),
        "baseline": "the average rate of the channel",
        "refitted": "After being judged it was fitted again on all messages.",
        "limits": list(LIMITS),
    }  # fmt: skip


def _thumb(estimator: ResponseModel, now: pd.DataFrame, card: dict[str, Any], short: str) -> Judged:
    return Judged(
        method="usual rates, a rule of thumb",
        estimator=estimator,
        n_customers=len(now),
        summary=(
            f"{until('response', short)} usual rates serve, moved by how each customer answered."
        ),
        card={**card, "refitted": "It was not judged."},
        params={"within_days": answers.WITHIN_DAYS, "channels": []},
        metrics={"log_loss_email": not_judged(len(now), short)},
        is_fallback=True,
    )


def _reasons(estimator: ResponseModel, channel: str, told: pd.DataFrame, p: pd.Series) -> pd.Series:
    """What everybody's rate is, and how far the own answers move it; adds up to the log-odds."""
    sent, answered = (
        told[f"{channel}_{what}"].to_numpy().astype(int).astype(str).astype(object)
        for what in ("sent", "answered")
    )
    one, many = WORDS[channel]
    words = np.where(sent == "1", f" of 1 {one}", " of " + sent + f" {many}").astype(object)
    start = np.full(len(told), logit(estimator.base(channel)))
    own = logit(p.to_numpy()) - start
    rows = "[" + text("answers", told[f"{channel}_answered"], own, "answered " + answered + words)
    usual = f"everybody's rate is {100 * estimator.base(channel):.1f} %"
    return pd.Series(
        rows + ", " + text("start", None, start, usual) + "]", index=told.index, dtype=object
    )


def _reasons_of_hour(estimator: ResponseModel, told: pd.DataFrame, hour: pd.Series) -> pd.Series:
    """How many of the own answers came around that hour, beside the hour of all."""
    counts = told[list(HOURS)].to_numpy()
    at = hour.to_numpy().astype(int)
    around = [
        np.take_along_axis(counts, ((at + step) % HOURS_A_DAY)[:, None], axis=1)[:, 0]
        for step in (-1, 0, 1)
    ]
    near = np.sum(around, axis=0)
    parts = [each.astype(int).astype(str).astype(object) for each in (near, counts.sum(axis=1), at)]
    usual = f" o'clock; the shop's customers answer most around {estimator.usual_hour}"
    words = "followed " + parts[0] + " of " + parts[1] + " links around " + parts[2] + usual
    rows = "[" + text("hour", hour, np.full(len(told), np.nan), words) + "]"
    return pd.Series(rows, index=told.index, dtype=object)
