"""Which messages were answered, by whom and at which local hour: what response is learnt from."""

from datetime import datetime
from typing import NamedTuple

import numpy as np
import pandas as pd

from customers.features.facts import EVENT_NAMES, Facts
from customers.features.seen import DAY, microseconds

WITHIN_DAYS = 7  # a click or an order counts for the last message before it, if no older than this
HOUR = 3_600_000_000  # microseconds
CHANNELS = {"email": ("email_sent", "email_clicked"), "sms": ("sms_sent", "sms_clicked")}
HOURS = tuple(f"answers_{hour:02d}h" for hour in range(24))


class Messages(NamedTuple):
    """Messages of one channel, by customer and moment."""

    customer: np.ndarray  # position in Facts.customer_ids
    placed: np.ndarray  # microseconds of 1970
    is_answered: np.ndarray


def messages(facts: Facts, channel: str, as_of: datetime) -> Messages:
    """Messages sent before ``as_of``, and whether a click or an order followed by then.

    Those of the last ``WITHIN_DAYS`` days are left out: their answers may be still to come.
    """
    sent, clicked = CHANNELS[channel]
    end = microseconds(as_of)
    whose, at = _events(facts, sent, end)
    answered = np.zeros(whose.size, dtype=bool)
    bought = facts.purchases
    ordered = bought.known(end)
    for customer, moment in (
        _events(facts, clicked, end),
        (bought.customer[ordered], bought.placed[ordered]),
    ):
        answered[_last_before(whose, at, customer, moment)] = True
    is_over = at < end - WITHIN_DAYS * DAY
    return Messages(whose[is_over], at[is_over], answered[is_over])


def table(facts: Facts, as_of: datetime, people: pd.DataFrame | None = None) -> pd.DataFrame:
    """What response is predicted from, for everybody who was sent a message.

    Returns
    -------
    DataFrame indexed by ``customer_id``, ascending
        ``email_sent``, ``email_answered``, ``sms_sent``, ``sms_answered``; ``answers_00h`` to
        ``answers_23h`` : clicks by local hour, by UTC where the time zone is unknown.
    """
    n = facts.customer_ids.size
    columns: dict[str, np.ndarray] = {}
    for channel in CHANNELS:
        found = messages(facts, channel, as_of)
        columns[f"{channel}_sent"] = np.bincount(found.customer, minlength=n)
        columns[f"{channel}_answered"] = np.bincount(found.customer[found.is_answered], minlength=n)
    end = microseconds(as_of)
    clicks = [_events(facts, clicked, end) for _, clicked in CHANNELS.values()]
    customer = np.concatenate([whose for whose, _ in clicks])
    hour = _local_hour(np.concatenate([at for _, at in clicks]), customer, facts, people)
    by_hour = np.bincount(customer.astype(np.int64) * 24 + hour, minlength=n * 24).reshape(n, 24)
    columns |= dict(zip(HOURS, by_hour.T, strict=True))
    frame = pd.DataFrame(columns, index=pd.Index(facts.customer_ids, name="customer_id"))
    return frame[(frame["email_sent"] + frame["sms_sent"]) > 0]


def _events(facts: Facts, name: str, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Customer and moment of the events of a name known before ``end``, by both."""
    events = facts.events
    chosen = (events.name == EVENT_NAMES.index(name)) & events.known(end)
    return events.customer[chosen], events.placed[chosen]


def _last_before(
    whose: np.ndarray, at: np.ndarray, customer: np.ndarray, moment: np.ndarray
) -> np.ndarray:
    """Places of the messages that these moments answer: the last one before each, if recent."""
    if not whose.size or not customer.size:
        return np.zeros(0, dtype=np.int64)
    # Ranks of the moments are small, so that one number holds whose and when.
    ranks = np.unique(np.concatenate([at, moment]))
    wide = ranks.size + 1
    key = whose.astype(np.int64) * wide + np.searchsorted(ranks, at)
    asked = customer.astype(np.int64) * wide + np.searchsorted(ranks, moment)
    place = np.searchsorted(key, asked, side="right") - 1
    fits = place >= 0
    place, customer, moment = place[fits], customer[fits], moment[fits]
    is_theirs = (whose[place] == customer) & (moment - at[place] <= WITHIN_DAYS * DAY)
    return np.unique(place[is_theirs])


def _local_hour(
    moments: np.ndarray, customer: np.ndarray, facts: Facts, people: pd.DataFrame | None
) -> np.ndarray:
    """The hour of each moment where its customer lives."""
    hour = moments // HOUR % 24
    if people is None or "time_zone" not in people or not moments.size:
        return hour
    zones = people["time_zone"].astype(object).reindex(facts.customer_ids[customer])
    zone = zones.where(zones.notna(), "").to_numpy()
    at = pd.DatetimeIndex(moments.view("M8[us]")).tz_localize("UTC")
    for name in sorted(set(zone) - {""}):
        here = zone == name
        try:
            hour[here] = at[here].tz_convert(name).hour
        except (KeyError, ValueError, OSError):  # a name that no zone has
            continue
    return hour
