"""Lift of segments and of all marketing, what a test can show, and how a campaign is judged."""

from dataclasses import asdict

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns.models import Campaign, Measuring
from campaigns.services import calculator, lifts, measuring
from rapport.api.auth import person
from rapport.api.idempotency import idempotent
from segments.models import Segment

READ = {"GET": "campaigns:read"}
SEE = {"GET": "campaigns.view_campaign"}


class MeasuringSerializer(serializers.ModelSerializer):
    class Meta:
        model = Measuring
        fields = measuring.FIELDS


class CampaignMeasuring(APIView):
    """How a campaign will be judged; can be changed until it is launched."""

    scopes = READ | {"PATCH": "campaigns:write"}
    permissions = SEE | {"PATCH": "campaigns.change_campaign"}

    @extend_schema(responses=MeasuringSerializer)
    def get(self, request: Request, pk: int) -> Response:
        campaign = generics.get_object_or_404(Campaign, pk=pk)
        return Response(MeasuringSerializer(measuring.of(campaign)).data)

    @extend_schema(request=MeasuringSerializer(partial=True), responses=MeasuringSerializer)
    @idempotent
    def patch(self, request: Request, pk: int) -> Response:
        campaign = generics.get_object_or_404(Campaign, pk=pk)
        given = MeasuringSerializer(data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        settled = measuring.decide(
            campaign, user=person(request), now=timezone.now(), **given.validated_data
        )
        return Response(MeasuringSerializer(settled).data)


class CampaignCalculator(APIView):
    """What a test on this audience can show, and how many people an effect takes."""

    scopes, permissions = READ, SEE

    @extend_schema(responses={200: dict})
    def get(self, request: Request, pk: int) -> Response:
        campaign = generics.get_object_or_404(Campaign, pk=pk)
        found = asdict(calculator.plan(campaign, now=timezone.now()))
        endless = float("inf")
        return Response({key: None if value == endless else value for key, value in found.items()})


class SegmentLift(APIView):
    """What all campaigns did to the members of a segment."""

    scopes, permissions = READ, SEE

    @extend_schema(responses={200: dict})
    def get(self, request: Request, pk: int) -> Response:
        segment = generics.get_object_or_404(Segment, pk=pk)
        return Response(lifts.of_segment(segment, now=timezone.now()).as_dict())


class AllMarketingLift(APIView):
    """What all marketing together did, by the global holdout."""

    scopes, permissions = READ, SEE

    @extend_schema(responses={200: dict})
    def get(self, request: Request) -> Response:
        return Response(lifts.of_all_marketing(now=timezone.now()).as_dict())
