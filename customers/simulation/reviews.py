"""What customers write about products: stars and words that agree."""

from dataclasses import dataclass

import numpy as np

from customers.simulation.baskets import GUEST, Orders
from customers.simulation.buying import Histories
from customers.simulation.catalogue import Catalogue
from customers.simulation.people import People
from customers.simulation.plan import Plan, of_behaviours
from customers.simulation.seasons import DAY_SECONDS

MEAN_RATING = 4.15
RATING_SD = 0.9
LEAVING_STARS = 1.2  # how many stars fewer after the purchase that made a customer leave
ANSWER_DAYS = 8.0  # mean time from order to review
RECOMMENDED_SHARE = {1: 0.0, 2: 0.05, 3: 0.4, 4: 0.95, 5: 1.0}

TITLES: dict[int, tuple[str, ...]] = {
    1: ("Very disappointed", "Do not buy", "Broken on arrival", "A waste of money"),
    2: ("Not what I expected", "Below par", "Rather poor", "Sadly not good"),
    3: ("It is all right", "Average", "Mixed feelings", "Does the job"),
    4: ("Very nice", "Good value", "Happy with it", "Well made"),
    5: ("Love it", "Excellent", "Perfect present", "Could not be better"),
}
OPENINGS: dict[int, tuple[str, ...]] = {
    1: ("I am very unhappy with this {noun}.", "The {noun} was terrible.", "This {noun} failed."),
    2: ("The {noun} let me down.", "I expected a better {noun}.", "This {noun} is poor."),
    3: ("The {noun} is okay.", "An ordinary {noun}.", "This {noun} is neither good nor bad."),
    4: ("A good {noun}.", "I like this {noun}.", "The {noun} is pleasing."),
    5: ("I love this {noun}!", "What a wonderful {noun}!", "The best {noun} I ever had!"),
}
# What is praised or blamed: quality, delivery, price, look, service.
PRAISE = (
    "The quality is excellent.",
    "Delivery was fast and the box was intact.",
    "Great value for the price.",
    "It looks even better than in the pictures.",
    "The shop answered my question kindly and quickly.",
)
BLAME = (
    "The quality is poor and it broke after a week.",
    "Delivery was late and the box was damaged.",
    "Far too expensive for what it is.",
    "The colour is nothing like the pictures.",
    "Nobody answered when I complained.",
)
CLOSINGS: dict[int, tuple[str, ...]] = {
    1: ("I want my money back.", "Never again.", "I have sent it back."),
    2: ("I would not buy it again.", "I may send it back.", ""),
    3: ("It will do.", "Maybe next time another one.", ""),
    4: ("I would buy it again.", "Recommended.", ""),
    5: ("Highly recommended!", "I have already ordered another one!", "Thank you!"),
}
BLAMED_OF_TWO = {1: 2, 2: 2, 3: 1, 4: 0, 5: 0}  # how many of the two aspects are blamed


@dataclass(frozen=True)
class Reviews:
    """Reviews of one chunk; one entry a review."""

    order: np.ndarray  # index into Orders
    product: np.ndarray
    rating: np.ndarray  # 1 to 5
    is_recommended: np.ndarray
    moment: np.ndarray
    title: list[str]
    text: list[str]


def reviews(
    plan: Plan,
    goods: Catalogue,
    crowd: People,
    past: Histories,
    bought: Orders,
    rng: np.random.Generator,
) -> Reviews:
    """Draw the reviews of a chunk: of the first product of some orders."""
    order, moment = _reviewed(plan, crowd, bought, rng)
    product = bought.product[np.searchsorted(bought.order, order)]
    leaves = past.left[bought.customer[order]] == bought.moment[order]
    stars = MEAN_RATING + goods.quality[product] - LEAVING_STARS * leaves
    stars += rng.normal(0, RATING_SD, order.size)
    rating = np.clip(np.round(stars), 1, 5).astype(np.int64)
    recommended = rng.random(order.size) < np.array([0.0, *RECOMMENDED_SHARE.values()])[rating]
    title, text = _words(goods, product, rating, rng)
    return Reviews(
        order=order,
        product=product,
        rating=rating,
        is_recommended=recommended,
        moment=moment,
        title=title,
        text=text,
    )


def _reviewed(
    plan: Plan, crowd: People, bought: Orders, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    known = bought.customer != GUEST
    share = of_behaviours("review_share", crowd.behaviour[np.where(known, bought.customer, 0)])
    wait = 2 * DAY_SECONDS + rng.exponential(ANSWER_DAYS, bought.size) * DAY_SECONDS
    moment = bought.moment + wait.astype(np.int64)
    written = known & (rng.random(bought.size) < share) & (moment < plan.end_second)
    order = np.flatnonzero(written)
    return order, moment[order]


def _words(
    goods: Catalogue, product: np.ndarray, rating: np.ndarray, rng: np.random.Generator
) -> tuple[list[str], list[str]]:
    """Title and text a review, from sentences that fit its stars."""
    picks = rng.integers(0, 1 << 16, (rating.size, 4)).tolist()
    titles: list[str] = []
    texts: list[str] = []
    for row, stars, (a, b, c, d) in zip(product.tolist(), rating.tolist(), picks, strict=True):
        noun = goods.name[row].lower()
        titles.append(TITLES[stars][a % len(TITLES[stars])])
        opening = OPENINGS[stars][b % len(OPENINGS[stars])].format(noun=noun)
        blamed = BLAMED_OF_TWO[stars]
        one = (BLAME if blamed == 2 else PRAISE)[c % len(PRAISE)]
        # Another aspect than the first, so that nothing is praised and blamed in one breath.
        two = (BLAME if blamed else PRAISE)[(c + 1 + d % (len(PRAISE) - 1)) % len(PRAISE)]
        closing = CLOSINGS[stars][d % len(CLOSINGS[stars])]
        texts.append(" ".join(part for part in (opening, one, two, closing) if part))
    return titles, texts
