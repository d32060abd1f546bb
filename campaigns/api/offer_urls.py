"""API addresses. Offers, their pools and the choice among them."""

from django.urls import path

from campaigns.api import offers

urlpatterns = [
    path("offers/", offers.Offers.as_view(), name="offers"),
    path("offers/<int:pk>/", offers.OfferDetail.as_view(), name="offer"),
    path("offers/<int:pk>/pool/", offers.OfferPool.as_view(), name="offer-pool"),
    path("campaigns/<int:pk>/offers/", offers.CampaignOffers.as_view(), name="campaign-offers"),
]
