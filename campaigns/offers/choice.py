"""Choose an offer for each person: the most expected margin that the offers' limits allow.

Each person gets one offer or none; an offer has room for so many people and a budget.  This is a
generalised assignment problem, whose linear programme nearly always has a whole-numbered answer.
Prices for room and money are found that make each person's own best choice respect the limits; the
sum they promise is, by weak duality, more than any choice at all can bring, so the answer comes
with a proof of how good it is.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, vstack

NOBODY = -1
SOLVED_EXACTLY = 2_000  # people; above it prices come from so many of them


@dataclass(frozen=True)
class Choice:
    """Who gets what.

    Attributes
    ----------
    offer : int array of shape (n,)
        Number of the offer, `NOBODY` for none.
    value : float
        Expected margin of the whole choice.
    bound : float
        No choice within the limits brings more.
    plain : float
        What the best single offer for everybody brings, given to whom it is worth most while its
        limits last.
    plain_offer : int
        Which one that is; `NOBODY` where none brings anything.
    """

    offer: np.ndarray
    value: float
    bound: float
    plain: float
    plain_offer: int

    @property
    def share_of_bound(self) -> float:
        """How much of what is possible at all; 1 where nothing is."""
        return self.value / self.bound if self.bound > 0 else 1.0


def choose(
    value: np.ndarray, cost: np.ndarray, room: np.ndarray, budget: np.ndarray, *, seed: int = 0
) -> Choice:
    """The offer of each person.

    Parameters
    ----------
    value : float array of shape (n, k)
        Expected margin if person i is written to with offer j; -inf or NaN: must not have it.
        Only what is above 0 is given.
    cost : float array of shape (n, k)
        Expected cost counted against the budget of j if i gets it, 0 or more.
    room : float array of shape (k,)
        People each offer may go to; inf: all.
    budget : float array of shape (k,)
        What each offer may cost; inf: no limit.
    seed : int
        Draws the people that prices are learnt from, above `SOLVED_EXACTLY`.

    Returns
    -------
    Choice
        Within the limits whatever the prices.

    References
    ----------
    .. [1] Fisher (1981). The Lagrangian relaxation method for solving integer programming
       problems.  Management Science 27, 1-18.

    Examples
    --------
    >>> value = np.array([[5.0, 4.0], [5.0, 1.0], [5.0, 3.0]])
    >>> found = choose(value, np.zeros((3, 2)), np.array([1.0, np.inf]), np.full(2, np.inf))
    >>> found.offer.tolist(), round(found.value, 6), found.plain
    ([1, 0, 1], 12.0, 8.0)
    """
    value = np.where(np.isfinite(value), value, -np.inf)
    n, k = value.shape
    if not n or not k:
        return Choice(np.full(n, NOBODY), 0.0, 0.0, 0.0, NOBODY)
    price_room, price_money = _prices(value, cost, room, budget, seed=seed)
    reduced = value - price_room - price_money * cost
    best = reduced.argmax(axis=1)
    gain = reduced[np.arange(n), best]
    bound = (
        float(np.maximum(gain, 0).sum()) + _worth(price_room, room) + _worth(price_money, budget)
    )
    wanted = np.where((gain >= -1e-9) & (value[np.arange(n), best] > 0), best, NOBODY)
    offer = _within(wanted, value, cost, room, budget)
    offer = _filled(offer, value, cost, room, budget)
    plain, plain_offer = _plain(value, cost, room, budget)
    total = _total(offer, value)
    if plain > total:  # never worse than the plain way
        offer = _best_of(plain_offer, value, cost, room, budget)
        total = plain
    return Choice(offer, total, max(bound, total), plain, plain_offer)


def _worth(price: np.ndarray, limit: np.ndarray) -> float:
    bounded = np.isfinite(limit)
    return float((price[bounded] * limit[bounded]).sum())


def _prices(
    value: np.ndarray, cost: np.ndarray, room: np.ndarray, budget: np.ndarray, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The duals of the linear programme, of a sample where there are many people."""
    n, k = value.shape
    share = 1.0
    if n > SOLVED_EXACTLY:
        drawn = np.random.default_rng(seed).choice(n, SOLVED_EXACTLY, replace=False)
        value, cost, share = value[drawn], cost[drawn], SOLVED_EXACTLY / n
        n = SOLVED_EXACTLY
    who, what = np.nonzero(value > 0)
    price_room, price_money = np.zeros(k), np.zeros(k)
    limited = [("room", j) for j in range(k) if np.isfinite(room[j])]
    limited += [("money", j) for j in range(k) if np.isfinite(budget[j])]
    if not len(who) or not limited:
        return price_room, price_money
    variables = np.arange(len(who))
    each = coo_array((np.ones(len(who)), (who, variables)), shape=(n, len(who)))
    rows, limits = [], []
    for kind, j in limited:
        of_j = what == j
        weights = of_j * (1.0 if kind == "room" else cost[who, what])
        rows.append(coo_array(weights.reshape(1, -1)))
        limits.append((room[j] if kind == "room" else budget[j]) * share)
    found = linprog(  # type: ignore[call-overload]
        -value[who, what],
        A_ub=vstack([each, *rows]).tocsr(),
        b_ub=np.concatenate([np.ones(n), limits]),
        bounds=(0, 1),
        method="highs",
    )
    if found.status != 0:  # no prices: the bound is then that of a world without limits
        return price_room, price_money
    for (kind, j), price in zip(limited, -found.ineqlin.marginals[n:], strict=True):
        (price_room if kind == "room" else price_money)[j] = max(0.0, price)
    return price_room, price_money


