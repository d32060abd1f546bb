"""How many purchases a customer will make: the BG/NBD model and its modified form.

Both tell the same story.  While alive a customer buys at random with a rate of its own, gamma
distributed over customers; after a purchase it may leave for good, with a probability of its own,
beta distributed.  BG/NBD lets nobody leave before the second purchase, so it calls every one-time
buyer alive; MBG/NBD lets customers leave after the first purchase too.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import betaincinv, expit, gammaln, hyp2f1, psi

from segments.estimators.columns import UnusableTable, complete_numbers

COLUMNS = ("frequency", "recency", "age")
NAMES = ("r", "alpha", "a", "b")
SMALLEST, LARGEST = 1e-5, 1e4  # bounds of each parameter, alpha in units of the mean age
EDGE = 10.0  # a parameter within this factor of the lower bound ran away
ALIKE = 1e3  # r, or a and b together, above it: customers hardly differ in this
LEAVING_LEAST = 0.002  # mean probability to leave; below it the history shows no leaving at all
QUANTILES = 64  # where the closed form fails
NEAR_ONE = 1e-4  # the expectation has a removable gap at a = 1


class Histories(NamedTuple):
    """Distinct purchase histories, and how many customers share each."""

    x: np.ndarray
    recency: np.ndarray
    age: np.ndarray
    n: np.ndarray


class _Fit(NamedTuple):
    parameters: np.ndarray
    log_likelihood: float
    problems: list[str]
    errors: np.ndarray


class ModifiedBetaGeometricNBD:
    """Expected purchases by the MBG/NBD model, fitted by maximum likelihood [1]_.

    Parameters
    ----------
    random_state : int
        Unused: the likelihood is climbed from one fixed start. There so that all estimators are
        called alike.

    Attributes
    ----------
    r_, alpha_ : float
        Of the gamma distribution of purchase rates; alpha in days.
    a_, b_ : float
        Of the beta distribution of the probability to leave after a purchase.
    standard_errors_ : dict of str to float
        Of the logarithm of each parameter; NaN where the likelihood has no clear peak.
    log_likelihood_ : float
        As in the papers, without the constant of the purchase moments.
    problems_ : list of str
        Why the fit cannot be trusted, in words; empty where it can.

    Notes
    -----
    O(distinct histories) an iteration. Both models expect too little of a growing or seasonal
    shop: on CDNOW 12 to 16 per cent less than was bought.

    References
    ----------
    .. [1] Batislam, Denizel & Filiztekin (2007). Empirical validation and comparison of models
       for customer base analysis. Int. J. of Research in Marketing 24(3), 201-209.

    Examples
    --------
    >>> histories = pd.DataFrame({"frequency": [0, 1, 0, 4, 2, 0], "recency": [0, 30, 0, 80, 50, 0],
    ...                           "age": [90, 80, 60, 90, 60, 30]})
    >>> model = ModifiedBetaGeometricNBD().fit(histories)
    >>> model.expected_purchases(histories, horizon_days=30).shape
    (6,)
    """

    def __init__(self, *, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: None = None) -> "ModifiedBetaGeometricNBD":
        """Learn the four parameters.

        Parameters
        ----------
        X : DataFrame indexed by customer
            ``frequency`` : repeat purchase days; ``recency`` : days from the first to the last
            of them; ``age`` : days from the first to the end of observation.

        Raises
        ------
        UnusableTable
            Where columns or values are missing, or nobody has an age above 0.
        """
        histories = _distinct(*_histories(X))
        fit = self._climb(histories)
        self.r_, self.alpha_, self.a_, self.b_ = (float(value) for value in fit.parameters)
        self.log_likelihood_ = fit.log_likelihood
        self.standard_errors_ = dict(zip(NAMES, fit.errors.tolist(), strict=True))
        self.problems_ = fit.problems
        return self

    @property
    def is_degenerate(self) -> bool:
        """Whether the data do not settle the parameters, so that forecasts mean little."""
        return bool(self.problems_)

    def expected_purchases(self, X: pd.DataFrame, *, horizon_days: float) -> pd.Series:
        """Purchase days expected in the next ``horizon_days``, alive or not.

        This, not `alive`, ranks customers: it knows how often each one buys.
        """
        x, recency, age = _histories(X)
        if horizon_days < 0:
            raise ValueError(f"horizon_days is {horizon_days}, expected 0 or more")
        if_alive = self._while_alive(x, age, horizon_days)
        expected = if_alive * expit(-self._log_odds_left(x, recency, age))
        return pd.Series(np.maximum(expected, 0.0), index=X.index, name="expected_purchases")

    def alive(self, X: pd.DataFrame) -> pd.Series:
        """Probability that the customer has not left for good.  Not a churn probability:
        it ranks who will buy worse than the expected purchases do.
        """
        left = self._log_odds_left(*_histories(X))
        return pd.Series(expit(-left), index=X.index, name="alive")

    def _while_alive(self, x: np.ndarray, age: np.ndarray, horizon: float) -> np.ndarray:
        """E[purchases in the horizon | alive now], computed once for equal histories."""
        pairs, place = np.unique(np.column_stack([x, age]), axis=0, return_inverse=True)
        x, age = pairs.T
        if abs(self.a_ - 1) < NEAR_ONE:
            sides = [self._at(x, age, horizon, a=1 + side * NEAR_ONE) for side in (-1, 1)]
            return np.mean(sides, axis=0)[place]
        return self._at(x, age, horizon, a=self.a_)[place]

    def _at(self, x: np.ndarray, age: np.ndarray, horizon: float, *, a: float) -> np.ndarray:
        # Euler's transformation of the papers' 2F1(r+x, b', c; z): as they print it, the
        # parameters grow with x and the series overflows for customers with many purchases.
        c = self._stays(x, a)
        z = horizon / (self.alpha_ + age + horizon)
        most = (self.r_ + x) * horizon / (self.alpha_ + age)  # if nobody ever left
        with np.errstate(all="ignore"):
            series = hyp2f1(c - (self.r_ + x), a - 1, c, z)
            found = c / (a - 1) * (1 - (1 - z) ** (a - 1) * series)
            astray = ~((found >= 0) & (found <= most * (1 + 1e-6)))
        if astray.any():  # of runaway parameters, and of a or b close to 0
            found[astray] = _averaged(
                self.r_ + x[astray], self.alpha_ + age[astray], a, c[astray] - a + 1, horizon
            )
        return found

    # --- what differs between the two models -----------------------------------------------------

    def _stays(self, x: np.ndarray, a: float) -> np.ndarray:
        """a plus the beta parameter of a customer who is alive after x repeat purchases."""
        return a + self.b_ + x

    def _log_odds_left(self, x: np.ndarray, recency: np.ndarray, age: np.ndarray) -> np.ndarray:
        waited = np.log((self.alpha_ + age) / (self.alpha_ + recency))
        return np.log(self.a_ / (self.b_ + x)) + (self.r_ + x) * waited

    @staticmethod
    def _likelihood(p: np.ndarray, d: Histories) -> tuple[float, np.ndarray]:
        """Log-likelihood and its gradient in (r, alpha, a, b)."""
        r, alpha, a, b = p
        x = d.x
        stayed = np.log(b + x) - (r + x) * np.log(alpha + d.age)
        left = np.log(a) - (r + x) * np.log(alpha + d.recency)
        either = np.logaddexp(stayed, left)
        leaving = gammaln(b + x) - gammaln(a + b + x + 1) + gammaln(a + b) - gammaln(b)
        each = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + leaving + either
        w = np.exp(stayed - either)  # probability of being alive
        of_a = psi(a + b) - psi(a + b + x + 1) + (1 - w) / a
        of_b = psi(a + b) - psi(a + b + x + 1) + psi(b + x) - psi(b) + w / (b + x)
        of_r, of_alpha = _rate_gradient(r, alpha, d, w)
        return float(d.n @ each), np.array([d.n @ g for g in (of_r, of_alpha, of_a, of_b)])

    # --- the climb -------------------------------------------------------------------------------

    def _climb(self, histories: Histories) -> _Fit:
        """Maximise the likelihood in logarithms of the parameters, time in mean ages."""
        unit = float(np.average(histories.age, weights=histories.n))
        if unit <= 0:
            raise UnusableTable("no customer is older than 0 days: nothing to learn from")
        scaled = histories._replace(recency=histories.recency / unit, age=histories.age / unit)
        customers = float(histories.n.sum())

        def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = self._likelihood(np.exp(logs), scaled)
            return -value / customers, -gradient * np.exp(logs) / customers

        bounds = [(np.log(SMALLEST), np.log(LARGEST))] * 4
        found = minimize(
            loss,
            np.log([1.0, 1.0, 1.0, 2.0]),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 1_000, "ftol": 1e-14, "gtol": 1e-9},
        )
        problems, errors = _problems(loss, found.x, customers)
        parameters = np.exp(found.x) * np.array([1, unit, 1, 1])
        log_likelihood = -found.fun * customers - float(histories.n @ histories.x) * np.log(unit)
        return _Fit(parameters, float(log_likelihood), problems, errors)


class BetaGeometricNBD(ModifiedBetaGeometricNBD):
    """Expected purchases by the BG/NBD model, fitted by maximum likelihood [1]_.

    Same interface as `ModifiedBetaGeometricNBD`. Its `alive` is 1 for every one-time buyer.

    References
    ----------
    .. [1] Fader, Hardie & Lee (2005). "Counting Your Customers" the Easy Way: An Alternative to
       the Pareto/NBD Model. Marketing Science 24(2), 275-284.
    """

    def _stays(self, x: np.ndarray, a: float) -> np.ndarray:
        return a + self.b_ + x - 1

    def _log_odds_left(self, x: np.ndarray, recency: np.ndarray, age: np.ndarray) -> np.ndarray:
        waited = np.log((self.alpha_ + age) / (self.alpha_ + recency))
        after = np.log(self.a_ / (self.b_ + np.maximum(x, 1) - 1)) + (self.r_ + x) * waited
        return np.where(x > 0, after, -np.inf)

    @staticmethod
    def _likelihood(p: np.ndarray, d: Histories) -> tuple[float, np.ndarray]:
        r, alpha, a, b = p
        x, again = d.x, d.x > 0
        # eq. (6) of the paper, with its two terms added on the log scale
        stayed = -(r + x) * np.log(alpha + d.age)
        before = b + np.maximum(x, 1) - 1
        left = np.log(a / before) - (r + x) * np.log(alpha + d.recency)
        either = np.logaddexp(stayed, np.where(again, left, -np.inf))
        leaving = gammaln(b + x) - gammaln(a + b + x) + gammaln(a + b) - gammaln(b)
        each = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + leaving + either
        w = np.exp(stayed - either)
        of_a = psi(a + b) - psi(a + b + x) + (1 - w) / a
        of_b = psi(a + b) - psi(a + b + x) + psi(b + x) - psi(b) - (1 - w) / before
        of_r, of_alpha = _rate_gradient(r, alpha, d, w)
        return float(d.n @ each), np.array([d.n @ g for g in (of_r, of_alpha, of_a, of_b)])


def _histories(X: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, recency, age = complete_numbers(X, COLUMNS).T
    if (recency > age + 1e-6).any():
        raise UnusableTable("recency is above age: a purchase after the end of observation")
    return x, recency, age


def _distinct(x: np.ndarray, recency: np.ndarray, age: np.ndarray) -> Histories:
    rows = pd.DataFrame({"x": x, "recency": recency, "age": age})
    counted = rows.groupby(list(rows.columns)).size().reset_index(name="n")
    if counted.empty:
        raise UnusableTable("no customers: nothing to learn from")
    return Histories(*counted.to_numpy(dtype=float).T)


def _averaged(
    shape: np.ndarray, rate: np.ndarray, a: float, b: np.ndarray, horizon: float
) -> np.ndarray:
    """The same expectation as a mean over quantiles of the probability to leave."""
    found = np.zeros(len(shape))
    distinct, which = np.unique(np.maximum(b, SMALLEST), return_inverse=True)
    for place in (np.arange(QUANTILES) + 0.5) / QUANTILES:
        p = np.clip(betaincinv(a, distinct, place), 1e-12, 1.0)[which]
        found += -np.expm1(-shape * np.log1p(p * horizon / rate)) / p
    return found / QUANTILES


def _rate_gradient(
    r: float, alpha: float, d: Histories, w: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    to_end, to_last = alpha + d.age, alpha + d.recency
    of_r = psi(r + d.x) - psi(r) + np.log(alpha) - w * np.log(to_end) - (1 - w) * np.log(to_last)
    of_alpha = r / alpha - (r + d.x) * (w / to_end + (1 - w) / to_last)
    return of_r, of_alpha


def _problems(loss, logs: np.ndarray, customers: float) -> tuple[list[str], np.ndarray]:
    """Why the forecast cannot be trusted, in words, and standard errors of the logarithms.

    Customers who hardly differ send r and alpha, or a and b, to infinity together; their quotient
    is settled all the same, and it alone makes the forecast.  That is no problem.
    """
    r, _alpha, a, b = values = np.exp(logs)
    problems = [
        f"{name} ran to the edge of its range ({value:.3g})"
        for name, value in zip(NAMES, values, strict=True)
        if value < SMALLEST * EDGE
    ]
    leaving = a / (a + b)
    if not LEAVING_LEAST <= leaving <= 1 - LEAVING_LEAST:
        who = "nobody" if leaving < LEAVING_LEAST else "everybody"
        problems.append(f"almost {who} seems to leave ({leaving:.2%} after a purchase)")
    hessian = _curvature(loss, logs) * customers
    directions = _directions(rates_alike=r > ALIKE, leaving_alike=a + b > ALIKE)
    curvature = np.linalg.eigvalsh(directions @ hessian @ directions.T)
    if curvature[0] <= 1e-8 * max(curvature[-1], 1.0):
        problems.append("the likelihood has no clear peak (its curvature is not positive)")
    if problems or len(directions) < len(logs):
        return problems, np.full(len(logs), np.nan)
    return problems, np.sqrt(np.diag(np.linalg.inv(hessian)))


def _curvature(loss, logs: np.ndarray, step: float = 1e-4) -> np.ndarray:
    """The Hessian of the loss, from differences of its gradient."""
    moves = step * np.eye(len(logs))
    rows = [(loss(logs + move)[1] - loss(logs - move)[1]) / (2 * step) for move in moves]
    hessian = np.array(rows)
    return (hessian + hessian.T) / 2


def _directions(*, rates_alike: bool, leaving_alike: bool) -> np.ndarray:
    """The directions in (log r, log alpha, log a, log b) that must show a peak."""
    apart, together = np.array([1.0, -1.0]) / np.sqrt(2), np.array([1.0, 1.0]) / np.sqrt(2)
    none = np.zeros(2)
    kept = [np.r_[apart, none], np.r_[none, apart]]
    kept += [] if rates_alike else [np.r_[together, none]]
    kept += [] if leaving_alike else [np.r_[none, together]]
    return np.array(kept)
