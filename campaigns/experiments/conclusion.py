"""Say in one or two sentences what a campaign has shown, and no more than that."""

import math
from dataclasses import dataclass

from campaigns.experiments import checks, power
from campaigns.experiments.analysis import Difference, Sample
from campaigns.experiments.checks import Arms
from campaigns.experiments.stopping import Standing, Taken

CUSTOMERS_NEEDED_MOST = 100_000_000  # beyond it the advice would be absurd
MONEY = ("revenue", "margin")


@dataclass(frozen=True)
class Conclusion:
    """What may be concluded: a word for programs and sentences for people."""

    # more | fewer | no_difference | looks_left, or the key of the finding that withholds it
    verdict: str
    sentence: str


def conclude(
    arms: Arms,
    *,
    samples: tuple[Sample, Sample],
    lift: Difference | None,
    lift_revenue: Difference | None,
    currency: str,
    metric: str = "orders",
    standing: Standing | None = None,
) -> Conclusion:
    """Turn the comparison of two arms into what may be said of it.

    One metric decides, the one chosen beforehand; revenue is told beside orders.  That keeps the
    chance of a false alarm at what the interval states; picking the better of two would not.

    Parameters
    ----------
    arms : Arms
        Sizes and buyers; the first check that finds fault decides alone.
    samples : (Sample, Sample)
        The deciding metric of each customer, treated and holdout.
    lift, lift_revenue : Difference or None
        Treated minus holdout, for each customer; None where an arm is too small for an interval.
    currency : str
        ISO 4217, of money.
    metric : str, default="orders"
        conversion, orders, revenue or margin: what ``samples`` and ``lift`` are of.
    standing : Standing, optional
        Under a rule of several looks; without it, this is the one look.

    Returns
    -------
    Conclusion
    """
    found = checks.findings(arms)
    if found:
        return Conclusion(found[0].key, found[0].sentence)
    if lift is None or math.isnan(lift.p_value):
        same = "Every customer ordered alike" if metric in ("orders", "conversion") else "All alike"
        return Conclusion("no_difference", f"{same}: there is no difference.")
    money = "" if metric in MONEY else _revenue_sentence(lift_revenue, currency)
    words = _Words(metric, currency)
    if standing is not None:
        return _under_rule(standing, words, lift=lift, samples=samples)
    if not lift.excludes_zero:
        return Conclusion("no_difference", f"{_undecided_sentence(words, lift, samples)}{money}")
    return _decided(words, lift.difference, lift.low, lift.high, more=money)


def _under_rule(
    standing: Standing, words: "_Words", *, lift: Difference, samples: tuple[Sample, Sample]
) -> Conclusion:
    of = f" of {standing.looks_planned}" if standing.looks_planned else ""
    if standing.crossed:
        look = standing.crossed
        said = f" So it was concluded at look {look.number}{of}; its interval allows for all looks."
        return _decided(words, look.difference, *_reach(look), more=said)
    if standing.is_over:
        last = standing.last
        if last is None:
            return Conclusion("no_difference", "No look was taken while there was time for one.")
        low, high = _reach(last)
        return Conclusion(
            "no_difference",
            f"None of the looks met its boundary ({words.interval(low, high, last.difference)} at "
            "the last one): this campaign shows no difference.",
        )
    taken = standing.looks_taken
    if standing.rule == "sequential":
        many = "look was" if taken == 1 else "looks were"
        return Conclusion(
            "looks_left",
            f"{taken}{of} planned {many} taken and no boundary was met. It goes on, and nothing is "
            "concluded in between; the page may be read at any time.",
        )
    last_said = ""
    if standing.last:
        low, high = _reach(standing.last)
        last_said = f" ({words.interval(low, high, standing.last.difference)}, valid at any time)"
    return Conclusion(
        "looks_left", f"So far the interval includes zero{last_said}: nothing is concluded yet."
    )


