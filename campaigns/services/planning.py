"""Turn a campaign into its ledger.  The only module that creates Assignment and Message rows, and
that moves ``Campaign.state`` up to *sending*; from there on delivery does.

    draft, scheduled --launch--> planning --plan--> sending
    scheduled, planning --faults found--> draft, with the reasons

A pilot goes through *planning* once more for the rest of its audience; see
`campaigns.services.pilots`.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from campaigns import judging, querysets
from campaigns.models import Campaign
from campaigns.services import coupons, moments, readiness, senders
from rapport import bells
from rapport.access import audit
from rapport.errors import Conflict, DomainError

log = logging.getLogger(__name__)

State = Campaign.State
PLANNING_OVERDUE = timedelta(seconds=30)  # a planner usually starts within one

# One row for each message that is wanted, with its verdict.
PLAN = """
    CREATE TEMP TABLE campaign_plan (
        customer_id bigint, occasion bigint, step int, variant_id bigint, channel text,
        due_at timestamptz, data jsonb, offer_id bigint, arm text, obstacle text, reason text,
        zone text, hour int
    ) ON COMMIT DROP"""
PLAN_ALL = """
    INSERT INTO campaign_plan
    SELECT customer_id, %s, 0, variant_id, channel, %s, NULL, NULL, arm, obstacle, reason, zone,
        hour
    FROM ({placed}) every"""
# Who has a message already is passed over.
NOT_YET = """
    NOT EXISTS (
        SELECT FROM campaigns_message m
        WHERE m.campaign_id = %s AND m.occasion = 0 AND m.step = 0
            AND m.customer_id = p.customer_id)"""
WANTED = """
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::bigint[], %s::timestamptz[],
        %s::jsonb[], %s::bigint[])
        AS w (customer_id, occasion, step, variant_id, due_at, data, offer_id)"""
ASSIGN = """
    INSERT INTO campaigns_assignment
        (campaign_id, customer_id, arm, variant_id, is_eligible, assigned_at)
    SELECT DISTINCT ON (customer_id) %s, customer_id, arm, variant_id, obstacle = '', %s
    FROM campaign_plan ORDER BY customer_id, occasion, step
    ON CONFLICT (campaign_id, customer_id) DO NOTHING"""
WRITE_MESSAGES = """
    INSERT INTO campaigns_message
        (campaign_id, occasion, step, variant_id, customer_id, channel, state, reason, detail, data,
         provider_id, coupon_id, tries, claimed_by, planned_at, due_at, finished_at)
    SELECT %s, p.occasion, p.step, p.variant_id, p.customer_id, p.channel,
        CASE WHEN p.reason = '' THEN 'planned' ELSE 'skipped' END, p.reason, '', p.data, '',
        k.coupon_id, 0, '', %s, p.due_at, CASE WHEN p.reason = '' THEN NULL ELSE %s END
    FROM campaign_plan p
    LEFT JOIN campaign_code k
        ON k.customer_id = p.customer_id AND k.occasion = p.occasion AND k.step = p.step
    ON CONFLICT (campaign_id, occasion, step, customer_id) DO NOTHING"""


class LaunchRefused(DomainError):
    """A campaign that must not be sent as it is; `faults` has every reason."""

    code = "launch_refused"

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = list(faults)


@dataclass(frozen=True)
class Wanted:
    """One message that a flow, a trigger or a run of a recurring campaign asks for."""

    customer_id: int
    occasion: int = 0  # see `Message.occasion`
    step: int = 0
    variant_id: int | None = None
    channel: str = ""  # empty: the campaign's, or the one that the person prefers
    due_at: datetime | None = None  # not before; None: now
    data: dict[str, Any] | None = None  # what set it off, for its templates
    offer_id: int | None = None  # instead of the variant's or the campaign's


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
    is_once = campaign.kind == Campaign.Kind.BROADCAST
    _move(
        campaign,
        (State.DRAFT, State.SCHEDULED),
        state=State.PLANNING if is_once else State.SENDING,
        launched_at=now,
        launched_by=user,
        state_reason="",
        changed_at=now,
    )
    audit(user, "campaign.launched", f"campaign {campaign.pk}", name=campaign.name)
    if is_once:
        call(campaign.pk)
    else:
        _begin(campaign, now=now)
    return campaign


@transaction.atomic
def plan(campaign_id: int, *, now: datetime) -> PlanReport:
    """Write everybody's arm, coupon and message, and hand the campaign to delivery.

    All or nothing, in a few statements over one snapshot of who is eligible.  Safe to repeat and to
    run twice at once: a lock of its own lets one plan, and the second finds nothing to do.
    The campaign's row stays free, so that it can be paused and cancelled meanwhile.
    """
    if not _is_only_planner(campaign_id):
        return PlanReport(campaign_id)
    campaign = (
        Campaign.objects.select_related("offer")
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
    except coupons.CodesExhausted as refusal:
        _withdraw(campaign, [str(refusal)], now=now)
        return PlanReport(campaign_id)
    # Its row was open all the while: who paused it finds it planned, who cancelled it, cancelled.
    moved = Campaign.objects.filter(pk=campaign_id, state=State.PLANNING).update(
        state=State.SENDING, changed_at=now
    )
    if not moved and not Campaign.objects.filter(pk=campaign_id, state=State.PAUSED).exists():
        transaction.set_rollback(True)
        return PlanReport(campaign_id)
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


@transaction.atomic
def plan_people(
    campaign: Campaign, wanted: Sequence[Wanted], *, now: datetime
) -> dict[tuple[int, int, int], str]:
    """Write the messages of these people; return the reason of each, empty where it was planned.

    Safe to repeat: (customer, occasion, step) has one message, and what is there stays.  The caller
    holds whatever must not change meanwhile.  Delivery is called when something was planned.

    Returns
    -------
    dict
        By (customer_id, occasion, step).
    """
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        _prepare(cursor)
        for channel in sorted({one.channel for one in wanted}):
            chosen = [one for one in wanted if one.channel == channel]
            _judge_wanted(cursor, campaign, chosen, channel=channel, now=now)
        _write(cursor, campaign, now=now)
        cursor.execute("SELECT customer_id, occasion, step, reason FROM campaign_plan")
        found = {(row[0], row[1], row[2]): row[3] for row in cursor}
        cursor.execute("DROP TABLE campaign_plan, campaign_code")
    if "" in found.values():
        senders.call(campaign.pk)
    return found


@transaction.atomic
def assign(campaign: Campaign, customer_ids: Sequence[int], *, now: datetime) -> dict[int, str]:
    """Write the arms of those who enter a flow, before anything is done; who has one keeps it.

    Returns, by customer, why they are left alone, or what else would keep a message from them now;
    empty where nothing would.
    """
    ids = "SELECT unnest(%s::bigint[]) AS customer_id", [list(customer_ids)]
    judged, params = querysets.judged(campaign, people=ids)
    with connection.cursor() as cursor:
        _prepare(cursor)
        cursor.execute(
            f"""INSERT INTO campaign_plan (customer_id, occasion, step, arm, obstacle, reason)
            SELECT j.customer_id, 0, 0, j.arm, j.obstacle, j.reason FROM ({judged}) j""",
            params,
        )
        cursor.execute(ASSIGN, [campaign.pk, now])
        cursor.execute(
            "SELECT customer_id, CASE WHEN arm = 'holdout' THEN 'holdout' ELSE reason END"
            " FROM campaign_plan"
        )
        found: dict[int, str] = dict(cursor.fetchall())
        cursor.execute("DROP TABLE campaign_plan, campaign_code")
    return found


@transaction.atomic
def plan_run(campaign: Campaign, *, occasion: int, now: datetime) -> PlanReport:
    """Write the ledger of one run of a recurring campaign; the caller holds its row."""
    report = _write_ledger(campaign, occasion=occasion, now=now)
    if report.planned:
        senders.call(campaign.pk)
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
        call(pk)
    return launched


def _write_ledger(campaign: Campaign, *, now: datetime, occasion: int = 0) -> PlanReport:
    placed, params = querysets.placed(campaign, now=now, which=_of_those(campaign))
    with connection.cursor() as cursor:
        _prepare(cursor)
        cursor.execute(PLAN_ALL.format(placed=placed), [occasion, now, *params])
        _write(cursor, campaign, now=now)
        cursor.execute("SELECT reason, count(*) FROM campaign_plan GROUP BY reason")
        found = dict(cursor.fetchall())
        planned, holdout = found.pop("", 0), found.pop("holdout", 0)
        cursor.execute("DROP TABLE campaign_plan, campaign_code")
    return PlanReport(campaign.pk, planned=planned, holdout=holdout, skipped=found)


def _of_those(campaign: Campaign) -> querysets.Query:
    """Which of the audience ``p`` is planned now: all, a pilot's share, or the rest after it."""
    if campaign.pilot_share is None or campaign.kind != Campaign.Kind.BROADCAST:
        return "true", []
    if campaign.scaled_at is not None:
        return NOT_YET, [campaign.pk]
    waits, params = judging.outside_pilot(campaign)
    return f"NOT ({waits})", params


