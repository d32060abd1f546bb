"""What the invented shop sells."""

from dataclasses import dataclass

import numpy as np

from customers.simulation.plan import BEHAVIOURS, GIFT, Plan

PRODUCTS = 300
UNAVAILABLE_SHARE = 0.04
FIRST_ID = 1001

# name: (median price, nouns, weight of each month from January, times as popular as presents)
CATEGORIES: dict[str, tuple[float, tuple[str, ...], tuple[float, ...], float]] = {
    "Kitchen": (
        24.0,
        ("Kettle", "Pan", "Mug", "Knife", "Bowl", "Grater", "Teapot", "Tray"),
        (1.0,) * 12,
        1.0,
    ),
    "Home": (
        32.0,
        ("Lamp", "Cushion", "Blanket", "Clock", "Basket", "Candle", "Mirror", "Rug"),
        (1.1, 1, 1, 0.9, 0.9, 0.8, 0.8, 0.9, 1.1, 1.2, 1.2, 1.1),
        1.0,
    ),
    "Garden": (
        28.0,
        ("Planter", "Trowel", "Hose", "Lantern", "Chair", "Seeds", "Gloves", "Bird House"),
        (0.3, 0.5, 1.3, 2.0, 2.2, 1.8, 1.4, 1.0, 0.7, 0.4, 0.2, 0.2),
        0.6,
    ),
    "Clothing": (
        39.0,
        ("Scarf", "Shirt", "Jumper", "Socks", "Cap", "Jacket", "Belt", "Dress"),
        (0.9, 0.9, 1.1, 1.1, 1, 1, 0.9, 0.9, 1.2, 1.1, 1, 1),
        1.0,
    ),
    "Beauty": (
        18.0,
        ("Soap", "Balm", "Oil", "Scrub", "Cream", "Brush", "Mask", "Perfume"),
        (1.0,) * 12,
        1.6,
    ),
    "Toys": (
        22.0,
        ("Puzzle", "Blocks", "Kite", "Train", "Bear", "Paint Box", "Game", "Doll"),
        (0.7, 0.7, 0.8, 0.9, 1, 1, 0.9, 0.8, 0.9, 1, 1.6, 1.9),
        3.5,
    ),
    "Stationery": (
        9.0,
        ("Notebook", "Pen", "Calendar", "Cards", "Pencil Case", "Stamp", "Folder", "Diary"),
        (1.3, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8, 1.4, 1.3, 0.9, 1, 1.1),
        2.0,
    ),
    "Outdoor": (
        58.0,
        ("Backpack", "Tent", "Flask", "Torch", "Sleeping Bag", "Stove", "Hammock", "Poles"),
        (0.6, 0.7, 0.9, 1.1, 1.4, 1.6, 1.6, 1.3, 0.9, 0.7, 0.6, 0.8),
        0.7,
    ),
}
BRANDS = (
    *("Alder & Finch", "Bramblewick", "Cobalt Row", "Dunmere", "Elverstone", "Fernhollow"),
    *("Greyloft", "Hazelmoor", "Ivorytide", "Juniper Lane", "Kestrelby", "Lindenfold"),
)
ADJECTIVES = (
    *("Amber", "Birch", "Coral", "Dusk", "Ember", "Frost", "Golden", "Harbour", "Indigo"),
    *("Juniper", "Linen", "Maple", "Northern", "Olive", "Pearl", "Quiet", "River", "Slate"),
    *("Tidal", "Umber", "Velvet", "Willow", "Cedar", "Saffron"),
)


