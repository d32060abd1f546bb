"""Draw by lot who is left alone, and who gets which variant: a salted hash of the customer, the
same wherever computed.
"""

import hashlib
from collections.abc import Sequence

HASH_BITS = 32  # the first 8 hex digits of the digest


def draw(salt: str, customer_id: int) -> float:
    """The number that chance gives a customer in one campaign.

    A hash instead of a random number: asked twice, on two machines, before or after a crash, it is
    the same, and nothing about the customer but the bare id goes in, so no fact can lean on it.

    Parameters
    ----------
    salt : str
        Drawn once for each campaign, so that the draws of two campaigns are unrelated.
    customer_id : int
        The customer's number.

    Returns
    -------
    float in [0, 1)
        Uniform over customers, in steps of 2 ** -32.

    Examples
    --------
    >>> round(draw("spring", 7), 6)
    0.434125
    >>> draw("spring", 7) == draw("autumn", 7)
    False
    """
    digest = hashlib.sha256(f"{salt}:{customer_id}".encode()).hexdigest()
    return int(digest[: HASH_BITS // 4], 16) / 2**HASH_BITS


def is_holdout(salt: str, customer_id: int, *, holdout_share: float) -> bool:
    """Whether a campaign leaves this customer alone.

    Parameters
    ----------
    salt, customer_id
        As in `draw`.
    holdout_share : float in [0, 1]
        Share left alone.  Raising it only adds to those left alone; nobody moves the other way.

    Returns
    -------
    bool

    Examples
    --------
    >>> [customer for customer in range(30) if is_holdout("spring", customer, holdout_share=0.1)]
    [3, 4, 11]
    """
    return draw(salt, customer_id) < holdout_share


def variant(salt: str, customer_id: int, *, weights: Sequence[float]) -> int | None:
    """Which variant chance gives a customer, apart from whether the customer is left alone.

    Parameters
    ----------
    salt, customer_id
        As in `draw`.  The draw is made with ``salt`` and a suffix, so that each arm holds every
        variant in the same shares.
    weights : sequence of float, 0 or more
        One for each variant, in their order; its share is its weight by their sum.

    Returns
    -------
    int or None
        Its place in ``weights``; None where nothing weighs.

    Notes
    -----
    A changed weight moves the borders between the variants and so may move a customer who is drawn
    anew.  What was drawn stays on record.

    Examples
    --------
    >>> [variant("spring", customer, weights=[1, 1]) for customer in range(8)]
    [0, 1, 0, 0, 0, 0, 1, 1]
    >>> variant("spring", 7, weights=[1, 0])
    0
    """
    weighing = [place for place, weight in enumerate(weights) if weight > 0]
    if not weighing:
        return None
    total, until = sum(weights[place] for place in weighing), 0.0
    drawn = draw(f"{salt}:variant", customer_id)
    for place in weighing[:-1]:
        until += weights[place] / total
        if drawn < until:
            return place
    return weighing[-1]