def _prepare(cursor: Any) -> None:
    """The verdicts are kept for the length of the transaction: each statement has a snapshot of its
    own, and consent may change between two of them.  The codes are kept beside them, for the
    planner knows nothing of rows just written to a large table and loops over them.
    """
    cursor.execute(PLAN)
    cursor.execute(coupons.TABLE)


def _judge_wanted(
    cursor: Any, campaign: Campaign, wanted: Sequence[Wanted], *, channel: str, now: datetime
) -> None:
    rows = [
        (one.customer_id, one.occasion, one.step, one.variant_id, one.due_at or now,
         None if one.data is None else json.dumps(one.data), one.offer_id)
        for one in wanted
    ]  # fmt: skip
    columns = [list(column) for column in zip(*rows, strict=True)]
    ids = "SELECT unnest(%s::bigint[]) AS customer_id", [sorted({row[0] for row in rows})]
    judged, params = querysets.judged(campaign, people=ids, channel=channel, now=now)
    cursor.execute(
        f"""INSERT INTO campaign_plan
        SELECT w.customer_id, w.occasion, w.step, w.variant_id, j.channel, w.due_at, w.data,
            w.offer_id, j.arm, j.obstacle, j.reason, j.zone, coalesce(v.local_hour, j.hour)
        FROM ({WANTED}) w JOIN ({judged}) j USING (customer_id)
        LEFT JOIN campaigns_variant v ON v.id = w.variant_id""",
        [*columns, *params],
    )


