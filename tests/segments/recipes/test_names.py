"""Clusters are named by what sets them apart, and no two alike."""

import numpy as np
import pandas as pd

from segments.recipes import names


def profile(**z: float) -> names.Profile:
    return {feature: {"mean": 5.0, "base_mean": 5.0, "z": value} for feature, value in z.items()}


def test_the_clearest_traits_come_first_one_a_subject():
    found = names.names(
        {
            0: profile(
                orders_total=1.4, mean_gap_days=-1.3, mean_order_value=-0.6, revenue_total=0.5,
                discount_share=0.9,
            )
        }
    )  # fmt: skip

    assert found == {0: "Buys often, mostly on sale, small baskets"}


def test_who_buys_at_reduced_prices_alone_is_said_to():
    mostly = profile(orders_total=1.0, mean_order_value=-0.7, discounted_orders_share=1.6)
    only = {**mostly, "discounted_orders_share": {"mean": 0.93, "base_mean": 0.3, "z": 1.6}}
    mostly["discounted_orders_share"] = {"mean": 0.6, "base_mean": 0.3, "z": 1.6}

    assert names.names({0: only, 1: mostly}) == {
        0: "Only on sale, buys often, small baskets",
        1: "Mostly on sale, buys often, small baskets",
    }


def test_nothing_clear_is_average_and_one_purchase_is_said_so():
    once = profile(orders_total=-0.9)
    once["orders_total"]["mean"] = 1.02

    assert names.names({0: profile(orders_total=0.1), 1: once}) == {
        0: "Average in everything",
        1: "Bought once",
    }


def test_names_that_would_be_alike_say_more():
    alike = {"orders_total": 1.2, "discount_share": 0.9, "mean_order_value": -0.6}
    found = names.names(
        {2: profile(**alike, tenure_days=0.5), 7: profile(**alike, distinct_products=0.5)}
    )

    assert found == {
        2: "Buys often, mostly on sale, small baskets, with us for long",
        7: "Buys often, mostly on sale, small baskets, varied choice",
    }


def test_the_same_words_in_another_order_are_alike():
    found = names.names(
        {
            0: profile(orders_total=1.2, discount_share=0.9),
            1: profile(orders_total=0.9, discount_share=1.2),
        }
    )

    assert found == {0: "Buys often, mostly on sale", 1: "Mostly on sale, buys often (2)"}


def test_profiles_compare_a_cluster_with_all():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: rng.lognormal(1, 1, 400) for name in names.PROFILE})
    table.loc[:99, "orders_total"] *= 50
    labels = pd.Series(np.repeat([3, 8], [100, 300]))
    table.loc[labels == 8, "mean_gap_days"] = np.nan
    found = names.profiles(table, labels)

    assert set(found) == {3, 8}
    cell = found[3]["orders_total"]
    assert cell["mean"] > 5 * cell["base_mean"] / 2 and cell["z"] > 1
    assert cell["base_mean"] == found[8]["orders_total"]["base_mean"]
    assert found[8]["mean_gap_days"]["mean"] is None
    assert abs(0.25 * cell["z"] + 0.75 * found[8]["orders_total"]["z"]) < 0.001
