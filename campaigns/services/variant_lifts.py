"""Compare the variants of each step of a campaign with the first of it.  Writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from campaigns import comparisons
from campaigns.experiments import checks, guards, several, thompson
from campaigns.experiments.analysis import LEVEL, Difference
from campaigns.experiments.stopping import Standing
from campaigns.models import Campaign, Variant
from campaigns.services import arms, compared
from campaigns.services.arms import Arm
from campaigns.services.compared import TREATED, Compared
from campaigns.services.figures import Step, VariantFigures

UNSUBSCRIBE_MARGIN = 0.002  # so much more than the first variant would be harm
BEST_LIKELY = 0.95  # chance to be the best from which Thompson sampling names one


@dataclass(frozen=True)
class StepArms:
    """The variants of one step and who got them."""

    step: int
    variants: tuple[Variant, ...]
    arms: tuple[Arm, ...]  # of those drawn, in the order of the variants

    @property
    def first(self) -> Arm | None:
        return self.arm(self.variants[0].pk)

    def arm(self, variant_id: int) -> Arm | None:
        return next((one for one in self.arms if one.variant_id == variant_id), None)


def arms_of(campaign: Campaign, seen: Compared) -> list[StepArms]:
    """The steps that have several variants, with the sums of each; one statement at most."""
    by_step: dict[int, list[Variant]] = {}
    for variant in campaign.variants.order_by("step", "id"):
        by_step.setdefault(variant.step, []).append(variant)
    tested = {step: found for step, found in by_step.items() if len(found) > 1}
    if not tested:
        return []
    if campaign.kind == Campaign.Kind.BROADCAST:
        rows = [one for one in seen.found if one.arm == TREATED]
    else:
        people = comparisons.reached(campaign.pk, until=seen.timing.until)
        # Steps are reached long after the draw.
        last = max(seen.timing.period.last, seen.timing.until)
        rows = arms.read(people, replace(seen.timing.period, last=last))
    return [_step(step, found, rows) for step, found in tested.items()]


def _step(step: int, variants: list[Variant], rows: Sequence[Arm]) -> StepArms:
    here = {one.variant_id: one for one in rows if one.part == step}
    return StepArms(
        step, tuple(variants), tuple(here[one.pk] for one in variants if one.pk in here)
    )


def lift(
    arm: Arm, first: Arm, metric: str, is_adjusted: bool, *, level: float = LEVEL
) -> Difference | None:
    """One variant minus the first, in the way that was said to decide."""
    found = arms.lift(arm, first, metric, level=level)
    return found.adjusted if is_adjusted else found.plain


def is_readable(arm: Arm, first: Arm) -> bool:
    """Whether the two are large enough and bought from often enough for an interval."""
    n = max(1, arm.n + first.n)
    expected = min(arm.n, first.n) * (arm.buyers + first.buyers) / n
    return (
        min(arm.n, first.n) >= checks.CUSTOMERS_LEAST and expected >= checks.BUYERS_EXPECTED_LEAST
    )


def steps(
    campaign: Campaign, seen: Compared, left: dict[int | None, tuple[int, int]]
) -> tuple[Step, ...]:
    """What the variants of each step have shown.

    ``left`` has, by variant, messages that left and how many of their readers unsubscribed.
    """
    return tuple(_compare(campaign, seen, step, left) for step in arms_of(campaign, seen))


def _compare(
    campaign: Campaign, seen: Compared, step: StepArms, left: dict[int | None, tuple[int, int]]
) -> Step:
    is_thompson = campaign.stopping == Campaign.Stopping.THOMPSON
    fault = None if is_thompson or step.step else _sizes(step)
    chances = chances_of(campaign, step) if is_thompson else None
    others = [one for one in step.variants[1:] if step.arm(one.pk)]
    lifts: dict[int, Difference] = {}
    crossed: dict[int, Standing] = {}
    if not is_thompson and fault is None and step.first:
        lifts, crossed = _lifts(campaign, seen, step, others)
    plain = [found.p_value for found in lifts.values()]
    p_values = dict(zip(lifts, several.holm(plain), strict=True))
    is_open = not is_thompson and (
        not seen.timing.is_closed and campaign.stopping not in compared.LOOKED_AT
    )
    weights = sum(one.weight for one in step.variants) or 1.0
    found = []
    for place, variant in enumerate(step.variants):
        arm = step.arm(variant.pk) or Arm(step.step, TREATED, variant.pk)
        difference = lifts.get(variant.pk)
        p_value = None if crossed else p_values.get(variant.pk)
        if is_thompson:
            verdict = "best" if chances and chances[place] >= BEST_LIKELY else "open"
        elif place == 0:
            verdict = "first"
        else:
            verdict = _verdict(difference, p_value, crossed.get(variant.pk), is_open)
        found.append(
            VariantFigures(
                variant_id=variant.pk,
                step=step.step,
                name=variant.name,
                weight_share=variant.weight / weights,
                n=arm.n,
                buyers=arm.buyers,
                per_customer=arm.sample(campaign.metric).mean
                if arm.n >= checks.CUSTOMERS_LEAST
                else None,
                lift=difference,
                p_value=p_value,
                verdict=verdict,
                best_chance=chances[place] if chances else None,
                unsubscribes=_unsubscribes(left, variant.pk, step.variants[0].pk),
            )
        )
    sentence = fault.sentence if fault else _sentence(found, is_open, is_thompson)
    return Step(step.step, tuple(found), sentence)


def _sizes(step: StepArms) -> checks.Finding | None:
    found = [arm.n if (arm := step.arm(one.pk)) else 0 for one in step.variants]
    names = [one.name for one in step.variants]
    return checks.sizes(found, [one.weight for one in step.variants], names=names)


def _lifts(
    campaign: Campaign, seen: Compared, step: StepArms, others: Sequence[Variant]
) -> tuple[dict[int, Difference], dict[int, Standing]]:
    """Intervals at a level that keeps all of them together at 95 %, or those of the looks."""
    lifts, standings = {}, {}
    level = 1 - (1 - LEVEL) / max(1, len(others))
    for variant in others:
        arm, first = step.arm(variant.pk), step.first
        if arm is None or first is None or not is_readable(arm, first):
            continue
        found = lift(arm, first, campaign.metric, seen.measuring.is_adjusted, level=level)
        if found is None:
            continue
        if campaign.stopping in compared.LOOKED_AT:
            looks = compared.taken(campaign, variant_id=variant.pk)
            standings[variant.pk] = compared.standing_of(campaign, seen, looks)
            found = compared.widen(found, standings[variant.pk])
        lifts[variant.pk] = found
    return lifts, standings


def _verdict(
    found: Difference | None, p_value: float | None, standing: Standing | None, is_open: bool
) -> str:
    if standing is not None:
        look = standing.crossed
        return "open" if look is None else "better" if look.difference > 0 else "worse"
    if found is None or p_value is None or is_open or p_value >= 1 - LEVEL:
        return "open"
    return "better" if found.difference > 0 else "worse"


def chances_of(campaign: Campaign, step: StepArms) -> list[float]:
    """The chance of each variant to be the best, in the order of the variants."""
    found = [step.arm(one.pk) or Arm(step.step, TREATED, one.pk) for one in step.variants]
    if campaign.metric == Campaign.Metric.CONVERSION:
        return thompson.of_conversion([(one.n, one.buyers) for one in found])
    return thompson.of_mean([one.sample(campaign.metric) for one in found])


def _unsubscribes(left: dict[int | None, tuple[int, int]], variant_id: int, first_id: int) -> str:
    if variant_id == first_id:
        return ""
    n, events = left.get(variant_id, (0, 0))
    n_beside, events_beside = left.get(first_id, (0, 0))
    return guards.not_worse(events, n, events_beside, n_beside, margin=UNSUBSCRIBE_MARGIN)


def _sentence(found: Sequence[VariantFigures], is_open: bool, is_thompson: bool) -> str:
    first = found[0]
    if is_thompson:
        best = max(found, key=lambda one: one.best_chance or 0)
        return (
            f"{best.name} is the best with a chance of {best.best_chance or 0:.0%}; shares follow "
            "what works, so no test and no interval is given."
        )
    if is_open:
        return "The window is open: which variant does better is said when it closes."
    better = [one for one in found if one.verdict == "better"]
    worse = [one.name for one in found if one.verdict == "worse"]
    if better:
        best = max(better, key=lambda one: one.lift.difference if one.lift else 0)
        beside = "" if len(found) == 2 else f", by Holm's rule over {len(found) - 1} comparisons"
        return f"{best.name} does better than {first.name}{beside}."
    if worse:
        return f"{' and '.join(worse)} did worse than {first.name}."
    return f"No variant is shown to do better or worse than {first.name}."
