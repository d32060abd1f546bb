"""Stopping rules against printed tables, other computations and simulated truth."""

import doctest
import importlib
import math

import numpy as np
import pytest
from scipy import integrate, stats

from campaigns.experiments import always_valid
from campaigns.experiments.sequential import SPENDING, boundaries, crossing_probability

RUNS = 20_000
LOOKS = 20
# Three standard errors of a share of 0.05 seen in so many runs.
TOLERANCE = 3 * (0.05 * 0.95 / RUNS) ** 0.5


def even(looks):
    return [(look + 1) / looks for look in range(looks)]


@pytest.mark.parametrize("module", ["sequential", "always_valid", "thompson"])
def test_the_examples_in_the_docstrings_hold(module):
    found = doctest.testmod(importlib.import_module(f"campaigns.experiments.{module}"))
    assert found.attempted and not found.failed


# Jennison & Turnbull (2000), tables 2.1 and 2.3, alpha = 0.05; Armitage, McPherson & Rowe (1969)
@pytest.mark.parametrize(
    ("looks", "pocock", "obrien_fleming", "naive"),
    [
        (2, 2.178, 1.977, 0.083),
        (3, 2.289, 2.004, 0.107),
        (4, 2.361, 2.024, 0.126),
        (5, 2.413, 2.040, 0.142),
        (10, 2.555, 2.087, 0.193),
        (20, 2.672, 2.126, 0.248),
    ],
)
def test_the_integration_gives_the_printed_constants(looks, pocock, obrien_fleming, naive):
    times = even(looks)

    # Half a unit of the constants' last figure moves the error by less than 0.0001.
    flat = crossing_probability(times, [pocock] * looks)
    steep = crossing_probability(times, [obrien_fleming * t**-0.5 for t in times])
    assert (flat, steep) == pytest.approx((0.05, 0.05), abs=1e-4)
    assert crossing_probability(times, [1.96] * looks) == pytest.approx(naive, abs=6e-4)


# DeMets & Lan (1994), five even looks, two-sided 0.05; so do ldbounds and gsDesign
@pytest.mark.parametrize(
    ("spending", "printed"),
    [
        ("obrien_fleming", [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]),
        ("pocock", [2.438, 2.427, 2.410, 2.397, 2.386]),
    ],
)
def test_spent_error_gives_the_printed_boundaries(spending, printed):
    spent = [SPENDING[spending](t, 0.05) for t in even(5)]

    assert boundaries(even(5), spent) == pytest.approx(printed, abs=6e-4)


def test_uneven_looks_keep_the_error_that_was_spent_and_early_boundaries_stand():
    times = [0.1, 0.13, 0.6, 0.95]
    spent = [SPENDING["pocock"](t, 0.05) for t in times]

    bounds = boundaries(times, spent)

    assert crossing_probability(times, bounds) == pytest.approx(spent[-1], abs=1e-6)
    assert boundaries(times[:2], spent[:2]) == pytest.approx(bounds[:2])
    with pytest.raises(ValueError, match="must increase"):
        boundaries([0.5, 0.5], [0.01, 0.02])
    with pytest.raises(ValueError, match="stays spent"):
        boundaries([0.5, 0.6], [0.02, 0.01])


def paths(seed=1):
    """Z at 20 looks of many experiments without any effect."""
    steps = np.random.default_rng(seed).normal(size=(RUNS, LOOKS))
    return steps.cumsum(axis=1) / np.sqrt(np.arange(1, LOOKS + 1))


def test_over_20_looks_the_rules_keep_their_error_and_naive_peeking_does_not():
    z, times = np.abs(paths()), even(LOOKS)
    rates = {
        name: np.mean((z >= boundaries(times, [spend(t, 0.05) for t in times])).any(axis=1))
        for name, spend in SPENDING.items()
    }
    mixture = np.mean((z >= [always_valid.bound(t) for t in times]).any(axis=1))
    naive = np.mean((z >= 1.96).any(axis=1))

    assert rates["obrien_fleming"] == pytest.approx(0.05, abs=TOLERANCE)
    assert rates["pocock"] == pytest.approx(0.05, abs=TOLERANCE)
    assert mixture < 0.05
    assert naive == pytest.approx(0.248, abs=0.01)


def test_people_whose_weeks_are_alike_make_the_rules_err_on_the_safe_side():
    rng, times = np.random.default_rng(3), even(LOOKS)
    taste = rng.normal(size=(RUNS, 1))  # what an arm's people have in common over time
    noise = rng.normal(size=(RUNS, LOOKS)).cumsum(axis=1) / np.sqrt(LOOKS)
    level = np.array(times)
    scores = noise + taste * level
    z = np.abs(scores / np.sqrt(level + level**2))
    information = (level + level**2).tolist()  # what an analyst sees: the variance so far

    for spend in SPENDING.values():
        shares = [one / information[-1] for one in information]
        bounds = boundaries(information, [spend(t, 0.05) for t in shares])
        assert np.mean((z >= bounds).any(axis=1)) < 0.05 + TOLERANCE
    assert np.mean((z >= [always_valid.bound(t) for t in information]).any(axis=1)) < 0.05


@pytest.mark.parametrize(("z", "share"), [(0.3, 0.2), (2.1, 0.5), (3.4, 1.0), (4.0, 2.5)])
def test_the_mixture_is_the_integral_that_it_closes(z, share):
    def ratio(effect):  # likelihood of z under a drift, against none; drift in units of sd
        drift = effect * math.sqrt(share)
        return math.exp(z * drift - drift**2 / 2) * stats.norm.pdf(
            effect, scale=math.sqrt(always_valid.MIXING)
        )

    integral, _error = integrate.quad(ratio, -40, 40, limit=200)

    assert always_valid.p_value(z, share) == pytest.approx(min(1, 1 / integral), rel=1e-6)


def test_without_information_nothing_can_be_concluded_at_any_time():
    assert always_valid.bound(0) == math.inf
    assert always_valid.p_value(99, 0) == 1
