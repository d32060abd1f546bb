"""How much a customer spends at a purchase, from few purchases of its own and those of others."""

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import gammaln, psi

from segments.estimators.columns import UnusableTable, complete_numbers, numbers

SMALLEST, LARGEST = 1e-3, 1e5
EDGE = 10.0  # a parameter within this factor of the lower bound ran away
LEAST_BUYERS = 20  # below it three parameters are not settled
STRONG_CORRELATION = 0.3  # the model takes spend and number of purchases as unrelated


class GammaGamma:
    """Expected spend of a purchase by the Gamma-Gamma model, by maximum likelihood [1]_.

    Purchases of one customer vary around its own mean; means vary over customers. A customer
    with few purchases is drawn towards the mean of all, one with many keeps its own.

    Parameters
    ----------
    random_state : int
        Unused: the likelihood is climbed from one fixed start.

    Attributes
    ----------
    p_, q_, gamma_ : float
        gamma in the shop's currency.
    correlation_ : float
        Between purchases and mean spend; the model assumes none.
    log_likelihood_ : float
    problems_ : list of str
        Why the fit cannot be trusted, in words; empty where it can.

    References
    ----------
    .. [1] Fader & Hardie (2013). The Gamma-Gamma Model of Monetary Value.
       brucehardie.com/notes/025.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> spend = pd.DataFrame({"purchases": rng.integers(1, 9, 200),
    ...                       "mean_spend": rng.gamma(6, 4 / rng.gamma(4, 1 / 15, 200))})
    >>> model = GammaGamma().fit(spend)
    >>> model.expected_spend(spend).between(spend["mean_spend"].min(), 1e4).all()
    np.True_
    """

    def __init__(self, *, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: None = None) -> "GammaGamma":
        """Learn from customers with at least one purchase of a positive amount.

        Parameters
        ----------
        X : DataFrame indexed by customer
            ``purchases`` : how many, 0 or more; ``mean_spend`` : their mean amount, missing or
            0 where there is none.

        Raises
        ------
        UnusableTable
            Where columns are missing, or fewer than 20 customers have spent anything.
        """
        x, m = _spending(X)
        known = (x > 0) & (m > 0)
        if known.sum() < LEAST_BUYERS:
            raise UnusableTable(
                f"only {int(known.sum())} customers have spent something, "
                f"at least {LEAST_BUYERS} are needed"
            )
        x, m = x[known], m[known]
        unit = float(np.median(m))

        def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = _likelihood(np.exp(logs), x, m / unit)
            return -value / x.size, -gradient * np.exp(logs) / x.size

        found = minimize(
            loss,
            np.log([5.0, 4.0, 1.0]),
            jac=True,
            method="L-BFGS-B",
            bounds=[(np.log(SMALLEST), np.log(LARGEST))] * 3,
            options={"maxiter": 1_000, "ftol": 1e-14, "gtol": 1e-9},
        )
        self.p_, self.q_, self.gamma_ = (float(v) for v in np.exp(found.x) * [1, 1, unit])
        self.log_likelihood_ = float(-found.fun * x.size - x.size * np.log(unit))
        varies = x.std() > 0 and m.std() > 0
        self.correlation_ = float(np.corrcoef(x, m)[0, 1]) if varies else 0.0
        self.problems_ = _problems(np.exp(found.x))
        return self

    @property
    def is_degenerate(self) -> bool:
        """Whether the data do not settle the parameters."""
        return bool(self.problems_)

    @property
    def has_strong_correlation(self) -> bool:
        """Whether frequent buyers spend so differently that the model's assumption fails."""
        return abs(self.correlation_) > STRONG_CORRELATION

    @property
    def mean_spend_(self) -> float:
        """Expected spend of somebody we know nothing about; infinite where q is 1 or less."""
        return self.p_ * self.gamma_ / (self.q_ - 1) if self.q_ > 1 else float("inf")

    def expected_spend(self, X: pd.DataFrame) -> pd.Series:
        """Expected amount of the next purchase; the mean of all where there were none."""
        x, m = _spending(X)
        x = np.where(m > 0, x, 0.0)
        total = np.where(x > 0, x * m, 0.0)
        # eq. (5) of the note
        expected = (self.gamma_ + total) * self.p_ / (self.p_ * x + self.q_ - 1)
        return pd.Series(expected, index=X.index, name="expected_spend")


def _spending(X: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    x = complete_numbers(X, ["purchases"])[:, 0]
    m = np.nan_to_num(numbers(X, ["mean_spend"])[:, 0])
    if (m < 0).any():
        raise UnusableTable(f"values below 0: mean_spend ({int((m < 0).sum())})")
    return x, m


def _likelihood(parameters: np.ndarray, x: np.ndarray, m: np.ndarray) -> tuple[float, np.ndarray]:
    """Log-likelihood and its gradient in (p, q, gamma)."""
    p, q, gamma = parameters
    px, both = p * x, np.log(gamma + m * x)
    each = gammaln(px + q) - gammaln(px) - gammaln(q) + q * np.log(gamma)
    each += (px - 1) * np.log(m) + px * np.log(x) - (px + q) * both  # eq. (1a) of the note
    of_p = x * (psi(px + q) - psi(px) + np.log(m) + np.log(x) - both)
    of_q = psi(px + q) - psi(q) + np.log(gamma) - both
    of_gamma = q / gamma - (px + q) / (gamma + m * x)
    return float(each.sum()), np.array([of_p.sum(), of_q.sum(), of_gamma.sum()])


def _problems(parameters: np.ndarray) -> list[str]:
    """Why the fit cannot be trusted.  The upper bounds are no problem: there customers, or the
    purchases of one, hardly differ, and the expected spend is settled all the same.
    """
    problems = []
    for name, value in zip(("p", "q", "gamma"), parameters, strict=True):
        if value < SMALLEST * EDGE:
            problems.append(f"{name} ran to the edge of its range ({value:.3g})")
    if parameters[1] <= 1:
        problems.append(f"q is {parameters[1]:.3g}: the expected spend of a newcomer is infinite")
    return problems
