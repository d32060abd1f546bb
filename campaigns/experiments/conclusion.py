"""Say in one or two sentences what a campaign has shown, and no more than that."""

import math
from dataclasses import dataclass

from campaigns.experiments import checks, power
from campaigns.experiments.analysis import Difference, Sample
from campaigns.experiments.checks import Arms

CUSTOMERS_NEEDED_MOST = 100_000_000  # beyond it the advice would be absurd


@dataclass(frozen=True)
class Conclusion:
    """What may be concluded: a word for programs and sentences for people."""

    verdict: str  # more | fewer | no_difference, or the key of the finding that withholds it
    sentence: str


def conclude(
    arms: Arms,
    *,
    orders: tuple[Sample, Sample],
    lift_orders: Difference | None,
    lift_revenue: Difference | None,
    currency: str,
) -> Conclusion:
    """Turn the comparison of two arms into what may be said of it.

    Orders per customer decide; revenue is told beside it.  One metric chosen beforehand keeps the
    chance of a false alarm at what the interval states; picking the better of two would not.

    Parameters
    ----------
    arms : Arms
        Sizes and buyers; the first check that finds fault decides alone.
    orders : (Sample, Sample)
        Orders of each customer, treated and holdout.
    lift_orders, lift_revenue : Difference or None
        Treated minus holdout, for each customer; None where an arm is too small for an interval.
    currency : str
        ISO 4217, of the revenue.

    Returns
    -------
    Conclusion
    """
    found = checks.findings(arms)
    if found:
        return Conclusion(found[0].key, found[0].sentence)
    if lift_orders is None or math.isnan(lift_orders.p_value):
        return Conclusion("no_difference", "Every customer ordered alike: there is no difference.")
    money = _revenue_sentence(lift_revenue, currency)
    if not lift_orders.excludes_zero:
        return Conclusion("no_difference", f"{_undecided_sentence(lift_orders, orders)}{money}")
    if lift_orders.difference > 0:
        return Conclusion(
            "more",
            f"Customers who were written to placed {_figure(lift_orders.difference)} more orders "
            f"each ({_interval(lift_orders)}): the campaign caused more orders.{money}",
        )
    return Conclusion(
        "fewer",
        f"Customers who were written to placed {_figure(-lift_orders.difference)} fewer orders "
        f"each ({_interval(lift_orders)}): the campaign cost orders.{money}",
    )


def _undecided_sentence(lift: Difference, orders: tuple[Sample, Sample]) -> str:
    word = "more" if lift.difference >= 0 else "fewer"
    sentence = (
        f"Customers who were written to placed {_figure(abs(lift.difference))} {word} orders each, "
        f"but the interval includes zero ({_interval(lift)}): this campaign shows no difference "
        f"yet. Arms like these usually show a difference of "
        f"{_figure(power.smallest_difference(*orders))} or more."
    )
    needed = power.customers_needed(lift.difference, *orders)
    more = (needed or 0) - orders[0].n - orders[1].n
    if needed and 0 < more <= CUSTOMERS_NEEDED_MOST:
        sentence += (
            f" Were the true difference the one seen, about {_rough(more)} more customers would be "
            "needed to show it."
        )
    return sentence


def _revenue_sentence(lift: Difference | None, currency: str) -> str:
    if lift is None or math.isnan(lift.p_value):
        return ""
    interval = f"95% interval {_signed(lift.low, 2)} to {_signed(lift.high, 2)}"
    if not lift.excludes_zero:
        return f" For revenue the interval includes zero ({interval} {currency} per customer)."
    word = "higher" if lift.difference > 0 else "lower"
    return f" Revenue was {abs(lift.difference):.2f} {currency} {word} per customer ({interval})."


def _interval(lift: Difference) -> str:
    decimals = _decimals(lift.difference)
    return f"95% interval {_signed(lift.low, decimals)} to {_signed(lift.high, decimals)}"


def _figure(value: float) -> str:
    return f"{value:.{_decimals(value)}f}"


def _decimals(value: float) -> int:
    """Three decimals, and more where the figure itself would vanish in them."""
    return 3 if value == 0 or abs(value) >= 0.01 else min(6, 1 - math.floor(math.log10(abs(value))))


def _signed(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.replace("-", "−") if float(text) else f"{0:.{decimals}f}"


def _rough(number: int) -> str:
    """Two leading digits: the figure carries no more."""
    unit = 10 ** max(0, len(str(number)) - 2)
    return f"{math.ceil(number / unit) * unit:,}"
