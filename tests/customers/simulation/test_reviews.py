"""Stars and words agree, and stars follow quality and the mood of those who leave."""

import numpy as np

from customers.simulation.reviews import (
    BLAME,
    CLOSINGS,
    OPENINGS,
    PRAISE,
    RATING_SD,
    TITLES,
)
from tests.customers.simulation.conftest import Z_LIMIT


def test_words_never_contradict_the_stars(chunk):
    for rating, title, text in zip(
        chunk.written.rating.tolist(), chunk.written.title, chunk.written.text, strict=True
    ):
        praised = sum(sentence in text for sentence in PRAISE)
        blamed = sum(sentence in text for sentence in BLAME)
        assert title in TITLES[rating]
        assert (praised, blamed) == {1: (0, 2), 2: (0, 2), 3: (1, 1), 4: (2, 0), 5: (2, 0)}[rating]


def test_each_sentence_belongs_to_one_number_of_stars():
    for table in (TITLES, OPENINGS, CLOSINGS):
        sentences = [each for group in table.values() for each in group if each]
        assert len(set(sentences)) == len(sentences)


def test_nothing_is_praised_and_blamed_at_once(chunk):
    for text in chunk.written.text:
        aspects = [PRAISE[i] in text and BLAME[i] in text for i in range(len(PRAISE))]
        assert not any(aspects)


def test_recommending_follows_the_stars(chunk):
    rating, recommends = chunk.written.rating, chunk.written.is_recommended

    assert recommends[rating == 5].all()
    assert not recommends[rating == 1].any()
    assert 0.7 < recommends.mean() < 0.95


def test_better_products_get_more_stars(chunk, shop):
    quality = shop.goods.quality[chunk.written.product]

    slope = np.polyfit(quality, chunk.written.rating, 1)[0]

    # Less than one star a star of quality, for no rating is above 5.
    assert 0.5 < slope < 1.0


def test_who_leaves_was_less_content(chunk):
    order = chunk.written.order
    left = chunk.past.left[chunk.bought.customer[order]] == chunk.bought.moment[order]
    one, other = chunk.written.rating[left], chunk.written.rating[~left]
    error = (RATING_SD + 0.5) * np.sqrt(1 / one.size + 1 / other.size)

    assert other.mean() - one.mean() > 0.5 + Z_LIMIT * error


def test_reviews_come_after_the_order_and_from_known_customers(chunk, shop):
    order = chunk.written.order

    assert (chunk.written.moment > chunk.bought.moment[order]).all()
    assert (chunk.written.moment < shop.plan.end_second).all()
    assert (chunk.bought.customer[order] >= 0).all()
