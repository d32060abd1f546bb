"""How somebody answers messages, from few of them: drawn towards how everybody does."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import minimize, minimize_scalar
from scipy.special import betaincinv, betaln, gammaln

from segments.estimators.columns import UnusableTable, complete_numbers

HOURS = 24
LEAST_STRENGTH, MOST_STRENGTH = 0.5, 1e5  # messages that the prior stands for
INTERVAL = 0.8  # of the stated interval
NEIGHBOURS = (0.25, 0.5, 0.25)  # an answer at 19:55 speaks for 20:00 nearly as much


class ShrunkenRate:
    """Probability that a message is answered, by empirical Bayes (beta-binomial) [1]_.

    Everybody has a rate of their own, drawn from a beta distribution whose two numbers maximise
    the likelihood of all counts. Few messages leave a person near the rate of all.

    Parameters
    ----------
    sent, answered : str
        Columns: messages sent, 0 or more, and how many of them were answered.
    random_state : int
        Unused: the likelihood is climbed from one fixed start.

    Attributes
    ----------
    rate_ : float
        Mean of the beta distribution.
    strength_ : float
        How many messages it stands for; large where people hardly differ.

    References
    ----------
    .. [1] Casella (1985). An introduction to empirical Bayes data analysis. The American
       Statistician 39(2), 83-87.

    Examples
    --------
    >>> X = pd.DataFrame({"sent": [10, 10, 10, 10, 0], "answered": [0, 9, 1, 8, 0]})
    >>> ShrunkenRate().fit(X).predict_proba(X).round(1).tolist()
    [0.0, 0.9, 0.1, 0.8, 0.4]
    """

    def __init__(
        self, *, sent: str = "sent", answered: str = "answered", random_state: int = 0
    ) -> None:
        self.sent = sent
        self.answered = answered
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: object = None) -> "ShrunkenRate":
        """Learn how rates differ, from the counts of many.

        Raises
        ------
        UnusableTable
            Where columns or values are missing, more was answered than sent, or nothing was sent.
        """
        sent, answered = self._counts(X)
        told = sent > 0
        if not told.any():
            raise UnusableTable(f"{self.sent} is 0 for all {len(sent)} customers")
        pairs, n = np.unique(
            np.column_stack([sent[told], answered[told]]), axis=0, return_counts=True
        )
        of, hits = pairs.T
        mean = np.clip((hits * n).sum() / (of * n).sum(), 1e-6, 1 - 1e-6)

        def loss(at: np.ndarray) -> float:
            rate, strength = 1 / (1 + np.exp(-at[0])), np.exp(at[1])
            a, b = rate * strength, (1 - rate) * strength
            each = betaln(hits + a, of - hits + b) - betaln(a, b)
            return -float((n * each).sum() / n.sum())

        found = minimize(
            loss,
            [np.log(mean / (1 - mean)), np.log(10.0)],
            method="L-BFGS-B",
            bounds=[(-14.0, 14.0), (np.log(LEAST_STRENGTH), np.log(MOST_STRENGTH))],
        )
        self.rate_ = float(1 / (1 + np.exp(-found.x[0])))
        self.strength_ = float(np.exp(found.x[1]))
        return self

    def predict_proba(self, X: pd.DataFrame) -> pd.Series:
        """Probability that the next message is answered, indexed as ``X``."""
        sent, answered = self._counts(X)
        found = (answered + self.rate_ * self.strength_) / (sent + self.strength_)
        return pd.Series(found, index=X.index, name="probability")

    def interval(self, X: pd.DataFrame) -> pd.DataFrame:
        """``low`` and ``high`` of the central 80 % of what each one's own rate may be."""
        sent, answered = self._counts(X)
        a = answered + self.rate_ * self.strength_
        b = sent - answered + (1 - self.rate_) * self.strength_
        tail = (1 - INTERVAL) / 2
        return pd.DataFrame(
            {"low": betaincinv(a, b, tail), "high": betaincinv(a, b, 1 - tail)}, index=X.index
        )

    def _counts(self, X: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        sent, answered = complete_numbers(X, [self.sent, self.answered]).T
        if (answered > sent).any():
            raise UnusableTable(f"{self.answered} above {self.sent} ({(answered > sent).sum()})")
        return sent, answered


class ShrunkenHours:
    """The local hour at which somebody answers, by empirical Bayes (Dirichlet-multinomial).

    Everybody has shares of the 24 hours of their own, drawn around those of the shop. How far
    people differ from the shop maximises the likelihood of all counts.

    Parameters
    ----------
    columns : sequence of str
        24 columns: answers in each local hour, from midnight.
    random_state : int
        Unused: the likelihood has one number to find.

    Attributes
    ----------
    shares_ : array of shape (24,)
        Of the shop, each hour with its neighbours.
    strength_ : float
        How many answers the shop's shares stand for.

    Examples
    --------
    >>> columns = [f"h{hour}" for hour in range(24)]
    >>> X = pd.DataFrame(0, index=range(40), columns=columns)
    >>> X.loc[:29, "h9"], X.loc[30:, "h20"] = 5, 5
    >>> ShrunkenHours(columns=columns).fit(X).predict(X).iloc[[0, 39]].tolist()
    [9.0, 20.0]
    """

    def __init__(self, *, columns: Sequence[str], random_state: int = 0) -> None:
        self.columns = columns
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: object = None) -> "ShrunkenHours":
        """Learn the shop's hours, and how far people differ from them.

        Raises
        ------
        UnusableTable
            Where columns or values are missing, or there are not 24.
        """
        if len(self.columns) != HOURS:
            raise UnusableTable(f"found {len(self.columns)} columns of hours, expected {HOURS}")
        answers = complete_numbers(X, self.columns)
        total = answers.sum(axis=0)
        # One answer spread over the day: an hour without any is rare, not impossible.
        self.shares_ = _smooth((total + 1 / HOURS) / (total.sum() + 1))
        told = answers[answers.sum(axis=1) > 1]  # a single answer does not say how people differ
        self.strength_ = MOST_STRENGTH if not len(told) else self._strength(told)
        return self

    def shares(self, X: pd.DataFrame) -> pd.DataFrame:
        """The expected share of each hour for each customer, indexed as ``X``."""
        answers = complete_numbers(X, self.columns)
        prior = self.strength_ * self.shares_
        found = (_smooth(answers) + prior) / (answers.sum(axis=1, keepdims=True) + prior.sum())
        return pd.DataFrame(found, index=X.index, columns=list(self.columns))

    def predict(self, X: pd.DataFrame) -> pd.Series:
        """The hour with the largest share, 0 to 23, indexed as ``X``."""
        found = self.shares(X).to_numpy().argmax(axis=1).astype(float)
        return pd.Series(found, index=X.index, name="hour")

    @property
    def usual_hour(self) -> int:
        """The hour at which the shop's customers answer most."""
        return int(self.shares_.argmax())

    def _strength(self, answers: np.ndarray) -> float:
        n = answers.sum(axis=1)

        def loss(log_strength: float) -> float:
            strength = np.exp(log_strength)
            a = strength * self.shares_
            each = (gammaln(answers + a) - gammaln(a)).sum(axis=1)
            return -float((each + gammaln(strength) - gammaln(n + strength)).mean())

        bounds = (np.log(LEAST_STRENGTH), np.log(MOST_STRENGTH))
        return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def _smooth(hours: np.ndarray) -> np.ndarray:
    """Each hour with a part of its neighbours around the clock."""
    before, here, after = NEIGHBOURS
    return before * np.roll(hours, 1, axis=-1) + here * hours + after * np.roll(hours, -1, axis=-1)