def _reach(look: Taken) -> tuple[float, float]:
    return (
        look.difference - look.boundary * look.error,
        look.difference + look.boundary * look.error,
    )


def _decided(
    words: "_Words", difference: float, low: float, high: float, *, more: str = ""
) -> Conclusion:
    up = difference > 0
    return Conclusion(
        "more" if up else "fewer",
        f"{words.found(difference)} ({words.interval(low, high, difference)}): the campaign "
        f"{words.caused(up)}.{more}",
    )


def _undecided_sentence(words: "_Words", lift: Difference, samples: tuple[Sample, Sample]) -> str:
    smallest = power.smallest_difference(*samples)
    sentence = (
        f"{words.found(lift.difference)}, but the interval includes zero "
        f"({words.interval(lift.low, lift.high, lift.difference)}): this campaign shows no "
        f"difference yet. Arms like these usually show a difference of "
        f"{words.size(smallest)} or more."
    )
    needed = power.customers_needed(lift.difference, *samples)
    more = (needed or 0) - samples[0].n - samples[1].n
    if needed and 0 < more <= CUSTOMERS_NEEDED_MOST:
        sentence += (
            f" Were the true difference the one seen, about {_rough(more)} more customers would be "
            "needed to show it."
        )
    return sentence


class _Words:
    """How one metric is spoken of."""

    def __init__(self, metric: str, currency: str) -> None:
        self.metric, self.currency = metric, currency
        self.scale = 100 if metric == "conversion" else 1

    def found(self, value: float) -> str:
        word = "more" if value >= 0 else "fewer" if self.metric not in MONEY else "less"
        size = self.size(abs(value))
        return {
            "orders": f"Customers who were written to placed {size} {word} orders each",
            "conversion": f"Of 100 customers who were written to, {size} {word} ordered",
            "revenue": f"Customers who were written to brought {size} {word} revenue each",
            "margin": f"Customers who were written to brought {size} {word} margin each",
        }[self.metric]

    def caused(self, is_more: bool) -> str:
        more, fewer = {
            "orders": ("caused more orders", "cost orders"),
            "conversion": ("caused more customers to order", "kept customers from ordering"),
            "revenue": ("caused more revenue", "cost revenue"),
            "margin": ("caused more margin", "cost margin"),
        }[self.metric]
        return more if is_more else fewer

    def size(self, value: float) -> str:
        if self.metric in MONEY:
            return f"{value:.2f} {self.currency}"
        return f"{value * self.scale:.{self.decimals(value)}f}"

    def interval(self, low: float, high: float, of: float) -> str:
        decimals = self.decimals(of)
        return (
            f"95% interval {_signed(low * self.scale, decimals)} to "
            f"{_signed(high * self.scale, decimals)}"
        )

    def decimals(self, value: float) -> int:
        """Three decimals, and more where the figure itself would vanish in them."""
        if self.metric in MONEY:
            return 2
        usual, scaled = (1, value * 100) if self.metric == "conversion" else (3, value)
        if scaled == 0 or abs(scaled) >= 10 ** (1 - usual):
            return usual
        return min(6, 1 - math.floor(math.log10(abs(scaled))))


def _revenue_sentence(lift: Difference | None, currency: str) -> str:
    if lift is None or math.isnan(lift.p_value):
        return ""
    interval = f"95% interval {_signed(lift.low, 2)} to {_signed(lift.high, 2)}"
    if not lift.excludes_zero:
        return f" For revenue the interval includes zero ({interval} {currency} per customer)."
    word = "higher" if lift.difference > 0 else "lower"
    return f" Revenue was {abs(lift.difference):.2f} {currency} {word} per customer ({interval})."


def _signed(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.replace("-", "−") if float(text) else f"{0:.{decimals}f}"


def _rough(number: int) -> str:
    """Two leading digits: the figure carries no more."""
    unit = 10 ** max(0, len(str(number)) - 2)
    return f"{math.ceil(number / unit) * unit:,}"
