"""Forms of what is said otherwise: versions of an A/B test, and other languages."""

import json
from typing import Any

from django import forms
from django.http import QueryDict

from campaigns.models import Campaign, Offer, Variant
from campaigns.services import plans
from campaigns.services import variants as service
from campaigns.web.content_json import blocks_of, read_json, with_blocks
from customers.models.consent import Channel

MOST = 20


class WordsForm(forms.Form):
    """What may be said otherwise; what is empty is as in the campaign."""

    subject = forms.CharField(label="Subject", max_length=200, required=False)
    preheader = forms.CharField(label="Line after the subject", max_length=200, required=False)
    body = forms.CharField(
        label="Message",
        required=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
        help_text="MJML with Liquid. Empty: as in the campaign.",
    )
    text = forms.CharField(
        label="Text for SMS, push and in-app",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class VariantForm(WordsForm):
    """One version of an A/B test, or what one step of a flow says."""

    name = forms.CharField(label="Name", max_length=40)
    weight = forms.FloatField(
        label="Weight",
        min_value=0,
        max_value=service.WEIGHT_MOST,
        initial=1,
        help_text="Its share is its weight of all weights.",
    )
    channel = forms.ChoiceField(
        label="Channel", choices=[("", "As in the campaign"), *Channel.choices], required=False
    )
    offer = forms.ModelChoiceField(
        label="Offer",
        queryset=Offer.objects.all(),
        required=False,
        empty_label="As in the campaign",
    )
    local_hour = forms.IntegerField(
        label="Hour of the recipient's clock",
        min_value=0,
        max_value=23,
        required=False,
        help_text="Empty: as in the campaign.",
    )
    field_order = ("name", "weight", "channel", "offer", "subject", "preheader", "body", "text")


class LanguageForm(WordsForm):
    """What is said in one language."""

    language = forms.RegexField(
        plans.LANGUAGE.pattern,
        label="Language",
        max_length=12,
        widget=forms.TextInput(attrs={"list": "c-languages", "autocomplete": "off"}),
        help_text="fr, de, pt-BR: for customers whose language it is.",
    )
    field_order = ("language", "subject", "preheader", "body", "text")


VARIANTS: Any = forms.formset_factory(
    VariantForm, extra=0, can_delete=True, max_num=MOST, validate_max=True
)
LANGUAGES: Any = forms.formset_factory(
    LanguageForm, extra=0, can_delete=True, max_num=MOST, validate_max=True
)


class Wordings:
    """The two lists beside the form of a campaign; one that was not sent along stays untouched."""

    def __init__(self, campaign: Campaign | None, data: QueryDict | None = None) -> None:
        self.campaign = campaign
        self.rows = list(campaign.variants.filter(step=0)) if campaign else []
        self.spoken = campaign.translations if campaign else {}
        sent = {name for name in ("variants", "languages") if f"{name}-TOTAL_FORMS" in (data or {})}
        self.variants = VARIANTS(
            data if "variants" in sent else None,
            prefix="variants",
            initial=[_shown(one) for one in self.rows],
        )
        self.languages = LANGUAGES(
            data if "languages" in sent else None,
            prefix="languages",
            initial=[{"language": key, **said} for key, said in self.spoken.items()],
        )
        self.sent = sent
        self.blocks = _translated(data, self.spoken)

    @property
    def translated(self) -> str:
        """The documents of each language, as the block editor reads them."""
        return json.dumps(self.blocks)

    def is_valid(self) -> bool:
        return all(getattr(self, name).is_valid() for name in self.sent)

    def fields_given(self) -> dict[str, Any]:
        """What the service takes; what these forms do not show is kept as it was."""
        given: dict[str, Any] = {}
        if "variants" in self.sent:
            given["variants"] = [*self._variants(), *self._of_steps()]
        if "languages" in self.sent:
            given["translations"] = self._translations()
        return given

    def _variants(self) -> list[dict[str, Any]]:
        kept = {one.name: service.as_fields(one) for one in self.rows}
        said = [_said(form) for form in self.variants.forms]
        return [{**kept.get(one["name"], {}), **one, "step": 0} for one in said if one is not None]

    def _of_steps(self) -> list[dict[str, Any]]:
        if self.campaign is None:
            return []
        return [service.as_fields(one) for one in self.campaign.variants.exclude(step=0)]

    def _translations(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for form in self.languages.forms:
            one = _said(form)
            if one is not None:
                language = one.pop("language")
                found[language] = {name: value for name, value in one.items() if value}
        return with_blocks(found, self.blocks)


def _translated(data: QueryDict | None, spoken: dict[str, Any]) -> dict[str, Any]:
    """The blocks of each language: those sent along, or else those that are kept."""
    if data is None or "translated_blocks" not in data:
        return blocks_of(spoken)
    try:
        return read_json(data["translated_blocks"]) or {}
    except ValueError:
        return blocks_of(spoken)


def _said(form: forms.Form) -> dict[str, Any] | None:
    given = dict(form.cleaned_data)
    return None if given.pop("DELETE", False) or not given else given


def _shown(variant: Variant) -> dict[str, Any]:
    names = VariantForm.base_fields
    return {name: getattr(variant, name) for name in names} | {"offer": variant.offer_id}


class StepWordings:
    """What one step of a flow says: at least one version."""

    def __init__(self, campaign: Campaign, step: int, data: QueryDict | None = None) -> None:
        self.campaign, self.step = campaign, step
        self.rows = list(campaign.variants.filter(step=step, weight__gt=0))
        first = [_shown(one) for one in self.rows] or [{"name": "A", "weight": 1}]
        self.variants = VARIANTS(data, prefix="variants", initial=first)

    def is_valid(self) -> bool:
        return bool(self.variants.is_valid())

    def rows_given(self) -> list[dict[str, Any]]:
        """What the service takes; what the form does not show is kept as it was."""
        kept = {one.name: service.as_fields(one) for one in self.rows}
        said = [one for form in self.variants.forms if (one := _said(form)) is not None]
        return [{**kept.get(one["name"], {}), **one, "step": self.step} for one in said]
