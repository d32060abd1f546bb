"""Templates and snippets: the list, the page to write one, and the checks before a launch."""

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from campaigns.messages import starter_blocks
from campaigns.models import Campaign, Template
from campaigns.services import checking
from campaigns.services import templates as service
from campaigns.web.content_json import blocks_of, read_json, with_blocks
from customers.models.consent import Channel
from rapport.errors import DomainError
from rapport.web import words
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show

Kind = Template.Kind


class JsonField(forms.CharField):
    """An object that the editor wrote into a hidden field."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        try:
            return read_json(super().to_python(value) or "")
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) or value is None else json.dumps(value)


class TemplateForm(forms.Form):
    """What is kept to be said again."""

    name = forms.CharField(label="Name", max_length=120, help_text="Only your team sees it.")
    channel = forms.ChoiceField(label="Channel", choices=Channel.choices, initial="email")
    subject = forms.CharField(label="Subject", max_length=200, required=False)
    preheader = forms.CharField(
        label="Line after the subject", max_length=200, required=False, help_text="In the inbox."
    )
    body = forms.CharField(
        label="Message in MJML with Liquid",
        required=False,
        widget=forms.Textarea(attrs={"rows": 22, "spellcheck": "false"}),
    )
    text = forms.CharField(
        label="Text for SMS, push and in-app",
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    blocks = JsonField(required=False)
    translations = JsonField(required=False)
    translated_blocks = JsonField(required=False)


@page("campaigns.view_template")
@require_safe
def templates(request: HttpRequest) -> HttpResponse:
    """What is kept to start from, and the pieces that messages share."""
    found = Template.objects.select_related("created_by")
    asked = request.GET.get("q", "").strip()
    if asked:
        found = found.filter(name__icontains=asked)
    kept = {kind: [one for one in found if one.kind == kind] for kind in Kind.values}
    context = {
        "templates": kept[Kind.TEMPLATE],
        "snippets": kept[Kind.SNIPPET],
        "asked": asked,
        "empty": Empty(
            "No template is like that."
            if asked
            else "Nothing is kept yet. A template is a message to start campaigns from.",
            Link("Write a template", reverse("template_new")),
        ),
    }
    lead = (
        f"{words.plural(len(kept[Kind.TEMPLATE]), 'message')} to start campaigns from, and "
        f"{words.plural(len(kept[Kind.SNIPPET]), 'piece')} that messages share."
    )
    return show(
        request, "campaigns/content/templates.html", title="Templates", lead=lead, context=context
    )


@page("campaigns.add_template")
def new(request: HttpRequest) -> HttpResponse:
    kind = Kind.SNIPPET if request.GET.get("kind") == Kind.SNIPPET else Kind.TEMPLATE
    blank = {"blocks": starter_blocks.SNIPPET, "subject": "", "preheader": ""}
    if kind == Kind.TEMPLATE:
        blank = starter_blocks.MESSAGE
    form = TemplateForm(request.POST or None, initial=blank)
    if request.method == "POST" and form.is_valid():
        try:
            made = service.create(kind=kind, user=request.user, now=timezone.now(), **given(form))
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"The {kind} is saved.")
            return redirect("template", made.pk)
    return _form(request, form, kind)


@page("campaigns.view_template")
def edit(request: HttpRequest, template_id: int) -> HttpResponse:
    template = get_object_or_404(Template, pk=template_id)
    initial = {name: getattr(template, name, None) for name in TemplateForm.base_fields}
    initial["translated_blocks"] = blocks_of(template.translations)
    form = TemplateForm(request.POST or None, initial=initial)
    may = request.user.has_perm("campaigns.change_template")
    if request.method == "POST" and form.is_valid():
        try:
            if not may:
                raise DomainError("You may look at it, but not change it.")
            service.edit(template, user=request.user, now=timezone.now(), **given(form))
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Saved.")
            return redirect("template", template.pk)
    return _form(request, form, template.kind, template)


@page("campaigns.add_template")
@require_POST
def copy(request: HttpRequest, template_id: int) -> HttpResponse:
    template = get_object_or_404(Template, pk=template_id)
    made = service.duplicate(template, user=request.user, now=timezone.now())
    return redirect("template", made.pk)


@page("campaigns.delete_template")
@require_POST
def delete(request: HttpRequest, template_id: int) -> HttpResponse:
    template = get_object_or_404(Template, pk=template_id)
    try:
        service.delete(template, user=request.user)
    except DomainError as error:
        messages.error(request, str(error))
        return redirect("template", template.pk)
    messages.success(request, f"{template} is deleted.")
    return redirect("templates")


@page("campaigns.add_campaign")
@require_POST
def start(request: HttpRequest, template_id: int) -> HttpResponse:
    """A draft campaign from a template."""
    template = get_object_or_404(Template, pk=template_id)
    try:
        made = service.start(template, user=request.user, now=timezone.now())
    except DomainError as error:
        messages.error(request, str(error))
        return redirect("template", template.pk)
    messages.success(request, "The draft says what the template says. Choose who hears of it.")
    return redirect("campaign_edit", made.pk)


@page("campaigns.view_campaign")
@require_safe
def checks(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The list of checks before a launch; with ``links`` its links are followed too."""
    campaign = get_object_or_404(Campaign.objects.select_related("offer"), pk=campaign_id)
    found = checking.check(campaign, now=timezone.now(), with_links="links" in request.GET)
    context = {"campaign": campaign, "checks": found, "has_links": "links" in request.GET}
    if request.headers.get("X-Part") == "checks":
        return render(request, "campaigns/content/_checks.html", context)
    stops = sum(one.level == "stop" for one in found)
    warns = sum(one.level == "warn" for one in found)
    lead = (
        f"{words.plural(stops, 'thing')} would keep it from being launched, "
        f"{words.plural(warns, 'thing')} to look at."
    )
    return show(
        request,
        "campaigns/content/checks.html",
        title=f"Checks of {campaign}",
        lead=lead,
        context=context,
    )


def given(form: TemplateForm) -> dict[str, Any]:
    """What the service takes."""
    found = dict(form.cleaned_data)
    found["translations"] = with_blocks(found["translations"] or {}, found.pop("translated_blocks"))
    return found


def _form(
    request: HttpRequest, form: TemplateForm, kind: str, template: Template | None = None
) -> HttpResponse:
    context = {
        "form": form,
        "template": template,
        "kind": kind,
        "uses": service.uses(template) if template else [],
        "may_edit": request.user.has_perm("campaigns.change_template"),
    }
    lead = (
        "A message to start campaigns from."
        if kind == Kind.TEMPLATE
        else "A piece that stands in many messages: change it here, and it changes in all of them."
    )
    return show(
        request,
        "campaigns/content/template.html",
        title=str(template) if template else f"New {kind}",
        lead=lead,
        crumbs=[Link("Templates", reverse("templates"))],
        context=context,
        status=400 if form.errors else 200,
    )
