"""Channels and senders: what leaves by which way, how fast, and what of it is away."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.channels import chosen, others, several
from campaigns.models import MailServer, SendingLimit, WarmUp
from campaigns.services import rates
from campaigns.services import servers as service
from campaigns.web.sending_forms import LimitForm, ServerForm, WarmUpForm
from rapport.errors import DomainError
from rapport.web import words
from rapport.web.dashboard import Empty, Link, Number
from rapport.web.page import page, show

PAGE = "Channels and senders"


@page("campaigns.view_campaign")
def senders(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    rows = _servers(now)
    context = {
        "numbers": _numbers(rows),
        "servers": rows,
        "channels": others.channels_set_up(),
        "limits": _limits(now),
        "plans": _plans(now),
        "limit_form": LimitForm(),
        "warm_up_form": WarmUpForm(
            auto_id="id_warm_up_%s", initial={"starts_on": f"{now:%Y-%m-%d}"}
        ),
        "empty": Empty(
            "No mail server yet: e-mail stays in the inbox page.",
            Link("Add a mail server", reverse("sender_new"))
            if request.user.has_perm("campaigns.add_mailserver")
            else None,
        ),
    }
    return show(request, "campaigns/senders.html", title=PAGE, lead=_lead(rows), context=context)


@page("campaigns.add_mailserver")
def new(request: HttpRequest) -> HttpResponse:
    initial = {"kind": "smtp", "security": "starttls", "weight": 1, "is_enabled": True}
    form = ServerForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            made = service.create(**form.cleaned_data, user=request.user, now=timezone.now())
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{made} is there. Test the connection before it is needed.")
            return redirect("senders")
    return _form(request, form, "Add a mail server")


@page("campaigns.change_mailserver")
def edit(request: HttpRequest, server_id: int) -> HttpResponse:
    found = get_object_or_404(MailServer.objects.defer("password"), pk=server_id)
    initial = {name: getattr(found, name) for name in service.FIELDS}
    form = ServerForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            service.edit(found, **form.cleaned_data, user=request.user, now=timezone.now())
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Saved; senders use it within half a minute.")
            return redirect("senders")
    return _form(request, form, f"Change {initial['name']}", found)


@page("campaigns.change_mailserver")
@require_POST
def test(request: HttpRequest, server_id: int) -> HttpResponse:
    found = get_object_or_404(MailServer.objects.defer("password"), pk=server_id)
    wrong = service.test(found)
    if wrong:
        messages.error(request, f"{found} cannot be used. {wrong}")
    else:
        messages.success(request, f"{found} let us in.")
    return redirect("senders")


@page("campaigns.delete_mailserver")
@require_POST
def delete(request: HttpRequest, server_id: int) -> HttpResponse:
    found = get_object_or_404(MailServer.objects.defer("password"), pk=server_id)
    service.delete(found, user=request.user, now=timezone.now())
    return redirect("senders")


@page("campaigns.change_sendinglimit")
@require_POST
def limit(request: HttpRequest) -> HttpResponse:
    form = LimitForm(request.POST)
    _try(request, form, lambda given: rates.set_limit(**given))
    return redirect("senders")


@page("campaigns.change_sendinglimit")
@require_POST
def warm_up(request: HttpRequest) -> HttpResponse:
    form = WarmUpForm(request.POST)
    _try(request, form, lambda given: rates.set_warm_up(**given))
    return redirect("senders")


@page("campaigns.change_sendinglimit")
@require_POST
def warm_up_end(request: HttpRequest, plan_id: int) -> HttpResponse:
    plan = get_object_or_404(WarmUp, pk=plan_id)
    rates.end_warm_up(plan, user=request.user, now=timezone.now())
    return redirect("senders")


def _try(request: HttpRequest, form: Any, act: Any) -> None:
    if not form.is_valid():
        for field, errors in form.errors.items():
            messages.error(request, f"{form[field].label}: {' '.join(errors)}")
        return
    try:
        act({**form.cleaned_data, "user": request.user, "now": timezone.now()})
    except DomainError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Saved; it holds from now on.")


def _form(
    request: HttpRequest, form: ServerForm, title: str, server: MailServer | None = None
) -> HttpResponse:
    return show(
        request,
        "campaigns/sender.html",
        title=title,
        lead="A way out for e-mail. Its password is kept sealed and never shown again.",
        crumbs=[Link(PAGE, reverse("senders"))],
        context={"form": form, "server": server},
        status=400 if form.errors else 200,
    )


def _servers(now: datetime) -> list[dict[str, Any]]:
    """Each server of the settings and of the page, with its share and how it is."""
    rows = []
    for url in chosen.urls():
        way = chosen.url_way(url)
        rows.append(_row(way.name, "EMAIL_URL", way.key, way.weight))
    for one in MailServer.objects.defer("password"):  # one that is lost must not hide the page
        rows.append(_row(one.name, one.get_kind_display(), f"row:{one.pk}", one.weight, one))
    total = sum(row["weight"] for row in rows if row["is_enabled"]) or 1
    for row in rows:
        row["away"] = several.away(row["way"]) if row["is_enabled"] else None
        row["today"] = several.taken_today(row["way"], now=now)
        row["share"] = row["weight"] / total if row["is_enabled"] else 0.0
    return rows


def _row(
    name: str, kind: str, way: str, weight: int, server: MailServer | None = None
) -> dict[str, Any]:
    is_enabled = server is None or server.is_enabled
    return {"name": name, "kind": kind, "way": way, "weight": weight, "server": server,
            "is_enabled": is_enabled}  # fmt: skip


def _limits(now: datetime) -> list[dict[str, Any]]:
    return [
        {"limit": one, "today": rates.used_today(rates.scope(one.channel, one.domain), now=now)}
        for one in SendingLimit.objects.all()
    ]


def _plans(now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "plan": one,
            "most": rates.day_most(one, now.date()),
            "today": rates.used_today(f"warm:{one.domain}", now=now),
            "ends_on": rates.ends_on(one),
        }
        for one in WarmUp.objects.all()
    ]


def _lead(rows: list[dict[str, Any]]) -> str:
    used = [row for row in rows if row["is_enabled"]]
    away = [row for row in used if row["away"]]
    if not used:
        return "No mail server is set up, so e-mail stays in the house."
    if away:
        names = ", ".join(row["name"] for row in away)
        if len(away) == len(used):
            return f"No mail server can be reached: {names}."
        return f"{names} cannot be reached; the others send its share."
    return f"E-mail leaves by {words.plural(len(used), 'server')}; nothing is wrong."


def _numbers(rows: list[dict[str, Any]]) -> tuple[Number, ...]:
    used = sum(row["is_enabled"] for row in rows)
    total = SendingLimit.objects.filter(channel="email", domain="").aggregate(
        second=Sum("per_second"), hour=Sum("per_hour")
    )
    second, hour = (words.number(n) if n else "" for n in (total["second"], total["hour"]))
    rate = f"{second} a second" if second else f"{hour} an hour" if hour else "none"
    return (
        Number("Mail servers in use", words.number(used)),
        Number("E-mails taken today", words.number(sum(row["today"] for row in rows)), note="UTC"),
        Number("Limit of all e-mail", rate, note=f"{hour} an hour" if second and hour else ""),
    )
