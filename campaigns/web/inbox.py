"""The development inbox: what would have left."""

import email
import json
from email.message import EmailMessage
from email.policy import default as policy

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.clickjacking import xframe_options_sameorigin

from campaigns.messages import sms
from campaigns.models import InboxMail, Message
from rapport.web import keyset
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show

CHANNELS = {"email": "E-mail", "sms": "SMS", "push": "Notification", "in_app": "In-app message"}
HEADERS = ("From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe")


@page("campaigns.view_inboxmail")
def inbox(request: HttpRequest) -> HttpResponse:
    found = InboxMail.objects.defer("raw")
    recipient = request.GET.get("to", "").strip()
    if recipient:
        found = found.filter(recipient__istartswith=recipient)
    channel = request.GET.get("channel", "")
    if channel in CHANNELS:
        found = found.filter(channel=channel)
    pages = keyset.page(found, request.GET, by=("-id",))
    for one in pages.rows:
        one.said_by = CHANNELS.get(one.channel, one.channel)
    context = {
        "pages": pages,
        "recipient": recipient,
        "channel": channel,
        "channels": CHANNELS.items(),
        "empty": Empty(
            "Nothing has arrived. What is sent while its channel is not set up lands here.",
            Link("Campaigns", reverse("campaigns")),
        ),
    }
    lead = f"{str(keyset.count(found)).capitalize()} messages that did not leave this machine."
    return show(request, "campaigns/inbox.html", title="Inbox", lead=lead, context=context)


@page("campaigns.view_inboxmail")
def mail(request: HttpRequest, mail_id: int) -> HttpResponse:
    found = get_object_or_404(InboxMail, pk=mail_id)
    message = Message.objects.filter(pk=found.message_id).select_related("campaign").first()
    lead = f"To {found.recipient}"
    if found.channel != "email":
        context = {"mail": found, "message": message, "said": _said(found)}
        title = CHANNELS.get(found.channel, found.channel)
        return show(request, "campaigns/mail.html", title=title, lead=lead, context=context)
    parsed = _parsed(found)
    text = parsed.get_body(("plain",))
    context = {
        "mail": found,
        "message": message,
        "headers": [(name, parsed[name]) for name in HEADERS if parsed[name]],
        "text": text.get_content() if text else "",
    }
    return show(request, "campaigns/mail.html", title=found.subject, lead=lead, context=context)


@page("campaigns.view_inboxmail")
@xframe_options_sameorigin
def html(request: HttpRequest, mail_id: int) -> HttpResponse:
    """The HTML part alone, for the frame: no scripts, no forms, nothing of the site's own."""
    body = _parsed(get_object_or_404(InboxMail, pk=mail_id)).get_body(("html",))
    answer = HttpResponse(body.get_content() if body else "")
    answer["Content-Security-Policy"] = (
        "sandbox allow-popups; default-src 'none'; img-src * data:; style-src 'unsafe-inline'"
    )
    return answer


def _said(found: InboxMail) -> list[tuple[str, str]]:
    """What a message of another channel says, with what it takes on the air."""
    words = bytes(found.raw).decode("utf-8", "replace")
    if found.channel == "sms":
        size = sms.size(words)
        takes = f"{size.segments} × {size.encoding}, {size.left} characters left"
        return [("Text", words), ("Takes", takes)]
    return [(name.title(), value) for name, value in json.loads(words).items() if value]


def _parsed(found: InboxMail) -> EmailMessage:
    parsed = email.message_from_bytes(bytes(found.raw), policy=policy)
    assert isinstance(parsed, EmailMessage)
    return parsed
