"""Page addresses. Offers, their pools and the choice among them."""

from django.urls import path

from campaigns.web import offers

urlpatterns = [
    path("offers/", offers.offers, name="offers"),
    path("offers/new/", offers.new, name="offer_new"),
    path("offers/<int:offer_id>/", offers.offer, name="offer"),
    path("offers/<int:offer_id>/edit/", offers.edit, name="offer_edit"),
    path("offers/<int:offer_id>/pool/", offers.pool, name="offer_pool"),
    path("offers/<int:offer_id>/codes/", offers.export, name="offer_codes"),
    path("offers/<int:offer_id>/delete/", offers.delete, name="offer_delete"),
    path("campaigns/<int:campaign_id>/offers/", offers.campaign_offers, name="campaign_offers"),
]
