"""Settings › Consent topics: what people may choose among in the preference centre."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.models import ConsentTopic
from campaigns.services import topics as service
from rapport.errors import DomainError
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show

CHANNELS = [("email", "E-mail"), ("sms", "Text message"), ("push", "Browser")]
OTHERS = {"fr": "French", "de": "German"}  # as `public_words.LANGUAGES`, without our own


class TopicForm(forms.Form):
    key = forms.SlugField(
        label="Key", max_length=40, help_text="In campaigns, rules and the API. It stays."
    )
    name = forms.CharField(label="Name", max_length=80)
    description = forms.CharField(
        label="Description",
        max_length=300,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="What one gets, and how often.",
    )
    channels = forms.MultipleChoiceField(
        label="Offered", choices=CHANNELS, widget=forms.CheckboxSelectMultiple
    )
    is_default = forms.BooleanField(
        label="Asked for at sign-up where no topic is named", required=False
    )
    is_offered = forms.BooleanField(label="Shown in the preference centre", required=False)
    position = forms.IntegerField(label="Place in the list", min_value=0, max_value=999)

    def __init__(self, *args: Any, topic: ConsentTopic | None = None, **given: Any) -> None:
        initial: dict[str, Any] = {"is_offered": True, "channels": ["email"], "position": 100}
        if topic is not None:
            initial = {field: getattr(topic, field) for field in service.FIELDS}
            for code, words in topic.translations.items():
                initial |= {f"{field}_{code}": words.get(field, "") for field in words}
        super().__init__(*args, initial=initial, **given)
        if topic is not None:
            self.fields["key"].disabled = True
        for code, language in OTHERS.items():
            self.fields[f"name_{code}"] = forms.CharField(
                label=f"Name in {language}", max_length=80, required=False
            )
            self.fields[f"description_{code}"] = forms.CharField(
                label=f"Description in {language}", max_length=300, required=False
            )

    def given(self) -> dict[str, Any]:
        data = self.cleaned_data
        translations = {
            code: {field: data[f"{field}_{code}"] for field in ("name", "description")}
            for code in OTHERS
        }
        return {field: data[field] for field in service.FIELDS if field != "translations"} | {
            "translations": {code: words for code, words in translations.items() if words["name"]}
        }


@page("campaigns.view_campaign")
def topics(request: HttpRequest) -> HttpResponse:
    context = {
        "rows": [
            (one, ", ".join(label for value, label in CHANNELS if value in one.channels))
            for one in ConsentTopic.objects.all()
        ],
        "empty": Empty(
            "No topic yet: people are offered “News and offers”, by e-mail and text message.",
            Link("Make a topic", reverse("topic_new")),
        ),
    }
    lead = "What people can agree to, each by itself, in the preference centre."
    return show(
        request, "campaigns/topics.html", title="Consent topics", lead=lead, context=context
    )


@page("campaigns.change_campaign")
def new(request: HttpRequest) -> HttpResponse:
    return _form(request, None)


@page("campaigns.change_campaign")
def edit(request: HttpRequest, topic_id: int) -> HttpResponse:
    return _form(request, get_object_or_404(ConsentTopic, pk=topic_id))


@page("campaigns.change_campaign")
@require_POST
def delete(request: HttpRequest, topic_id: int) -> HttpResponse:
    topic = get_object_or_404(ConsentTopic, pk=topic_id)
    service.delete(topic, user=request.user)
    messages.success(request, f"{topic} is no longer offered; what people said stays on record.")
    return redirect("topics")


def _form(request: HttpRequest, topic: ConsentTopic | None) -> HttpResponse:
    form = TopicForm(request.POST or None, topic=topic)
    if request.method == "POST" and form.is_valid():
        try:
            if topic is None:
                service.create(user=request.user, now=timezone.now(), **form.given())
            else:
                service.edit(topic, user=request.user, now=timezone.now(), **form.given())
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Saved.")
            return redirect("topics")
    return show(
        request,
        "campaigns/topic.html",
        title=f"Change {topic}" if topic else "New topic",
        lead="Say it as people will read it beside the box that they tick.",
        crumbs=[Link("Consent topics", reverse("topics"))],
        context={"form": form, "topic": topic},
        status=400 if form.errors else 200,
    )
