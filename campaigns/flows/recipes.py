"""Flows that most shops want, ready to be looked over and launched."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from campaigns.flows import wording

Json = dict[str, Any]


@dataclass(frozen=True)
class Needed:
    """A segment that a recipe goes by; made where none has its key."""

    key: str
    name: str
    description: str
    where: Json  # of its rule

    @property
    def rule(self) -> Json:
        return {"version": 1, "where": self.where}


@dataclass(frozen=True)
class Recipe:
    """A flow with everything it needs.

    ``texts`` are by the number of the send step: subject, preheader, body, and text for channels
    other than e-mail.  The definition names no offer: ``offer_steps`` are those that give one.
    """

    key: str
    title: str
    sentence: str
    objective: str  # of `Campaign.Objective`
    metric: str  # of `Campaign.Metric`
    segment: Needed
    steps: tuple[Json, ...]
    texts: dict[int, dict[str, str]]
    reentry: str | Json = "after_exit"
    exit_on: Json | None = None
    offer_steps: tuple[int, ...] = ()
    offer_share: float = 0.10  # of the price, where an offer has to be made

    def definition(self, *, offer: int | None = None) -> Json:
        """The flow's definition; steps that give an offer name this one."""
        steps = [
            {**step, "offer": offer or 0} if step["number"] in self.offer_steps else dict(step)
            for step in self.steps
        ]
        return {
            "version": 1,
            "trigger": {"on": "segment_entered", "segment": self.segment.key},
            "reentry": self.reentry,
            "exit_on": self.exit_on,
            "first": self.steps[0]["number"],
            "steps": steps,
        }


def _send(number: int, way: int | None, **given: Any) -> Json:
    return {"number": number, "kind": "send", "next": way, **given}


def _wait(number: int, way: int | None, **given: Any) -> Json:
    return {"number": number, "kind": "wait", "next": way, **given}


def _orders(op: str, value: int, **given: Any) -> Json:
    return {"type": "orders", "measure": "count", "op": op, "value": value, **given}


def _rule(where: Json) -> Json:
    return {"version": 1, "where": where}


def _welcome() -> Recipe:
    known = {"type": "field", "field": "happened_at", "op": "less_than_days_ago", "value": 7}
    return Recipe(
        "welcome",
        "Welcome",
        "Greets whoever agrees to hear from you, and helps towards the first order.",
        "convert",
        "conversion",
        Needed(
            "newly-agreed",
            "Newly agreed",
            "They became known in the last 7 days, agreed to e-mail and have not ordered yet.",
            {"type": "and", "of": [known, {"type": "consent", "channel": "email"},
                                   _orders("=", 0)]},
        ),
        (
            _send(1, 2),
            _wait(2, 3, days=2),
            _send(3, 4, hour=10),
            _wait(4, 5, days=4),
            _send(5, None, hour=10),
        ),
        {
            1: wording.mail("Welcome{{ to }}", "Good to have you here.", wording.WELCOME),
            3: wording.mail("What people come back for", "The things people like most.",
                            wording.FAVOURITES),
            5: wording.mail("Can we help you choose?", "Just answer this mail.", wording.HELP),
        },
        reentry="never",
        exit_on={"order": True},
    )  # fmt: skip


def _cart() -> Recipe:
    return Recipe(
        "cart_left_behind",
        "Cart left behind",
        "Reminds of a cart an hour later, and once more the next day, unless they order.",
        "convert",
        "conversion",
        Needed(
            "cart-left-behind",
            "Cart left behind",
            "They filled a cart or began to check out, at least an hour ago, without ordering.",
            {
                "type": "sequence",
                "names": ["Product Added", "Checkout Started"],
                "window_days": 3,
                "at_least_minutes_ago": 60,
                "unless": ["Order Completed"],
                "unless_order": True,
            },
        ),
        (_send(1, 2), _wait(2, 3, days=1), _send(3, None)),
        {
            1: wording.mail("You left something behind", "Your cart is still there.",
                            wording.CART),
            3: wording.mail("Still thinking it over?", "Your cart waits for you.",
                            wording.CART_AGAIN),
        },
        reentry={"after_days": 7},
        exit_on={"order": True},
    )  # fmt: skip


