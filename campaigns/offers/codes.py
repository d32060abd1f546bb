"""Spell coupon codes: short enough to type, hard to guess, and no sign taken for another."""

import re

# 32 signs, 5 bits each.  0 and O, 1 and I are left out: on paper they are the same.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
BITS = 5
LENGTH = 8  # 32 ** 8 codes: with a million given out, one guess in a million hits
PREFIX_LENGTH_MOST = 12
PREFIX = re.compile(rf"[A-Z0-9]{{0,{PREFIX_LENGTH_MOST}}}")
# As a shop may have made it: no sign that a spreadsheet or a header would take for its own.
WRITTEN_LENGTH_MOST = 30
WRITTEN = re.compile(rf"[A-Z0-9][A-Z0-9._-]{{0,{WRITTEN_LENGTH_MOST - 1}}}")
WRITTEN_WORDS = f"up to {WRITTEN_LENGTH_MOST} letters, digits, dots, dashes and underscores"


def spell(number: int, *, prefix: str = "", length: int = LENGTH) -> str:
    """The code of a random number.

    Parameters
    ----------
    number : int in [0, 32 ** length)
        Drawn from a source that cannot be foretold.
    prefix : str
        What the offer puts before it, without the dash.
    length : int, default=8
        Signs after the prefix.

    Returns
    -------
    str
        Most significant sign first.

    Raises
    ------
    ValueError
        If the number needs more signs.

    Examples
    --------
    >>> spell(0), spell(32**8 - 1, prefix="VIP")
    ('22222222', 'VIP-ZZZZZZZZ')
    """
    if not 0 <= number < len(ALPHABET) ** length:
        raise ValueError(f"{number} does not fit into {length} signs")
    signs = "".join(
        ALPHABET[number >> (BITS * place) & (len(ALPHABET) - 1)]
        for place in reversed(range(length))
    )
    return f"{prefix}-{signs}" if prefix else signs


def normalise(code: str) -> str:
    """A code as a shop may hand it back: any case, with spaces around it.

    Examples
    --------
    >>> normalise(" vip-7k3m9qxa ")
    'VIP-7K3M9QXA'
    """
    return code.strip().upper()
