"""What a report is made of.  Plain figures, ready to be shown or sent as JSON."""

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from campaigns.experiments.analysis import Difference
from campaigns.experiments.guards import Guard
from campaigns.experiments.stopping import Standing, Taken
from campaigns.services.arms import Lift


@dataclass(frozen=True)
class Funnel:
    """What became of the messages; each figure counts messages, thus people."""

    planned: int = 0  # eligible and drawn to be written to
    waiting: int = 0  # not yet handed over
    sent: int = 0  # accepted by the mail server, whatever came later
    delivered: int = 0  # of these, told to have arrived; most servers never tell
    bounced: int = 0
    failed: int = 0  # certainly did not leave
    unknown: int = 0  # may have left
    withdrawn: int = 0  # planned, then skipped: consent gone, too late, cancelled
    opened: int = 0  # by people; a click is an open too
    opened_by_machines: int = 0
    clicked: int = 0
    clicked_by_machines: int = 0
    unsubscribed: int = 0
    complained: int = 0
    ordered: int = 0  # messages to which at least one order that stands is attributed
    attributed_orders: int = 0
    attributed_revenue: float = 0.0
    redeemed: int = 0  # codes


@dataclass(frozen=True)
class ArmFigures:
    """One arm: everybody drawn into it who could have been written to."""

    arm: str
    assigned: int  # drawn, those who could not be written to included
    n: int  # compared
    buyers: int  # with an order in the window
    orders: float
    revenue: float
    orders_per_customer: float | None  # None below `checks.CUSTOMERS_LEAST` customers
    conversion_rate: float | None
    revenue_per_customer: float | None
    margin_per_customer: float | None = None


@dataclass(frozen=True)
class SampleRatio:
    """Whether the arms have the sizes that were drawn."""

    expected_share: float
    found_share: float | None
    p_value: float
    is_right: bool


@dataclass(frozen=True)
class Extra:
    """A lift times the customers written to: what the campaign brought altogether."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class GuardRail:
    """A rate that must not become worse: unsubscribe, complaint or bounce."""

    name: str
    events: int
    n: int  # messages that left
    guard: Guard


@dataclass(frozen=True)
class VariantFigures:
    """One variant beside the first of its step."""

    variant_id: int
    step: int
    name: str
    weight_share: float  # of those drawn now
    n: int
    buyers: int
    per_customer: float | None  # of the deciding metric; None below `checks.CUSTOMERS_LEAST`
    lift: Difference | None  # minus the first variant; None for the first, and where unreadable
    p_value: float | None  # Holm's, over the variants of the step
    verdict: str  # first | better | worse | open | best (Thompson's likeliest)
    best_chance: float | None  # Thompson sampling alone
    unsubscribes: str  # within | broken | unknown, beside the first; empty for the first


@dataclass(frozen=True)
class Step:
    """The variants of one step, compared with each other."""

    step: int
    variants: tuple[VariantFigures, ...]
    sentence: str
    standing: Standing | None = None


@dataclass(frozen=True)
class Costs:
    """What a campaign cost beside what is in the orders already."""

    messages: float
    messages_unpriced: int  # sent, and nobody knows at what cost
    gifts: float  # what redeemed offers cost beyond a lower price
    redeemed: int
    discounts: float  # given with its codes; already in the lower revenue, so not in ``total``

    @property
    def total(self) -> float:
        return self.messages + self.gifts


@dataclass(frozen=True)
class Return:
    """Extra margin less the cost."""

    value: float
    low: float
    high: float
    is_provisional: bool


@dataclass(frozen=True)
class Waiting:
    """When a conclusion can be drawn, at the present rate."""

    days: float | None  # None: never at this rate
    sentence: str


@dataclass(frozen=True)
class Report:
    """A campaign's figures as of a moment."""

    campaign_id: int
    name: str
    kind: str
    state: str
    as_of: datetime
    currency: str
    window_days: int
    window_from: datetime | None  # None before planning
    window_to: datetime | None  # of the last who was drawn
    days_left: float  # 0 when the window has closed
    audience: int
    reasons: dict[str, int]  # skipped, by reason, holdout among them
    not_sent: dict[str, int]  # failed or unknown, by reason
    funnel: Funnel
    arms: tuple[ArmFigures, ...]  # treated, holdout
    srm: SampleRatio | None
    objective: str
    metric: str  # decides
    stopping: str
    is_adjusted: bool  # the adjusted lift decides
    lifts: tuple[Lift, ...]  # of all metrics; empty where they must not be read
    lift: Difference | None  # the one that decides
    lift_orders: Difference | None  # per customer, plain; None where it must not be read
    lift_revenue: Difference | None
    order_value: Difference | None  # revenue by order
    extra_orders: Extra | None
    extra_revenue: Extra | None
    extra_margin: Extra | None
    standing: Standing | None
    looks: tuple[Taken, ...]
    steps: tuple[Step, ...]
    guards: tuple[GuardRail, ...]
    costs: Costs
    made: Return | None
    waiting: Waiting | None
    verdict: str  # more, fewer, no_difference, or why nothing can be said
    conclusion: str
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)
