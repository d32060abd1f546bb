"""Offers, their pools, and the choice among them."""

from dataclasses import asdict

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns.models import Campaign, Offer
from campaigns.services import offer_choice, offer_rows
from campaigns.services import offers as service
from rapport.api.auth import person
from rapport.api.idempotency import idempotent

READ, WRITE = "campaigns:read", "campaigns:write"
CODES_MOST = 10_000  # in one call


class OfferSerializer(serializers.ModelSerializer):
    left = serializers.SerializerMethodField(help_text="People it may still be given to; null: all")

    class Meta:
        model = Offer
        fields = (
            "id", "name", *service.TERMS, *service.LIMITS, *service.OTHER, "left", "created_at"
        )  # fmt: skip
        read_only_fields = ("created_at",)

    def get_left(self, offer: Offer) -> int | None:
        return offer_rows.left(offer, now=timezone.now())


class PoolSerializer(serializers.Serializer):
    codes = serializers.ListField(
        child=serializers.CharField(max_length=60), max_length=CODES_MOST, required=False
    )
    count = serializers.IntegerField(min_value=1, max_value=CODES_MOST, required=False)

    def validate(self, attrs: dict) -> dict:
        if ("codes" in attrs) == ("count" in attrs):
            raise serializers.ValidationError("Give either codes or a count of codes to make.")
        return attrs


class ChoiceSerializer(serializers.Serializer):
    offers = serializers.PrimaryKeyRelatedField(
        many=True,
        queryset=Offer.objects.all(),
        help_text="At least two, or none",
    )


class Offers(generics.ListAPIView):
    """Offers, the newest last, or a new one."""

    scopes = {"GET": READ, "POST": WRITE}
    permissions = {"GET": "campaigns.view_offer", "POST": "campaigns.add_offer"}
    queryset = Offer.objects.all()
    serializer_class = OfferSerializer

    @extend_schema(request=OfferSerializer, responses={201: OfferSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        offer = service.create(**given.validated_data, user=person(request), now=timezone.now())
        return Response(self.get_serializer(offer).data, status=status.HTTP_201_CREATED)


class OfferDetail(generics.RetrieveAPIView):
    """One offer; its limits can be changed at any time, its terms until codes are out."""

    scopes = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}
    permissions = {
        "GET": "campaigns.view_offer",
        "PATCH": "campaigns.change_offer",
        "DELETE": "campaigns.delete_offer",
    }
    queryset = Offer.objects.all()
    serializer_class = OfferSerializer

    @extend_schema(request=OfferSerializer(partial=True), responses=OfferSerializer)
    @idempotent
    def patch(self, request: Request, pk: int) -> Response:
        offer = self.get_object()
        given = self.get_serializer(offer, data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        service.edit(offer, **given.validated_data, user=person(request))
        return Response(self.get_serializer(offer).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        service.delete(self.get_object(), user=person(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class OfferPool(APIView):
    """Put codes into a pool: the shop's own, or so many made here."""

    scopes = {"POST": WRITE}
    permissions = {"POST": "campaigns.change_offer"}

    @extend_schema(request=PoolSerializer, responses={201: dict})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        offer = generics.get_object_or_404(Offer, pk=pk)
        given = PoolSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        user, now = person(request), timezone.now()
        if "count" in given.validated_data:
            made = service.make_pool(offer, given.validated_data["count"], user=user, now=now)
            report = service.PoolReport(made, 0, (), 0)
        else:
            report = service.fill_pool(offer, given.validated_data["codes"], user=user, now=now)
        return Response(asdict(report), status=status.HTTP_201_CREATED)


class CampaignOffers(APIView):
    """The offers among which the best is chosen for each person, and what that is worth."""

    scopes = {"GET": READ, "PUT": WRITE}
    permissions = {"GET": "campaigns.view_campaign", "PUT": "campaigns.change_campaign"}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, pk: int) -> Response:
        return self.answer(generics.get_object_or_404(Campaign, pk=pk))

    @extend_schema(request=ChoiceSerializer, responses={200: dict})
    @idempotent
    def put(self, request: Request, pk: int) -> Response:
        campaign = generics.get_object_or_404(Campaign, pk=pk)
        given = ChoiceSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        offers = given.validated_data["offers"]
        service.choose_among(campaign, offers, user=person(request), now=timezone.now())
        return self.answer(campaign)

    def answer(self, campaign: Campaign) -> Response:
        report = offer_choice.rehearse(campaign, now=timezone.now())
        ids = campaign.offer_candidates.order_by("offer_id").values_list("offer_id", flat=True)
        return Response({"offers": list(ids), "expected": asdict(report) if report else None})
