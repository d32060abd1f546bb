"""Whether the ways between the steps of a flow are sound."""

from collections.abc import Iterator, Mapping

from campaigns.flows.steps import Send, Step, Wait, WaitUntil


def faults(steps: Mapping[int, Step], places: Mapping[int, int], first: int) -> Iterator[str]:
    """What is wrong, each as ``path: reason``.

    Parameters
    ----------
    steps : mapping of int to Step
        By number.
    places : mapping of int to int
        At which place of the list each number stands, for the paths.
    first : int
        The number of the first step.

    Notes
    -----
    A circle needs a wait, or a journey would go round for ever at once.  A send inside a circle
    would go once only, for the ledger has one message a step and journey: that is said instead of
    being a surprise.
    """
    if first not in steps:
        yield f"first: there is no step {first}"
    for number, step in steps.items():
        for way in step.ways:
            if way is not None and way not in steps:
                yield f"steps[{places[number]}]: leads to step {way}, which there is not"
    reached = reachable(steps, first)
    for number in steps:
        if first in steps and number not in reached:
            yield f"steps[{places[number]}]: no way leads to step {number}"
    for number, step in steps.items():
        if isinstance(step, Send) and _leads_back(steps, number, stops=False):
            yield (
                f"steps[{places[number]}]: the send {number} stands in a circle, where it would go "
                "once only; put as many sends as there should be messages"
            )
        elif _leads_back(steps, number, stops=True):
            yield (
                f"steps[{places[number]}]: step {number} leads back to itself without a wait or a "
                "wait for an event between"
            )


def reachable(steps: Mapping[int, Step], first: int | None) -> set[int]:
    """The numbers of the steps that can be met from ``first`` on, itself among them."""
    found: set[int] = set()
    todo = [first]
    while todo:
        number = todo.pop()
        if number is not None and number in steps and number not in found:
            found.add(number)
            todo += steps[number].ways
    return found


def is_pause(step: Step) -> bool:
    """Whether time certainly passes at this step."""
    return isinstance(step, Wait) or (isinstance(step, WaitUntil) and step.hears)


def _leads_back(steps: Mapping[int, Step], number: int, *, stops: bool) -> bool:
    """Whether a way leads from a step back to it; with ``stops``, one without a pause."""
    if stops and is_pause(steps[number]):
        return False
    found: set[int] = set()
    todo = list(steps[number].ways)
    while todo:
        here = todo.pop()
        if here == number:
            return True
        if here is None or here not in steps or here in found:
            continue
        found.add(here)
        if not (stops and is_pause(steps[here])):
            todo += steps[here].ways
    return False
