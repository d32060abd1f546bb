"""What an offer gives: is it whole, and how is it said in words."""

from dataclasses import dataclass
from decimal import Decimal

from babel.numbers import format_currency, format_decimal, format_percent, is_currency

from campaigns.offers import codes

KINDS = ("percent", "amount", "free_shipping", "gift", "points")
CODES = ("unique", "pool", "static", "none")
VALID_DAYS_MOST = 3_650


@dataclass(frozen=True)
class Terms:
    """What is given, for how long.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    share : Decimal in (0, 1], or None
        Of the price, where the kind is ``percent``.
    amount : Decimal above 0, or None
        In ``currency``, where the kind is ``amount``.
    currency : str
        ISO 4217, or empty.
    code_prefix : str
        Capital letters and digits before the code.
    valid_days : int
        From the day of the message.
    gift : str
        What is given, where the kind is ``gift``.
    points : int or None
        Of the shop's loyalty programme, where the kind is ``points``.
    codes : str
        One of `CODES`: made here, taken from a list of the shop's, the same for all, or none.
    static_code : str
        The code, where it is the same for all.
    order_least : Decimal or None
        Value of an order from which it is given, in the shop's currency.
    """

    kind: str
    share: Decimal | None = None
    amount: Decimal | None = None
    currency: str = ""
    code_prefix: str = ""
    valid_days: int = 14
    gift: str = ""
    points: int | None = None
    codes: str = "unique"
    static_code: str = ""
    order_least: Decimal | None = None


def faults(terms: Terms) -> tuple[str, ...]:
    """Everything that keeps these terms from being an offer, a sentence each.

    Parameters
    ----------
    terms : Terms

    Returns
    -------
    tuple of str
        Empty when there is nothing to object to.

    Examples
    --------
    >>> faults(Terms("percent", share=Decimal("0.15")))
    ()
    >>> faults(Terms("amount", amount=Decimal(5)))
    ('An amount needs its currency.',)
    """
    found = []
    if terms.kind not in KINDS:
        found.append(f"The kind is {terms.kind!r}, expected one of {', '.join(KINDS)}.")
    if terms.kind == "percent" and not (terms.share is not None and 0 < terms.share <= 1):
        found.append(f"A percentage needs a share above 0 and up to 1, found {terms.share}.")
    if terms.kind == "amount":
        if terms.amount is None or terms.amount <= 0:
            found.append(f"An amount must be above 0, found {terms.amount}.")
        if not terms.currency:
            found.append("An amount needs its currency.")
    if terms.kind == "gift" and not terms.gift.strip():
        found.append("A gift needs its name.")
    if terms.kind == "points" and not (terms.points or 0) > 0:
        found.append(f"Points must be above 0, found {terms.points}.")
    if terms.codes not in CODES:
        found.append(f"The codes are {terms.codes!r}, expected one of {', '.join(CODES)}.")
    if terms.codes == "static" and not codes.WRITTEN.fullmatch(terms.static_code):
        found.append(
            f"The code for everybody must be {codes.WRITTEN_WORDS}, found {terms.static_code!r}."
        )
    if terms.order_least is not None and terms.order_least < 0:
        found.append(f"The least order must not be below 0, found {terms.order_least}.")
    if terms.currency and not is_currency(terms.currency):
        found.append(f"{terms.currency!r} is not a currency of ISO 4217.")
    if not codes.PREFIX.fullmatch(terms.code_prefix):
        found.append(
            f"The code prefix may have up to {codes.PREFIX_LENGTH_MOST} capital letters and "
            f"digits, found {terms.code_prefix!r}."
        )
    if not 1 <= terms.valid_days <= VALID_DAYS_MOST:
        found.append(f"Valid days must be 1 to {VALID_DAYS_MOST}, found {terms.valid_days}.")
    return tuple(found)


def words(terms: Terms, *, locale: str = "en") -> str:
    """What the offer gives, as a person would say it.

    Parameters
    ----------
    terms : Terms
    locale : str
        For the figure; the words are English.

    Returns
    -------
    str

    Examples
    --------
    >>> words(Terms("percent", share=Decimal("0.15")))
    '15% off'
    >>> words(Terms("amount", amount=Decimal("5"), currency="EUR"))
    '€5.00 off'
    """
    if terms.kind == "percent":
        return f"{format_percent(terms.share or 0, locale=locale, format='#,##0.##%')} off"
    if terms.kind == "amount":
        return f"{format_currency(terms.amount or 0, terms.currency or 'XXX', locale=locale)} off"
    if terms.kind == "gift":
        return f"A gift: {terms.gift}"
    if terms.kind == "points":
        return f"{format_decimal(terms.points or 0, locale=locale)} points"
    return "Free shipping"
