"""The development inbox: what would have left."""

import email
from email.message import EmailMessage
from email.policy import default as policy

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.clickjacking import xframe_options_sameorigin

from campaigns.models import InboxMail, Message
from rapport.web import keyset
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show

HEADERS = ("From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe")


@page("campaigns.view_inboxmail")
def inbox(request: HttpRequest) -> HttpResponse:
    found = InboxMail.objects.defer("raw")
    recipient = request.GET.get("to", "").strip()
    if recipient:
        found = found.filter(recipient__istartswith=recipient)
    context = {
        "pages": keyset.page(found, request.GET, by=("-id",)),
        "recipient": recipient,
        "empty": Empty(
            "Nothing has arrived. Without EMAIL_URL, everything that is sent lands here.",
            Link("Campaigns", reverse("campaigns")),
        ),
    }
    lead = f"{str(keyset.count(found)).capitalize()} e-mails that did not leave this machine."
    return show(request, "campaigns/inbox.html", title="Inbox", lead=lead, context=context)


@page("campaigns.view_inboxmail")
def mail(request: HttpRequest, mail_id: int) -> HttpResponse:
    found = get_object_or_404(InboxMail, pk=mail_id)
    parsed = _parsed(found)
    text = parsed.get_body(("plain",))
    message = Message.objects.filter(pk=found.message_id).select_related("campaign").first()
    context = {
        "mail": found,
        "message": message,
        "headers": [(name, parsed[name]) for name in HEADERS if parsed[name]],
        "text": text.get_content() if text else "",
    }
    lead = f"To {found.recipient}"
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


def _parsed(found: InboxMail) -> EmailMessage:
    parsed = email.message_from_bytes(bytes(found.raw), policy=policy)
    assert isinstance(parsed, EmailMessage)
    return parsed
