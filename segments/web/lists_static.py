"""Audience → Lists: who is on a list that people keep, and the ways on and off it."""

import time
from typing import Any

from django import forms
from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from customers.collect import uploads
from rapport import access
from rapport.errors import DomainError
from rapport.models import Run
from rapport.web import jobs, keyset, words
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show
from segments.models import CustomerList
from segments.services import lists as service

VIEW, CHANGE = "segments.view_customerlist", "segments.change_customerlist"
SUFFIXES = (".csv", ".csv.gz")


class ListForm(forms.Form):
    """A list's words, and how people come on it."""

    name = forms.CharField(label="Name", max_length=120)
    description = forms.CharField(
        label="What it is for", required=False, max_length=1_000, widget=forms.TextInput()
    )
    kind = forms.ChoiceField(
        label="How people come on it",
        choices=[
            ("static", "By hand, and by files that add to it"),
            ("imported", "By files alone, each replacing the whole list"),
        ],
        initial="static",
        widget=forms.RadioSelect,
    )


class PeopleForm(forms.Form):
    """Who shall come: one handle a line."""

    people = forms.CharField(
        label="E-mail addresses or the shop's customer numbers, one a line",
        widget=forms.Textarea(attrs={"rows": 4}),
        max_length=100_000,
    )
    source = forms.SlugField(label="Shop that gave the numbers", max_length=40, initial="shop")

    def given(self) -> list[dict[str, str]]:
        lines = [line.strip() for line in self.cleaned_data["people"].splitlines()]
        return [{"email" if "@" in line else "external_id": line} for line in lines if line.strip()]


class FileForm(forms.Form):
    """A file with people for the list."""

    source = forms.SlugField(label="Shop that gave the numbers", max_length=40, initial="shop")
    file = forms.FileField(
        label="File",
        help_text="CSV with a header, plain or .gz. One column says who: email, external_id (the "
        "shop's number), phone or id (ours); others are left aside.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.gz"}),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if not file.name.lower().endswith(SUFFIXES):
            raise forms.ValidationError(f"{file.name} is no CSV: expected {' or '.join(SUFFIXES)}.")
        if file.size > uploads.MOST_BYTES:
            raise forms.ValidationError(
                f"{file.name} has {file.size / 2**20:.0f} MB, at most "
                f"{uploads.MOST_BYTES // 2**20} MB can be uploaded."
            )
        return file


@page(VIEW)
def customer_lists(request: HttpRequest) -> HttpResponse:
    found = CustomerList.objects.order_by("name", "pk")
    may = request.user.has_perm("segments.add_customerlist")  # type: ignore[union-attr]
    add = Link("Make a list", reverse("customer_list_new"))
    pages = keyset.page(found, request.GET, by=("name", "id"))
    context = {
        "pages": pages,
        "add": add if may else None,
        "empty": Empty(
            "There is no list. A list holds people that no rule could find, such as the guests of "
            "an evening; segments can ask whether somebody is on it.",
            add if may else None,
        ),
    }
    lead = (
        f"{words.plural(found.count(), 'list')} kept by people or files."
        if pages.rows
        else ("People that no rule could find are kept on lists.")
    )
    return show(request, "segments/lists.html", title="Lists", lead=lead, context=context)


@page("segments.add_customerlist")
def customer_list_new(request: HttpRequest) -> HttpResponse:
    form = ListForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        found = service.create(**form.cleaned_data, user=request.user, now=timezone.now())
        return redirect("customer_list", list_id=found.pk)
    return show(
        request,
        "segments/list_edit.html",
        title="Make a list",
        lead="It begins empty.",
        crumbs=(Link("Lists", reverse("customer_lists")),),
        context={"form": form},
        status=400 if form.is_bound else 200,
    )


@page(VIEW)
def customer_list(request: HttpRequest, list_id: int) -> HttpResponse:
    found = get_object_or_404(CustomerList, pk=list_id)
    return _list(request, found, PeopleForm(), FileForm(prefix="file"))


@page(CHANGE)
@require_POST
def customer_list_do(request: HttpRequest, list_id: int, word: str) -> HttpResponse:
    """Add people, take one off, bring a file in, or remove the list."""
    found = get_object_or_404(CustomerList, pk=list_id)
    acts = {"add": _add, "remove": _remove, "import": _import, "delete": _delete}
    if word not in acts:
        raise Http404(f"A list knows no {word!r}.")
    return acts[word](request, found)


