"""How a customer answers messages: sent, opened, clicked, and how many came lately.

What a mail program opened by itself is not among the facts where its source marks it.
"""

from functools import partial

import numpy as np

from customers.features.feature import Feature
from customers.features.watched import LOOK_BACK_DAYS, Watched

WINDOWS_DAYS = (30, 90, 365)
SHRUNK_MESSAGES = 10  # a share stands for so many messages of the usual kind, and those sent
# What is usual where nothing is known; not learnt from others, or a customer's number would be.
USUAL_SHARE = {"email_opened": 0.2, "email_clicked": 0.02, "sms_clicked": 0.05}


def _count(watched: Watched, *, names: tuple[str, ...], days: int) -> np.ndarray:
    return watched.count(*names, days=days)


def _share(watched: Watched, *, did: str, sent: str, days: int) -> np.ndarray:
    of = watched.count(sent, days=days)
    # Some sources tell of each time a message was opened.
    answered = np.minimum(watched.count(did, days=days), of)
    return (answered + SHRUNK_MESSAGES * USUAL_SHARE[did]) / (of + SHRUNK_MESSAGES)


def _of(name: str, unit: str, meaning: str, *names: str, days: int) -> Feature:
    return Feature(
        f"{name}_{days}d", "count", unit, f"{meaning} in the last {days} days.",
        partial(_count, names=names, days=days), window_days=days, dtype="int32", ground="events",
    )  # fmt: skip


def _share_of(name: str, meaning: str, did: str, sent: str, *, days: int) -> Feature:
    usual = f"{USUAL_SHARE[did]:.0%}"
    return Feature(
        f"{name}_{days}d", "share", "share of 1",
        f"{meaning} in the last {days} days, with {SHRUNK_MESSAGES} messages of {usual} added.",
        partial(_share, did=did, sent=sent, days=days), window_days=days, ground="events",
    )  # fmt: skip


SENT = (
    *(_of("emails_sent", "e-mails", "E-mails sent", "email_sent", days=days)
      for days in (7, *WINDOWS_DAYS)),
    *(_of("sms_sent", "text messages", "Text messages sent", "sms_sent", days=days)
      for days in (7, 90, 365)),
)  # fmt: skip
ANSWERED = (
    *(_of("emails_opened", "openings", "E-mails opened", "email_opened", days=days)
      for days in WINDOWS_DAYS),
    *(_of("emails_clicked", "clicks", "Links of e-mails followed", "email_clicked", days=days)
      for days in WINDOWS_DAYS),
    *(_of("sms_clicked", "clicks", "Links of text messages followed", "sms_clicked", days=days)
      for days in (90, 365)),
    _of("unsubscribes", "times", "Times unsubscribed", "unsubscribed", days=365),
)  # fmt: skip
SHARES = (
    *(_share_of("email_open_share", "Part of the e-mails opened", "email_opened", "email_sent",
                days=days) for days in WINDOWS_DAYS),
    *(_share_of("email_click_share", "Part of the e-mails clicked", "email_clicked", "email_sent",
                days=days) for days in WINDOWS_DAYS),
    _share_of("sms_click_share", "Part of the text messages clicked", "sms_clicked", "sms_sent",
              days=365),
)  # fmt: skip
SINCE = (
    Feature("days_since_last_email", "days", "days",
            "Days since an e-mail was sent; missing where none was in a year.",
            lambda watched: watched.days_since("email_sent"), window_days=LOOK_BACK_DAYS,
            ground="events"),
    Feature("days_since_last_open", "days", "days",
            "Days since an e-mail was opened; missing where none was in a year.",
            lambda watched: watched.days_since("email_opened"), window_days=LOOK_BACK_DAYS,
            ground="events"),
    Feature("days_since_last_click", "days", "days",
            "Days since a link of a message was followed; missing where none was in a year.",
            lambda watched: watched.days_since("email_clicked", "sms_clicked"),
            window_days=LOOK_BACK_DAYS, ground="events"),
)  # fmt: skip
FEATURES = SENT + ANSWERED + SHARES + SINCE
