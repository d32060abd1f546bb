"""Campaigns from draft to report."""

from dataclasses import asdict
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns.api import serializers
from campaigns.models import Campaign, Message
from campaigns.services import audience, delivery, planning, reports, retrying
from campaigns.services import campaigns as service
from rapport.api.auth import person
from rapport.api.idempotency import idempotent

EDITABLE = {"GET": "campaigns.view_campaign", "PATCH": "campaigns.change_campaign"}


class Campaigns(generics.ListAPIView):
    """Campaigns, the newest first, or a new draft."""

    scopes = {"GET": "campaigns:read", "POST": "campaigns:write"}
    permissions = {"GET": "campaigns.view_campaign", "POST": "campaigns.add_campaign"}
    queryset = Campaign.objects.prefetch_related("included", "excluded", "variants")
    serializer_class = serializers.CampaignSerializer
    filterset_fields = ("state", "kind")

    @extend_schema(
        request=serializers.CampaignSerializer, responses={201: serializers.CampaignSerializer}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        campaign = service.create(**given.validated_data, user=person(request), now=timezone.now())
        return Response(self.get_serializer(campaign).data, status=status.HTTP_201_CREATED)


class CampaignDetail(generics.RetrieveAPIView):
    """One campaign; a draft can be changed."""

    scopes = {"GET": "campaigns:read", "PATCH": "campaigns:write"}
    permissions = EDITABLE
    queryset = Campaign.objects.prefetch_related("included", "excluded", "variants")
    serializer_class = serializers.CampaignSerializer

    @extend_schema(
        request=serializers.CampaignSerializer(partial=True),
        responses=serializers.CampaignSerializer,
    )
    @idempotent
    def patch(self, request: Request, pk: int) -> Response:
        campaign = self.get_object()
        given = self.get_serializer(campaign, data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        service.edit(campaign, **given.validated_data, user=person(request), now=timezone.now())
        return Response(self.get_serializer(self.get_object()).data)


class _OfCampaign(APIView):
    """Something of one campaign, which must exist."""

    scopes = {"GET": "campaigns:read"}
    permissions = {"GET": "campaigns.view_campaign"}

    def campaign(self, pk: int) -> Campaign:
        return generics.get_object_or_404(Campaign, pk=pk)


class _Act(_OfCampaign):
    """Something done to a campaign; the answer is the campaign."""

    scopes = {"POST": "campaigns:launch"}
    permissions = {"POST": "campaigns.launch_campaign"}

    def answer(self, pk: int) -> Response:
        return Response(serializers.CampaignSerializer(self.campaign(pk)).data)


class CampaignLaunch(_Act):
    """Send now, or at a time."""

    @extend_schema(request=serializers.LaunchSerializer, responses=serializers.CampaignSerializer)
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        given = serializers.LaunchSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        at, now, user = given.validated_data.get("at"), timezone.now(), person(request)
        if at:
            planning.schedule(self.campaign(pk), at=at, user=user, now=now)
        else:
            planning.launch(self.campaign(pk), user=user, now=now)
        return self.answer(pk)


class _Move(_Act):
    """One change of a campaign's state, with a reason."""

    def move(self, campaign: Campaign, **given: Any) -> None:
        raise NotImplementedError

    @extend_schema(request=serializers.PauseSerializer, responses=serializers.CampaignSerializer)
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        given = serializers.PauseSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        self.move(
            self.campaign(pk),
            user=person(request),
            now=timezone.now(),
            reason=given.validated_data["reason"],
        )
        return self.answer(pk)


class CampaignPause(_Move):
    """Stop handing over within two seconds; nothing is lost."""

    def move(self, campaign: Campaign, **given: Any) -> None:
        delivery.pause(campaign, **given)


class CampaignResume(_Move):
    """Go on where it stopped."""

    def move(self, campaign: Campaign, **given: Any) -> None:
        delivery.resume(campaign, **given)


class CampaignCancel(_Move):
    """Never send what has not left yet."""

    def move(self, campaign: Campaign, **given: Any) -> None:
        delivery.cancel(campaign, **given)


class CampaignRetry(_OfCampaign):
    """Send again what failed for one reason."""

    scopes = {"POST": "campaigns:launch"}
    permissions = {"POST": "campaigns.launch_campaign"}

    @extend_schema(request=serializers.RetrySerializer, responses=serializers.RetriedSerializer)
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        given = serializers.RetrySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        planned = retrying.retry(
            self.campaign(pk), **given.validated_data, user=person(request), now=timezone.now()
        )
        return Response({"planned": planned})


class CampaignDryRun(_OfCampaign):
    """Who would hear of it, who not and why, if it were launched now."""

    @extend_schema(responses={200: dict})
    def get(self, request: Request, pk: int) -> Response:
        return Response(asdict(audience.dry_run(self.campaign(pk), now=timezone.now())))


class CampaignReport(_OfCampaign):
    """What it did, against the people left alone."""

    @extend_schema(responses={200: dict})
    def get(self, request: Request, pk: int) -> Response:
        return Response(asdict(reports.report(self.campaign(pk), now=timezone.now())))


class CampaignMessages(generics.ListAPIView):
    """The ledger: one row a person, with state and reason."""

    scopes = {"GET": "campaigns:read"}
    permissions = {"GET": "campaigns.view_message"}
    serializer_class = serializers.MessageSerializer
    filterset_fields = ("state", "reason", "customer_id")
    queryset = Message.objects.all()

    def get_queryset(self):
        return super().get_queryset().filter(campaign_id=self.kwargs.get("pk"))