def _write(cursor: Any, campaign: Campaign, *, now: datetime) -> None:
    """Arms, codes and messages of what stands in ``campaign_plan``."""
    cursor.execute("ANALYZE campaign_plan")
    cursor.execute(ASSIGN, [campaign.pk, now])
    moments.settle(cursor, campaign, now=now)
    coupons.give(cursor, campaign, now=now)
    cursor.execute(WRITE_MESSAGES, [campaign.pk, now, now])


def _is_only_planner(campaign_id: int) -> bool:
    """Whether nobody else plans this campaign; if so nobody can before the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"rapport planner {campaign_id}"],
        )
        return bool(cursor.fetchone()[0])


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
    """Make it a draft again, or a pilot alone, and keep the reasons where a person will look."""
    reason = " ".join(faults)
    length_most = Campaign._meta.get_field("state_reason").max_length or len(reason)
    back: dict[str, Any] = {"state": State.DRAFT, "launched_at": None}
    if campaign.scaled_at is not None:
        back = {"state": State.SENDING, "scaled_at": None}
    moved = Campaign.objects.filter(
        pk=campaign.pk, state__in=(State.SCHEDULED, State.PLANNING)
    ).update(**back, state_reason=reason[:length_most], changed_at=now)
    if moved:
        audit(None, "campaign.launch_refused", f"campaign {campaign.pk}", faults=list(faults))


def call(campaign_id: int) -> None:
    """Ask a worker to plan a campaign."""
    # Here, because tasks import the services they call.
    from campaigns.tasks import launch as plan_task

    bells.enqueue(plan_task, campaign_id)


def _begin(campaign: Campaign, *, now: datetime) -> None:
    """Start what goes on until it is ended, in the transaction of its launch."""
    from campaigns.services.flows import definitions, entering  # these plan messages

    if campaign.kind in definitions.KINDS:
        entering.begin(campaign, now=now)
