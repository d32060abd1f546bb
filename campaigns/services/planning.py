"""Turn a campaign into its ledger.  The only module that creates Assignment, Message and Coupon
rows, and that moves ``Campaign.state`` up to *sending*; from there on delivery does.

    draft, scheduled --launch--> planning --plan--> sending
    scheduled, planning --faults found--> draft, with the reasons
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from campaigns import querysets
from campaigns.models import Campaign
from campaigns.offers import codes
from campaigns.services import readiness
from rapport import bells
from rapport.access import audit
from rapport.errors import Conflict, DomainError

log = logging.getLogger(__name__)

State = Campaign.State
PLANNING_OVERDUE = timedelta(seconds=30)  # a planner usually starts within one
CODE_ROUNDS_MOST = 50  # of drawing again for those whose code was taken

ASSIGN = """
    INSERT INTO campaigns_assignment (campaign_id, customer_id, arm, is_eligible, assigned_at)
    SELECT %s, customer_id, arm, obstacle = '', %s FROM campaign_plan
    ON CONFLICT (campaign_id, customer_id) DO NOTHING"""
# Version 4 UUIDs are PostgreSQL's strong random source; their first 48 bits are random.
GIVE_CODES = """
    WITH given AS (
        INSERT INTO campaigns_coupon
            (offer_id, campaign_id, customer_id, code, created_at, expires_at)
        SELECT %s, %s, customer_id, {spelled}, %s, %s
        FROM (
            SELECT p.customer_id,
                ('x' || left(replace(gen_random_uuid()::text, '-', ''), 12))::bit(48)::bigint
                    AS number
            FROM campaign_plan p
            WHERE p.reason = ''
                AND NOT EXISTS (SELECT FROM campaign_code k WHERE k.customer_id = p.customer_id)
        ) drawn
        ON CONFLICT (code) DO NOTHING
        RETURNING customer_id, id
    )
    INSERT INTO campaign_code SELECT customer_id, id FROM given"""
WRITE_MESSAGES = """
    INSERT INTO campaigns_message
        (campaign_id, step, customer_id, channel, state, reason, detail, coupon_id, tries,
         claimed_by, planned_at, due_at, finished_at)
    SELECT %s, 0, p.customer_id, %s, CASE WHEN p.reason = '' THEN 'planned' ELSE 'skipped' END,
        p.reason, '', k.coupon_id, 0, '', %s, %s, CASE WHEN p.reason = '' THEN NULL ELSE %s END
    FROM campaign_plan p
    LEFT JOIN campaign_code k ON k.customer_id = p.customer_id
    ON CONFLICT (campaign_id, step, customer_id) DO NOTHING"""


class LaunchRefused(DomainError):
    """A campaign that must not be sent as it is; `faults` has every reason."""

    code = "launch_refused"

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = list(faults)


class CodesExhausted(DomainError):
    """So many codes of this length are given out that no free ones were found."""


@dataclass(frozen=True)
class PlanReport:
    """What planning wrote; all zero for whoever came second."""

    campaign_id: int
    planned: int = 0
    holdout: int = 0
    skipped: dict[str, int] = field(default_factory=dict)  # by reason, without holdout


@transaction.atomic
def schedule(campaign: Campaign, *, at: datetime, user: Any, now: datetime) -> Campaign:
    """Have a draft launched at a moment to come; refuse what could not be launched now."""
    if at <= now:
        raise LaunchRefused([f"{at:%Y-%m-%d %H:%M} UTC is over: choose a moment to come."])
    _check_ready(campaign)
    _move(
        campaign,
        (State.DRAFT, State.SCHEDULED),
        state=State.SCHEDULED,
        scheduled_at=at,
        launched_by=user,
        state_reason="",
        changed_at=now,
    )
    audit(user, "campaign.scheduled", f"campaign {campaign.pk}", at=at)
    return campaign


@transaction.atomic
def unschedule(campaign: Campaign, *, user: Any, now: datetime) -> Campaign:
    """Make a scheduled campaign a draft again."""
    _move(campaign, (State.SCHEDULED,), state=State.DRAFT, scheduled_at=None, changed_at=now)
    audit(user, "campaign.unscheduled", f"campaign {campaign.pk}")
    return campaign


@transaction.atomic
def launch(campaign: Campaign, *, user: Any, now: datetime) -> Campaign:
    """Start a draft or scheduled campaign; the ledger is written by a worker a moment later.

    Of two who launch at once one wins and the other is refused.  Should the worker never hear of
    it, `launch_due` calls again.
    """
    _check_ready(campaign)
    _move(
        campaign,
        (State.DRAFT, State.SCHEDULED),
        state=State.PLANNING,
        launched_at=now,
        launched_by=user,
        state_reason="",
        changed_at=now,
    )
    audit(user, "campaign.launched", f"campaign {campaign.pk}", name=campaign.name)
    _enqueue_planning(campaign.pk)
    return campaign


@transaction.atomic
def plan(campaign_id: int, *, now: datetime) -> PlanReport:
    """Write everybody's arm, coupon and message, and hand the campaign to delivery.

    All or nothing, in a few statements over one snapshot of who is eligible.  Safe to repeat and to
    run twice at once: the campaign's row is locked, and whoever comes second finds nothing to do.
    """
    campaign = (
        Campaign.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("offer")
        .filter(pk=campaign_id, state=State.PLANNING)
        .first()
    )
    if campaign is None:
        return PlanReport(campaign_id)
    faults = readiness.segment_faults(campaign)
    if faults:  # a segment was broken or archived since the launch
        _withdraw(campaign, faults, now=now)
        return PlanReport(campaign_id)
    try:
        with transaction.atomic():
            report = _write_ledger(campaign, now=now)
    except CodesExhausted as refusal:
        _withdraw(campaign, [str(refusal)], now=now)
        return PlanReport(campaign_id)
    _move(campaign, (State.PLANNING,), state=State.SENDING, changed_at=now)
    audit(
        None,
        "campaign.planned",
        f"campaign {campaign_id}",
        planned=report.planned,
        holdout=report.holdout,
        skipped=report.skipped,
    )
    from campaigns.tasks import deliver

    bells.enqueue(deliver, campaign_id)
    return report


def launch_due(*, now: datetime) -> int:
    """Launch the scheduled campaigns whose moment has come, and call planners for those waiting.

    Safe in two schedulers at once.  A campaign that may no longer be launched becomes a draft with
    the reasons, instead of being tried for ever.  Returns how many were launched.
    """
    launched = 0
    for campaign in Campaign.objects.filter(state=State.SCHEDULED, scheduled_at__lte=now):
        try:
            launch(campaign, user=campaign.launched_by, now=now)
        except LaunchRefused as refusal:
            _withdraw(campaign, refusal.faults, now=now)
        except Conflict:
            log.info("campaign %s was launched by somebody else", campaign.pk)
        else:
            launched += 1
    overdue = now - PLANNING_OVERDUE
    for pk in Campaign.objects.filter(state=State.PLANNING, launched_at__lte=overdue).values_list(
        "pk", flat=True
    ):
        _enqueue_planning(pk)
    return launched


def spelled_sql(number: str, *, prefix: str, length: int) -> str:
    """The same code as `campaigns.offers.codes.spell`, of the lowest bits of an SQL bigint.

    ``prefix`` is quoted here and may hold only what `codes.PREFIX` allows.
    """
    assert codes.PREFIX.fullmatch(prefix)
    signs = " || ".join(
        f"substr('{codes.ALPHABET}', 1 + (({number} >> {codes.BITS * place}) & "
        f"{len(codes.ALPHABET) - 1})::int, 1)"
        for place in reversed(range(length))
    )
    return f"'{prefix}-' || {signs}" if prefix else signs


def _write_ledger(campaign: Campaign, *, now: datetime) -> PlanReport:
    judged, params = querysets.judged(campaign)
    with connection.cursor() as cursor:
        # The verdicts are kept for the length of the transaction: each statement has a snapshot of
        # its own, and consent may change between two of them.  The codes are kept beside them, for
        # the planner knows nothing of rows just written to a large table and loops over them.
        cursor.execute(f"CREATE TEMP TABLE campaign_plan ON COMMIT DROP AS {judged}", params)
        cursor.execute("ANALYZE campaign_plan")
        cursor.execute(
            "CREATE TEMP TABLE campaign_code (customer_id bigint, coupon_id bigint) ON COMMIT DROP"
        )
        cursor.execute(ASSIGN, [campaign.pk, now])
        cursor.execute("SELECT reason, count(*) FROM campaign_plan GROUP BY reason")
        found = dict(cursor.fetchall())
        planned, holdout = found.pop("", 0), found.pop("holdout", 0)
        if campaign.offer is not None:
            _give_codes(cursor, campaign, wanted=planned, now=now)
        cursor.execute(WRITE_MESSAGES, [campaign.pk, campaign.channel, now, now, now])
        cursor.execute("DROP TABLE campaign_plan, campaign_code")
    return PlanReport(campaign.pk, planned=planned, holdout=holdout, skipped=found)


def _give_codes(cursor: Any, campaign: Campaign, *, wanted: int, now: datetime) -> None:
    """One code for each person to be written to; whose code was taken draws again."""
    offer = campaign.offer
    assert offer is not None
    spelled = spelled_sql("number", prefix=offer.code_prefix, length=codes.LENGTH)
    expires_at = now + timedelta(days=offer.valid_days)
    statement = GIVE_CODES.format(spelled=spelled)
    given = 0
    for _round in range(CODE_ROUNDS_MOST):
        cursor.execute(statement, [offer.pk, campaign.pk, now, expires_at])
        given += cursor.rowcount
        cursor.execute("ANALYZE campaign_code")
        if given == wanted:
            return
    raise CodesExhausted(
        f"No free codes were found in {CODE_ROUNDS_MOST} rounds: give the offer {offer} another "
        "prefix."
    )


def _check_ready(campaign: Campaign) -> None:
    """Judge the row as it is, not as the caller once read it, and keep it so until the commit."""
    current = Campaign.objects.select_for_update().get(pk=campaign.pk)
    faults = readiness.faults(current)
    if faults:
        raise LaunchRefused(faults)


def _move(campaign: Campaign, states: Sequence[State], **fields: Any) -> None:
    """Change a campaign if it is still in one of these states, or refuse; the object follows."""
    if not Campaign.objects.filter(pk=campaign.pk, state__in=states).update(**fields):
        campaign.refresh_from_db(fields=["state"])
        expected = " or ".join(states)
        raise Conflict(f"The campaign {campaign} is {campaign.state}, expected {expected}.")
    for name, value in fields.items():
        setattr(campaign, name, value)


def _withdraw(campaign: Campaign, faults: Sequence[str], *, now: datetime) -> None:
    """Make a campaign a draft again and keep the reasons where a person will look."""
    reason = " ".join(faults)
    length_most = Campaign._meta.get_field("state_reason").max_length or len(reason)
    moved = Campaign.objects.filter(
        pk=campaign.pk, state__in=(State.SCHEDULED, State.PLANNING)
    ).update(state=State.DRAFT, state_reason=reason[:length_most], launched_at=None, changed_at=now)
    if moved:
        audit(None, "campaign.launch_refused", f"campaign {campaign.pk}", faults=list(faults))


def _enqueue_planning(campaign_id: int) -> None:
    # Here, because tasks import the services they call.
    from campaigns.tasks import launch as plan_task

    bells.enqueue(plan_task, campaign_id)