def _add(request: HttpRequest, found: CustomerList) -> HttpResponse:
    form = PeopleForm(request.POST)
    if not form.is_valid():
        return _list(request, found, form, FileForm(prefix="file"))
    try:
        done = service.add(
            found,
            form.given(),
            source=form.cleaned_data["source"],
            user=request.user,
            now=timezone.now(),
        )
    except DomainError as refused:
        form.add_error("people", str(refused))
        return _list(request, found, form, FileForm(prefix="file"))
    came = f"{words.plural(done.changed, 'customer')} came on the list"
    if done.unknown:
        named = ", ".join(one.value for one in done.unknown[:5])
        more = len(done.unknown) - 5
        rest = f" and {more} more" if more > 0 else ""
        messages.warning(request, f"{came}. Nobody is known as {named}{rest}.")
    else:
        messages.success(request, f"{came}.")
    return redirect("customer_list", list_id=found.pk)


def _remove(request: HttpRequest, found: CustomerList) -> HttpResponse:
    given = [{"id": request.POST.get("customer", "")}]
    try:
        done = service.remove(found, given, user=request.user, now=timezone.now())
    except DomainError as refused:
        messages.error(request, str(refused))
    else:
        gone = words.plural(done.changed, "customer")
        messages.success(request, f"{gone} taken off the list.")
    return redirect("customer_list", list_id=found.pk)


def _import(request: HttpRequest, found: CustomerList) -> HttpResponse:
    form = FileForm(request.POST, request.FILES, prefix="file")
    if form.is_valid():
        given = form.cleaned_data
        try:
            upload = uploads.keep(
                given["file"].chunks(),
                name=given["file"].name,
                kind="list",
                source=given["source"],
                now=time.time(),
            )
        except DomainError as refused:
            form.add_error("file", str(refused))
        else:
            service.start_import(found, upload, user=request.user)
            return redirect("customer_list", list_id=found.pk)
    return _list(request, found, PeopleForm(), form)


def _delete(request: HttpRequest, found: CustomerList) -> HttpResponse:
    if request.user.has_perm("segments.delete_customerlist"):  # type: ignore[union-attr]
        try:
            service.delete(found, user=request.user, now=timezone.now())
        except DomainError as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, f"{found} is removed.")
            return redirect("customer_lists")
    return redirect("customer_list", list_id=found.pk)


def _list(
    request: HttpRequest, found: CustomerList, people: PeopleForm, file: FileForm
) -> HttpResponse:
    runs = Run.objects.filter(kind="list", params__list=found.pk).order_by("-pk")[:5]
    context = {
        "list": found,
        "pages": keyset.page(service.members(found), request.GET, by=("-added_at", "-id")),
        "people": people,
        "file": file,
        "running": [run for run in runs if run.state in jobs.ALIVE],
        "imports": [run for run in runs if run.state not in jobs.ALIVE],
        "used_by": service.used_by(found),
        "is_static": found.kind == CustomerList.Kind.STATIC,
    }
    kept = "by hand and by files" if context["is_static"] else "by files that replace it"
    is_wrong = people.errors or file.errors if people.is_bound or file.is_bound else False
    return show(
        request,
        "segments/list.html",
        title=found.name,
        lead=f"{words.plural(found.members_count, 'customer')} on a list kept {kept}.",
        crumbs=(Link("Lists", reverse("customer_lists")),),
        context=context,
        status=400 if is_wrong else 200,
    )


@page(CHANGE)
def customer_list_rejects(request: HttpRequest, run_id: int) -> HttpResponseBase:
    """The rows of one file that named nobody: row, column, value, reason."""
    run = get_object_or_404(Run, pk=run_id, kind="list")
    path = uploads.rejects(run.params)
    if path is None:
        raise Http404("Every row named somebody, or the file was removed after a week.")
    access.audit(request.user, "list.rejects_read", f"run {run.pk}")
    return FileResponse(path.open("rb"), as_attachment=True, filename=f"rejected-{run.pk}.csv")