def _browse() -> Recipe:
    return Recipe(
        "browse_left_behind",
        "Browse left behind",
        "Writes the next morning to whoever looked at several products and put none in the cart.",
        "convert",
        "conversion",
        Needed(
            "browse-left-behind",
            "Browse left behind",
            "They looked at a product in the last 2 days, at least 4 hours ago, and neither "
            "filled a cart nor ordered since.",
            {
                "type": "sequence",
                "names": ["Product Viewed"],
                "window_days": 2,
                "at_least_minutes_ago": 240,
                "unless": ["Product Added", "Checkout Started", "Order Completed"],
                "unless_order": True,
            },
        ),
        (_send(1, None, hour=10),),
        {1: wording.mail("Seen something you like?", "It is still here.", wording.BROWSE)},
        reentry={"after_days": 14},
        exit_on={"order": True},
    )


def _after_purchase() -> Recipe:
    return Recipe(
        "after_purchase",
        "After the purchase",
        "Thanks for an order, asks two weeks later how it was and for a review.",
        "satisfy",
        "orders",
        Needed(
            "just-ordered",
            "Just ordered",
            "They have ordered in the last day.",
            _orders(">=", 1, window_days=1),
        ),
        (
            _wait(1, 2, days=1),
            _send(2, 3),
            _wait(3, 4, days=13),
            {"number": 4, "kind": "filter", "next": 5,
             "rule": _rule(_orders(">=", 1, window_days=30))},
            _send(5, None, hour=18),
        ),
        {
            2: wording.mail("Thank you for your order", "What happens next.", wording.THANKS),
            5: wording.mail("How was it?", "Two minutes that help others.", wording.REVIEW),
        },
        reentry={"after_days": 30},
    )  # fmt: skip


def _replenishment() -> Recipe:
    return Recipe(
        "replenishment",
        "Time to stock up",
        "Reminds customers shortly before each one's own next order is expected.",
        "raise_value",
        "orders",
        Needed(
            "next-order-soon",
            "Next order soon",
            "They have ordered at least twice, and their next order is expected within 5 days. "
            "Empty until a model is live.",
            {"type": "and", "of": [
                _orders(">=", 2),
                {"type": "score", "name": "next_order_days", "op": "<=", "value": 5},
            ]},
        ),
        (_send(1, 2, hour=10), _wait(2, 3, days=7), _send(3, None, hour=10)),
        {
            1: wording.mail("Running low?", "It may be time again.", wording.RESTOCK),
            3: wording.mail("Shall we send it again?", "One click to your last order.",
                            wording.RESTOCK_AGAIN),
        },
        reentry={"after_days": 14},
        exit_on={"order": True},
    )  # fmt: skip


def _win_back() -> Recipe:
    return Recipe(
        "win_back",
        "Win back likely leavers",
        "Tests a code of their own against kind words alone on those the churn model expects to "
        "lose.",
        "keep",
        "revenue",
        Needed(
            "at-risk-of-leaving",
            "At risk of leaving",
            "The churn model puts them into its high band. Empty until a model is live.",
            {"type": "score", "name": "churn_90d", "op": "band", "value": ["high"]},
        ),
        (
            {"number": 1, "kind": "split", "arms": [
                {"name": "With a code", "weight": 1, "next": 2},
                {"name": "Words alone", "weight": 1, "next": 4},
            ]},
            {"number": 2, "kind": "offer", "next": 3},
            _send(3, 5),
            _send(4, 5),
            _wait(5, 6, days=7),
            _send(6, None, hour=10),
        ),
        {
            3: wording.mail("We miss you", "A code just for you.", wording.MISS_CODE),
            4: wording.mail("We miss you", "What is new here.", wording.MISS),
            6: wording.mail("Was it something we did?", "Tell us in one line.", wording.TELL_US),
        },
        reentry={"after_days": 90},
        exit_on={"order": True},
        offer_steps=(2,),
    )  # fmt: skip


def _birthday() -> Recipe:
    return Recipe(
        "birthday",
        "Birthday",
        "Congratulates on the day, with a present.",
        "satisfy",
        "orders",
        Needed(
            "birthday-today",
            "Birthday today",
            "It is their birthday, on their own clock.",
            {"type": "field", "field": "birth_date", "op": "anniversary_in_days", "value": 0},
        ),
        (
            {"number": 1, "kind": "offer", "next": 2},
            _send(2, None, window=["08:00", "20:00"]),
        ),
        {2: wording.mail("Happy birthday", "A present for you.", wording.BIRTHDAY)},
        reentry={"after_days": 300},
        offer_steps=(1,),
    )


MAKERS: tuple[Callable[[], Recipe], ...] = (
    _welcome,
    _cart,
    _browse,
    _after_purchase,
    _replenishment,
    _win_back,
    _birthday,
)
RECIPES: dict[str, Recipe] = {recipe.key: recipe for recipe in (make() for make in MAKERS)}