def _within(
    wanted: np.ndarray, value: np.ndarray, cost: np.ndarray, room: np.ndarray, budget: np.ndarray
) -> np.ndarray:
    """Drop the least worth of those beyond a limit."""
    offer = wanted.copy()
    for j in range(value.shape[1]):
        who = np.flatnonzero(wanted == j)
        kept = _fitting(who, value[:, j], cost[:, j], room[j], budget[j])
        offer[who] = NOBODY
        offer[kept] = j
    return offer


def _fitting(
    who: np.ndarray, value: np.ndarray, cost: np.ndarray, room: float, budget: float
) -> np.ndarray:
    """Those of ``who`` that fit, the most worth for their money first."""
    worth = value[who] / np.maximum(cost[who], 1e-12) if np.isfinite(budget) else value[who]
    ordered = who[np.argsort(-worth, kind="stable")]
    if np.isfinite(budget):
        ordered = ordered[np.cumsum(cost[ordered]) <= budget + 1e-9]
    return ordered[: int(min(room, len(ordered)))]


def _filled(
    offer: np.ndarray, value: np.ndarray, cost: np.ndarray, room: np.ndarray, budget: np.ndarray
) -> np.ndarray:
    """Give what is left to those without, where it is worth most."""
    offer = offer.copy()
    for j in np.argsort(-np.where(np.isfinite(value), value, 0).max(axis=0)):
        has = offer == j
        left_room = room[j] - has.sum()
        left_money = budget[j] - cost[has, j].sum()
        without = np.flatnonzero((offer == NOBODY) & (value[:, j] > 0))
        if len(without) and left_room > 0:
            offer[_fitting(without, value[:, j], cost[:, j], left_room, left_money)] = j
    return offer


def _plain(
    value: np.ndarray, cost: np.ndarray, room: np.ndarray, budget: np.ndarray
) -> tuple[float, int]:
    totals = [_total(_best_of(j, value, cost, room, budget), value) for j in range(value.shape[1])]
    best = int(np.argmax(totals))
    return (totals[best], best) if totals[best] > 0 else (0.0, NOBODY)


def _best_of(
    j: int, value: np.ndarray, cost: np.ndarray, room: np.ndarray, budget: np.ndarray
) -> np.ndarray:
    offer = np.full(len(value), NOBODY)
    who = np.flatnonzero(value[:, j] > 0)
    offer[_fitting(who, value[:, j], cost[:, j], room[j], budget[j])] = j
    return offer


def _total(offer: np.ndarray, value: np.ndarray) -> float:
    who = np.flatnonzero(offer != NOBODY)
    return float(value[who, offer[who]].sum())
