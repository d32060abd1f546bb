"""Read columns of frames into numbers, or say what is wrong with them.  Pure."""

from collections import Counter

import numpy as np
import pandas as pd

MOST_WORDS = np.iinfo(np.int16).max


def check(what: str, frame: pd.DataFrame, expected: tuple[str, ...]) -> None:
    missing = [name for name in expected if name not in frame]
    if missing:
        found = ", ".join(map(str, frame.columns))
        raise ValueError(f"{what} lack {', '.join(missing)}; found {found}")


def codes(values: pd.Series, expected: tuple[str, ...]) -> np.ndarray:
    """Each row's place in ``expected``."""
    if values.dtype.kind == "i":
        return values.to_numpy(np.int8)
    given = values.astype("category").cat
    unknown = sorted(map(str, set(given.categories) - set(expected)))
    if unknown or values.hasnans:
        found = ", ".join(unknown) or "missing"
        raise ValueError(f"{values.name} is {found}; expected {', '.join(expected)}")
    places = np.array([expected.index(name) for name in given.categories], dtype=np.int8)
    return places[given.codes]


def words(values: pd.Series) -> tuple[np.ndarray, tuple[str, ...]]:
    """Each row's place among the distinct words, of which the first is the empty one.

    Of more than ``MOST_WORDS`` the rarest count as unknown.
    """
    counts = Counter(values)
    counts.pop("", None)
    often = sorted(counts, key=lambda word: (-counts[word], word))[:MOST_WORDS]
    known = ("", *sorted(often))
    place = {word: number for number, word in enumerate(known)}
    return np.fromiter((place.get(word, 0) for word in values), np.int16, len(values)), known


def microseconds(moments: pd.Series) -> np.ndarray:
    if not isinstance(moments.dtype, pd.DatetimeTZDtype):
        raise ValueError(f"{moments.name} needs a time zone")
    return moments.dt.tz_convert(None).to_numpy("datetime64[us]").view(np.int64)
