"""Forms of the pages of offers."""

from typing import Any

from django import forms
from django.conf import settings

from campaigns.models import Offer

PERCENT = 100
UPLOAD_BYTES_MOST = 20_000_000
MOMENT = ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]


def _moment(label: str) -> forms.DateTimeField:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT[0])
    return forms.DateTimeField(label=label, required=False, widget=widget, input_formats=MOMENT)


def _money(label: str, **given: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=f"{label} ({settings.CURRENCY})",
        min_value=0,
        decimal_places=2,
        max_digits=12,
        required=False,
        **given,
    )


class OfferForm(forms.Form):
    """What is given, with which codes, and how much of it."""

    name = forms.CharField(label="Name", max_length=120, help_text="Customers see it.")
    kind = forms.ChoiceField(
        label="What is given",
        choices=[
            (Offer.Kind.PERCENT, "Percent off"),
            (Offer.Kind.AMOUNT, "Amount off"),
            (Offer.Kind.FREE_SHIPPING, "Free shipping"),
            (Offer.Kind.GIFT, "A gift"),
            (Offer.Kind.POINTS, "Points"),
        ],
    )
    percent = forms.DecimalField(
        label="Percent off", min_value=0, max_value=100, decimal_places=2, required=False
    )
    amount = _money("Amount off")
    gift = forms.CharField(label="The gift", max_length=120, required=False)
    points = forms.IntegerField(label="Points", min_value=1, required=False)
    codes = forms.ChoiceField(
        label="Its code", choices=Offer.Codes.choices, initial=Offer.Codes.UNIQUE
    )
    static_code = forms.CharField(
        label="The code for everybody", max_length=30, required=False, help_text="Such as SUMMER."
    )
    code_prefix = forms.RegexField(
        r"^[A-Za-z0-9]{0,12}$",
        label="Codes made here begin with",
        required=False,
        help_text="Letters and digits, such as VIP: codes look like VIP-7K3M9QXA.",
    )
    valid_days = forms.IntegerField(
        label="Valid for (days)", min_value=1, max_value=365, initial=14
    )
    order_least = _money("For orders from", help_text="Empty: any order.")
    given_most = forms.IntegerField(
        label="Given to at most (people)",
        min_value=1,
        required=False,
        help_text="Who goes without is drawn by lot and told apart in the report.",
    )
    redeemed_most = forms.IntegerField(
        label="Redeemed at most",
        min_value=1,
        required=False,
        help_text="Codes that are out count as if they will be redeemed.",
    )
    budget = _money("Budget for all redemptions")
    cost = _money(
        "Cost of one redemption",
        help_text="Empty: worked out from the discount and your mean order.",
    )
    margin_percent_least = forms.DecimalField(
        label="Margin that must be left (% of the order)",
        min_value=0,
        max_value=99,
        decimal_places=1,
        required=False,
        help_text="Who would leave less gets no such offer.",
    )
    starts_at = _moment("Given from")
    ends_at = _moment("Ends")
    is_stackable = forms.BooleanField(
        label="May stand beside another open offer of the same person", required=False
    )

    @property
    def parts(self) -> list[tuple[str, list]]:
        """The fields under their headings."""
        headings = {
            "What is given": (
                "name", "kind", "percent", "amount", "gift", "points", "order_least",
            ),
            "The code": ("codes", "static_code", "code_prefix", "valid_days"),
            "How much of it": (
                "given_most", "redeemed_most", "budget", "cost", "margin_percent_least",
                "starts_at", "ends_at", "is_stackable",
            ),
        }  # fmt: skip
        return [(title, [self[name] for name in names]) for title, names in headings.items()]

    def fields_given(self) -> dict[str, Any]:
        """What the service takes; the figure of another kind is left out."""
        given = dict(self.cleaned_data)
        percent, amount = given.pop("percent"), given.pop("amount")
        least = given.pop("margin_percent_least")
        kind = given["kind"]
        return given | {
            "share": percent / PERCENT if kind == Offer.Kind.PERCENT and percent else None,
            "amount": amount if kind == Offer.Kind.AMOUNT else None,
            "currency": settings.CURRENCY if kind == Offer.Kind.AMOUNT else "",
            "gift": given["gift"] if kind == Offer.Kind.GIFT else "",
            "points": given["points"] if kind == Offer.Kind.POINTS else None,
            "margin_share_least": None if least is None else least / PERCENT,
        }


def values_of(offer: Offer) -> dict[str, Any]:
    """What the form shows of an offer."""
    shown = {name: getattr(offer, name) for name in OfferForm.base_fields if hasattr(offer, name)}
    least = offer.margin_share_least
    return shown | {
        "percent": None if offer.share is None else offer.share * PERCENT,
        "margin_percent_least": None if least is None else least * PERCENT,
    }


class PoolForm(forms.Form):
    """Codes of the shop's own, pasted or from a file; or so many made here."""

    pasted = forms.CharField(
        label="Codes, one a line",
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        required=False,
        max_length=2_000_000,
    )
    file = forms.FileField(label="Or a text or CSV file with one code a line", required=False)
    count = forms.IntegerField(
        label="Or make so many here, for the shop to take over",
        min_value=1,
        max_value=100_000,
        required=False,
    )

    def clean_file(self) -> Any:
        found = self.cleaned_data["file"]
        if found and found.size > UPLOAD_BYTES_MOST:
            raise forms.ValidationError(
                f"The file has {found.size:,} bytes; at most {UPLOAD_BYTES_MOST:,}."
            )
        return found

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not any(given.get(name) for name in ("pasted", "file", "count")):
            raise forms.ValidationError("Paste codes, choose a file, or say how many to make.")
        return given