@dataclass(frozen=True)
class Catalogue:
    """The products, in rows of equal length; goods first, sorted by category; then the services.

    ``price`` is in the smallest coin. ``quality`` is the truth behind the reviews: how many stars
    better than the mean the product is. ``goods`` counts the products that baskets choose from,
    ``gift_wrap`` is the row of the wrapping.
    """

    external_id: list[str]
    name: list[str]
    kind: list[str]
    category: np.ndarray  # index into CATEGORIES; -1 for a service
    brand: list[str]
    price: np.ndarray
    is_available: np.ndarray
    quality: np.ndarray
    goods: int
    gift_wrap: int
    category_first: np.ndarray  # first row of each category, and one past the last
    cumulative: np.ndarray  # (behaviour, month, product): how likely up to and with this product

    def choose(
        self,
        rng: np.random.Generator,
        *,
        behaviour: np.ndarray,
        month: np.ndarray,
        category: np.ndarray,
    ) -> np.ndarray:
        """Draw one row a line; ``category`` -1 means any."""
        row = behaviour.astype(np.int64) * 12 + month
        flat = self.cumulative.reshape(len(BEHAVIOURS) * 12, -1)
        before = np.concatenate((np.zeros((flat.shape[0], 1)), flat), axis=1)
        anything = category < 0
        low = np.where(anything, 0.0, before[row, self.category_first[category]])
        high = np.where(anything, 1.0, before[row, self.category_first[category + 1]])
        # One search for all rows: row r occupies (r, r + 1] of one rising array.
        rising = (flat + np.arange(flat.shape[0])[:, None]).ravel()
        drawn = row + low + rng.random(row.size) * (high - low)
        found = np.searchsorted(rising, drawn, side="right") - row * self.goods
        first = np.where(anything, 0, self.category_first[category])
        last = np.where(anything, self.goods, self.category_first[category + 1]) - 1
        return np.clip(found, first, last)


def catalogue(plan: Plan) -> Catalogue:
    """Draw the catalogue of ``plan``: the same for every chunk."""
    rng = plan.shop_stream()
    category = np.sort(rng.integers(0, len(CATEGORIES), PRODUCTS))
    brand = rng.integers(0, len(BRANDS), PRODUCTS)
    tier = rng.lognormal(0, 0.25, len(BRANDS))[brand]
    median = np.array([each[0] for each in CATEGORIES.values()])[category]
    price = _shelf_price(median * tier * rng.lognormal(0, 0.45, PRODUCTS))
    popularity = 1.0 / rng.permuted(np.arange(1, PRODUCTS + 1)) ** 0.7
    quality = rng.normal(0, 0.5, PRODUCTS)
    available = rng.random(PRODUCTS) >= UNAVAILABLE_SHARE
    first = np.searchsorted(category, np.arange(len(CATEGORIES) + 1))
    return Catalogue(
        external_id=[f"P{FIRST_ID + row}" for row in range(PRODUCTS)] + ["S1", "S2"],
        name=[*_names(rng, category), "Gift wrapping", "Express delivery"],
        kind=["goods"] * PRODUCTS + ["service"] * 2,
        category=np.append(category, [-1, -1]),
        brand=[*(BRANDS[each] for each in brand), "", ""],
        price=np.append(price, [395, 790]),
        is_available=np.append(available, [True, True]),
        quality=np.append(quality, [0.0, 0.0]),
        goods=PRODUCTS,
        gift_wrap=PRODUCTS,
        category_first=first,
        cumulative=_cumulative(category, price, popularity),
    )


def _shelf_price(price: np.ndarray) -> np.ndarray:
    """Prices as shops write them: 24.95, never 24.13."""
    halves = np.maximum(np.round(price * 2), 3)
    return (halves * 50 - 5).astype(np.int64)


def _names(rng: np.random.Generator, category: np.ndarray) -> list[str]:
    """A name a product, each once."""
    names: list[str] = []
    for index, (_, nouns, _, _) in enumerate(CATEGORIES.values()):
        pairs = [f"{adjective} {noun}" for adjective in ADJECTIVES for noun in nouns]
        count = int((category == index).sum())
        names += [pairs[each] for each in rng.permutation(len(pairs))[:count]]
    return names


def _cumulative(category: np.ndarray, price: np.ndarray, popularity: np.ndarray) -> np.ndarray:
    by_month = np.array([each[2] for each in CATEGORIES.values()])[category].T
    as_present = np.array([each[3] for each in CATEGORIES.values()])[category]
    weights = np.empty((len(BEHAVIOURS), 12, category.size))
    for index, behaviour in enumerate(BEHAVIOURS):
        likes = popularity * (price / price.mean()) ** behaviour.price_taste
        weights[index] = by_month * likes * (as_present if index == GIFT else 1.0)
    cumulative = weights.cumsum(axis=2)
    return cumulative / cumulative[:, :, -1:]
