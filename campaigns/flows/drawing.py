"""What lot gives a person at a split or among the variants of a step."""

from collections.abc import Sequence

from campaigns.experiments.assignment import draw


def arm(salt: str, customer_id: int, *, holdout_share: float, weights: Sequence[float]) -> int:
    """The place of the drawn arm, or -1 for those left alone.

    The same each time for one salt and customer: whoever comes again gets the same arm.

    Parameters
    ----------
    salt : str
        Of the campaign and the step, so that the draws of two steps are unrelated.
    holdout_share : float in [0, 1)
    weights : sequence of float
        Not negative; at least one positive.

    Examples
    --------
    >>> [arm("s", one, holdout_share=0.2, weights=(1, 3)) for one in range(8)]
    [-1, 0, 1, 1, -1, 1, 1, 0]
    """
    found = draw(f"{salt}:holdout", customer_id)
    return -1 if found < holdout_share else place(salt, customer_id, weights=weights)


def place(salt: str, customer_id: int, *, weights: Sequence[float]) -> int:
    """The place of the drawn weight; one that weighs nothing is never drawn.

    >>> {place("s", one, weights=(0, 1, 0)) for one in range(100)}
    {1}
    """
    found, until = draw(salt, customer_id) * sum(weights), 0.0
    last = 0
    for number, weight in enumerate(weights):
        until += weight
        if weight > 0:
            last = number
            if found < until:
                return number
    return last  # rounding