class ResponseModel:
    """Whether somebody answers by channel, and the hour at which it does.

    Parameters
    ----------
    channels : sequence of str
        Those with enough messages to learn how people differ; the others keep ``usual``.
    usual : dict from channel to (rate, strength)
        Of every channel, before anything was learnt.
    hours : sequence of str
        24 columns, as of `ShrunkenHours`.
    random_state : int
        Unused.

    Attributes
    ----------
    rates_ : dict from channel to ShrunkenRate
    hours_ : ShrunkenHours
    """

    def __init__(
        self,
        *,
        channels: Sequence[str],
        usual: dict[str, tuple[float, float]],
        hours: Sequence[str],
        random_state: int = 0,
    ) -> None:
        self.channels = channels
        self.usual = usual
        self.hours = hours
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: object = None) -> "ResponseModel":
        """Learn from counts of everybody who was sent a message.

        Raises
        ------
        UnusableTable
            Where columns or values are missing.
        """
        self.rates_ = {}
        for channel, (rate, strength) in self.usual.items():
            model = ShrunkenRate(sent=f"{channel}_sent", answered=f"{channel}_answered")
            if channel in self.channels:
                model.fit(X)
            else:
                model.rate_, model.strength_ = rate, strength
            self.rates_[channel] = model
        self.hours_ = ShrunkenHours(columns=list(self.hours)).fit(X)
        return self

    def knows(self, channel: str) -> bool:
        """Whether the channel's rate was learnt here."""
        return channel in self.channels

    def base(self, channel: str) -> float:
        """The rate of somebody of whom nothing is known."""
        return self.rates_[channel].rate_

    def rate(self, channel: str, X: pd.DataFrame) -> pd.Series:
        """Probability that the next message of the channel is answered, indexed as ``X``."""
        return self.rates_[channel].predict_proba(X)

    def interval(self, channel: str, X: pd.DataFrame) -> pd.DataFrame:
        """``low`` and ``high`` of the rate, as of `ShrunkenRate.interval`."""
        return self.rates_[channel].interval(X)

    @property
    def usual_hour(self) -> int:
        return self.hours_.usual_hour

    def hour(self, X: pd.DataFrame) -> pd.Series:
        """The hour of those whose answers move it away from the shop's; nobody else is in it."""
        found = self.hours_.predict(X)
        return found[(found != self.usual_hour) & (X[list(self.hours)].sum(axis=1) > 0)]

    def parameters(self) -> dict[str, float]:
        """What was learnt, for a model card."""
        found = {"hours_strength": self.hours_.strength_, "usual_hour": float(self.usual_hour)}
        for channel, model in self.rates_.items():
            found |= {f"{channel}_rate": model.rate_, f"{channel}_strength": model.strength_}
        return found
