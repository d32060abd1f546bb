"""What a customer thinks of what was bought, as far as reviews say it in stars."""

import numpy as np

from customers.features.feature import Feature
from customers.features.seen import DAY, divide
from customers.features.watched import Watched

LOW_STARS = 2


def _total(watched: Watched) -> np.ndarray:
    return watched.per_customer(watched.reviews.customer)


def _mean(watched: Watched) -> np.ndarray:
    rated = watched.rated
    sums = watched.per_customer(rated.customer, rated.rating)
    return divide(sums, watched.per_customer(rated.customer).astype(float))


def _last(watched: Watched) -> np.ndarray:
    rated = watched.rated
    found = np.full(watched.everybody, np.nan)
    found[rated.customer] = rated.rating  # the last one stays
    return found[watched.here]


def _low_share(watched: Watched) -> np.ndarray:
    rated = watched.rated
    low = watched.per_customer(rated.customer, rated.rating <= LOW_STARS)
    return divide(low, watched.per_customer(rated.customer).astype(float))


def _days_since(watched: Watched) -> np.ndarray:
    reviews = watched.reviews
    found = np.full(watched.everybody, np.nan)
    found[reviews.customer] = (watched.as_of - reviews.placed) / DAY
    return found[watched.here]


FEATURES = (
    Feature("reviews_total", "count", "reviews", "Reviews written ever.", _total, dtype="int32",
            ground="reviews"),
    Feature("mean_rating", "stars", "1 to 5 stars",
            "Mean stars of the reviews; missing where none has stars.", _mean, ground="reviews"),
    Feature("last_rating", "stars", "1 to 5 stars",
            "Stars of the last review with stars; missing where none has any.", _last,
            ground="reviews"),
    Feature("low_rating_share", "share", "share of 1",
            f"Part of the reviews with at most {LOW_STARS} stars; missing where none has stars.",
            _low_share, ground="reviews"),
    Feature("days_since_last_review", "days", "days",
            "Days since the last review; missing where there is none.", _days_since,
            ground="reviews"),
)  # fmt: skip
