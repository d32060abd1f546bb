"""Page addresses of campaigns."""

from django.urls import path

from campaigns.web import editing, inbox, lists, offers, running, slots, uplift

urlpatterns = [
    path("campaigns/", lists.campaigns, name="campaigns"),
    path("campaigns/new/", editing.new, name="campaign_new"),
    path("campaigns/preview/", editing.draft_preview, name="campaign_draft_preview"),
    path("campaigns/<int:campaign_id>/", running.campaign, name="campaign"),
    path("campaigns/<int:campaign_id>/edit/", editing.edit, name="campaign_edit"),
    path("campaigns/<int:campaign_id>/test/", editing.test, name="campaign_test"),
    path("campaigns/<int:campaign_id>/copy/", editing.copy, name="campaign_copy"),
    path("campaigns/<int:campaign_id>/delete/", editing.delete, name="campaign_delete"),
    path("campaigns/<int:campaign_id>/launch/", running.launch, name="campaign_launch"),
    path("campaigns/<int:campaign_id>/move/", running.move, name="campaign_move"),
    path("campaigns/<int:campaign_id>/messages/", lists.messages, name="campaign_messages"),
    path("campaigns/<int:campaign_id>/uplift/", uplift.campaign_uplift, name="campaign_uplift"),
    path("offers/", offers.offers, name="offers"),
    path("offers/new/", offers.new, name="offer_new"),
    path("website/", slots.website, name="website"),
    path("website/preview/", slots.preview, name="slot_preview"),
    path("website/slots/new/", slots.new, name="slot_new"),
    path("website/slots/<int:slot_id>/", slots.slot, name="slot"),
    path("website/slots/<int:slot_id>/delete/", slots.delete, name="slot_delete"),
    path("website/slots/<int:slot_id>/contents/new/", slots.content_new, name="slot_content_new"),
    path("website/contents/<int:content_id>/", slots.content, name="slot_content"),
    path(
        "website/contents/<int:content_id>/delete/",
        slots.content_delete,
        name="slot_content_delete",
    ),
    path("lift/", lists.lift, name="lift"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/<int:mail_id>/", inbox.mail, name="inbox_mail"),
    path("inbox/<int:mail_id>/html/", inbox.html, name="inbox_html"),
]
