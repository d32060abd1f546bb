"""Draw by lot who is left alone: a salted hash of the customer, the same wherever computed."""

import hashlib

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
