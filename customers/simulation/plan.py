"""What the invented shop is drawn from: its size, its seed and its true behavioural types."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

CHUNK_CUSTOMERS = 20_000  # a chunk holds about 100,000 orders and fits in some 200 MiB as text


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """One true type of customer: the distributions its members are drawn from.

    Buying and leaving follow the MBG/NBD model: each member's purchase rate is a draw from a gamma
    distribution, and after every purchase a member leaves for good with a probability that is a
    draw from a beta distribution.
    """

    name: str
    share: float  # of all customers
    orders_per_year: float  # mean of the purchase rate while active
    rate_shape: float  # of the gamma distribution: small means very different members
    leaving: tuple[float, float]  # a, b of the beta distribution of leaving after a purchase
    slowing: float = 1.0  # each purchase multiplies the rate by this
    bought_share: float = 1.0  # members who buy at all; the others only sign up
    season: str = "even"  # a name in seasons.SEASONS
    more_lines: float = 0.7  # mean number of lines beyond the first
    more_quantity: float = 0.15  # mean quantity beyond one
    price_taste: float = 0.0  # products are chosen with a weight of price ** price_taste
    deal_share: float = 0.06  # lines bought at a reduced price, outside the sales
    deal_share_in_sale: float = 0.45
    coupon_share: float = 0.05  # orders in a sale that carry a coupon
    gift_wrap_share: float = 0.02
    visits_per_order: float = 1.0  # visits that end without an order
    cart_share: float = 0.15  # of those visits, the ones that leave a cart behind
    review_share: float = 0.06  # orders that are reviewed
    effect_mean: float = 0.0  # extra probability of an order in 7 days after a message
    effect_sd: float = 0.01
    open_share: float = 0.4
    click_share: float = 0.2  # of those who open


LOYAL, BARGAIN, ONE_TIMER, GIFT, BIG, FADING = range(6)

BEHAVIOURS = (
    Behaviour(
        name="loyal",
        share=0.22,
        orders_per_year=14.0,
        rate_shape=4.0,
        leaving=(1.2, 38.8),
        effect_mean=0.008,  # they would have bought anyway
        effect_sd=0.015,
        open_share=0.6,
        click_share=0.25,
        review_share=0.07,
    ),
    Behaviour(
        name="bargain_hunter",
        share=0.18,
        orders_per_year=5.5,
        rate_shape=2.5,
        leaving=(1.5, 23.5),
        season="sale",
        price_taste=-0.3,
        deal_share=0.96,
        deal_share_in_sale=0.99,
        coupon_share=0.5,
        visits_per_order=2.0,
        cart_share=0.25,
        effect_mean=0.09,
        effect_sd=0.03,
        open_share=0.55,
        click_share=0.35,
    ),
    Behaviour(
        name="one_timer",
        share=0.26,
        orders_per_year=2.5,
        rate_shape=1.5,
        leaving=(8.0, 2.5),
        bought_share=0.85,
        more_lines=0.4,
        effect_mean=0.015,
        effect_sd=0.015,
        open_share=0.25,
        click_share=0.1,
        review_share=0.04,
    ),
    Behaviour(
        name="gift_buyer",
        share=0.12,
        orders_per_year=4.0,
        rate_shape=3.0,
        leaving=(1.2, 18.8),
        season="gift",
        gift_wrap_share=0.5,
        effect_mean=0.025,
        effect_sd=0.015,
    ),
    Behaviour(
        name="big_spender",
        share=0.08,
        orders_per_year=8.0,
        rate_shape=3.0,
        leaving=(1.5, 28.5),
        more_lines=2.0,
        more_quantity=0.6,
        price_taste=1.0,
        deal_share=0.02,
        deal_share_in_sale=0.15,
        effect_mean=0.03,
        effect_sd=0.02,
        open_share=0.45,
        review_share=0.05,
    ),
    Behaviour(
        name="fading",
        share=0.14,
        orders_per_year=13.0,
        rate_shape=2.5,
        leaving=(2.0, 12.0),
        slowing=0.82,
        effect_mean=0.06,  # a reminder brings some of them back
        effect_sd=0.025,
        open_share=0.35,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One simulated shop: the same plan gives the same bytes.

    Raises
    ------
    ValueError
        If a number is out of its range, or ``until`` is naive or has a fraction of a second.
    """

    customers: int
    seed: int
    until: datetime  # nothing happens at or after it
    days: int = 730  # since the shop opened
    tracked_days: int = 120  # since the shop records browse and cart events
    pace: float = 1.0  # multiplies every purchase rate
    currency: str = "EUR"
    chunk_customers: int = CHUNK_CUSTOMERS

    def __post_init__(self) -> None:
        faults = []
        if self.customers < 1:
            faults.append(f"customers is {self.customers}; expected at least 1")
        if self.seed < 0:
            faults.append(f"seed is {self.seed}; expected 0 or more")
        if self.days < 30:
            faults.append(f"days is {self.days}; expected at least 30")
        if not 0 <= self.tracked_days <= self.days:
            faults.append(f"tracked_days is {self.tracked_days}; expected 0 to {self.days}")
        if not 0 < self.pace <= 10:
            faults.append(f"pace is {self.pace}; expected above 0, at most 10")
        if self.chunk_customers < 1:
            faults.append(f"chunk_customers is {self.chunk_customers}; expected at least 1")
        if self.until.tzinfo is None or self.until.microsecond:
            faults.append("until needs a time zone and whole seconds")
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def start(self) -> datetime:
        return self.until - timedelta(days=self.days)

    @property
    def start_second(self) -> int:
        return int(self.start.timestamp())

    @property
    def end_second(self) -> int:
        return int(self.until.timestamp())

    @property
    def chunks(self) -> int:
        return -(-self.customers // self.chunk_customers)

    def numbers(self, chunk: int) -> np.ndarray:
        """The customer numbers of one chunk, from 1 over the whole shop."""
        if not 0 <= chunk < self.chunks:
            raise ValueError(f"chunk is {chunk}; expected 0 to {self.chunks - 1}")
        first = chunk * self.chunk_customers
        return np.arange(first, min(first + self.chunk_customers, self.customers)) + 1

    def streams(self, chunk: int) -> Iterator[np.random.Generator]:
        """Random streams of one chunk, one a stage.

        They depend on seed and chunk alone, so that chunks may be made in any order, and a stage
        that draws more numbers disturbs no other.
        """
        seeds = np.random.SeedSequence(self.seed, spawn_key=(1, chunk))
        while True:
            yield np.random.default_rng(seeds.spawn(1)[0])

    def shop_stream(self) -> np.random.Generator:
        """The stream of what the whole shop shares: its catalogue."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(0,)))

    def params(self) -> dict:
        """Everything the truth was drawn from, ready for JSON."""
        given = dataclasses.asdict(self) | {"until": self.until.isoformat()}
        return {"plan": given, "behaviours": [dataclasses.asdict(each) for each in BEHAVIOURS]}

    @classmethod
    def of(cls, params: dict) -> "Plan":
        """The plan that `params` described."""
        given = params["plan"]
        return cls(**{**given, "until": datetime.fromisoformat(given["until"])})


def of_behaviours(field: str, behaviour: np.ndarray) -> np.ndarray:
    """One number a customer: what ``field`` is for the customer's behaviour."""
    return np.array([getattr(each, field) for each in BEHAVIOURS], dtype=float)[behaviour]


def external_ids(numbers: np.ndarray) -> list[str]:
    """The shop's own ids of customers, of one width, so that they sort as they were made."""
    return [f"C{number:08d}" for number in numbers.tolist()]
