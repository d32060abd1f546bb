"""The shop's sending rules.  The only writer of SendingPolicy; the audit trail keeps its versions.

One row; before anybody has changed a rule there is none, and what `campaigns.judging.policy` says
holds.
"""

import secrets
from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns import judging
from campaigns.models import SendingPolicy
from campaigns.timing import rules
from customers.models.consent import Channel
from rapport.access import audit
from rapport.errors import Conflict, DomainError

FIELDS = (
    "quiet_hours",
    "caps",
    "holdout_share",
    "approval_above",
    "costs",
    "small_people",
    "small_segments_most",
)
SALT_BYTES = 12
HOLDOUT_SHARE_MOST = 0.5


class PolicyRefused(DomainError):
    """Rules that make no sense; `faults` has every reason."""

    code = "policy_refused"

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


@transaction.atomic
def change(*, user: Any, now: datetime, version: int | None = None, **fields: Any) -> SendingPolicy:
    """Change some of the rules, for every message from now on.

    ``fields`` are those of `FIELDS`.  With ``version``, refuse if somebody changed them since.
    The draw of the global holdout is kept for ever: a larger share adds people to it, and nobody
    who was in it comes out but by a smaller one.
    """
    policy = SendingPolicy.objects.select_for_update().first() or judging.policy()
    if version is not None and version != policy.version:
        raise Conflict(
            f"The sending rules were changed meanwhile: this is version {policy.version}, and you "
            f"were looking at {version}. Look at them again."
        )
    faults = _faults(fields)
    if faults:
        raise PolicyRefused(faults)
    changed = {
        name: (getattr(policy, name), value)
        for name, value in fields.items()
        if getattr(policy, name) != value
    }
    for name, value in fields.items():
        setattr(policy, name, value)
    if "holdout_share" in changed:
        policy.holdout_since = now if policy.holdout_share else None
    policy.holdout_salt = policy.holdout_salt or secrets.token_hex(SALT_BYTES)
    policy.version += bool(policy.pk and changed)
    policy.pk, policy.changed_at, policy.changed_by = 1, now, user
    policy.save()
    if changed:
        said = {name: {"before": old, "after": new} for name, (old, new) in changed.items()}
        audit(user, "sending_rules.changed", f"version {policy.version}", **said)
    return policy


def _faults(fields: dict[str, Any]) -> list[str]:
    found = [f"There is no rule {name}." for name in sorted(set(fields) - set(FIELDS))]
    for name, read in (
        ("quiet_hours", rules.quiet_hours),
        ("caps", rules.caps),
        ("costs", rules.costs),
    ):
        if name in fields:
            try:
                read(fields[name], channels=Channel.values)
            except rules.RulesError as error:
                found += error.faults
    share = fields.get("holdout_share", 0)
    if not 0 <= share <= HOLDOUT_SHARE_MOST:
        found.append(f"The global holdout must be 0 to {HOLDOUT_SHARE_MOST}, found {share}.")
    for name, least in (("approval_above", 0), ("small_people", 0), ("small_segments_most", 0)):
        number = fields.get(name)
        if number is not None and not least <= number < 2**31:
            found.append(f"{name} must be at least {least}, found {number}.")
    return found
