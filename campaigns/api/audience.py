"""Sending rules, approvals and pilots in the API."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns import judging
from campaigns.api.serializers import CampaignSerializer
from campaigns.models import Approval, Campaign, SendingPolicy
from campaigns.services import approving, pilots, policy
from rapport.api.auth import person
from rapport.api.idempotency import idempotent

READ, WRITE, LAUNCH = "campaigns:read", "campaigns:write", "campaigns:launch"


class SendingRulesSerializer(serializers.ModelSerializer):
    class Meta:
        model = SendingPolicy
        fields = (
            "version",
            "quiet_hours",
            "caps",
            "holdout_share",
            "holdout_since",
            "approval_above",
            "costs",
            "small_people",
            "small_segments_most",
            "changed_at",
        )
        read_only_fields = ("holdout_since", "changed_at")
        extra_kwargs = {"version": {"required": False, "help_text": "What you were looking at"}}  # noqa: RUF012


class CampaignApprovalSerializer(serializers.ModelSerializer):
    asked_by = serializers.StringRelatedField()
    decided_by = serializers.StringRelatedField()

    class Meta:
        model = Approval
        fields = (
            "id",
            "campaign_id",
            "verdict",
            "audience",
            "note",
            "asked_by",
            "asked_at",
            "decided_by",
            "decided_at",
        )


class DecisionSerializer(serializers.Serializer):
    is_approved = serializers.BooleanField()
    note = serializers.CharField(required=False, allow_blank=True, max_length=300, default="")


class SendingRules(APIView):
    """Quiet hours, caps, the global holdout, approval and costs."""

    scopes = {"GET": READ, "PATCH": LAUNCH}
    permissions = {"GET": "campaigns.view_campaign", "PATCH": "campaigns.change_sendingpolicy"}

    @extend_schema(responses=SendingRulesSerializer)
    def get(self, request: Request) -> Response:
        return Response(SendingRulesSerializer(judging.policy()).data)

    @extend_schema(request=SendingRulesSerializer(partial=True), responses=SendingRulesSerializer)
    @idempotent
    def patch(self, request: Request) -> Response:
        given = SendingRulesSerializer(data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        found = policy.change(**given.validated_data, user=person(request), now=timezone.now())
        return Response(SendingRulesSerializer(found).data)


class Approvals(generics.ListAPIView):
    """Campaigns that wait for a second person, the oldest question first."""

    scopes = {"GET": READ}
    permissions = {"GET": "campaigns.view_campaign"}
    serializer_class = CampaignApprovalSerializer
    queryset = Approval.objects.all()

    def get_queryset(self) -> Any:
        return approving.waiting().order_by("pk")


class CampaignApproval(APIView):
    """The latest question about a campaign, or a new one."""

    scopes = {"GET": READ, "POST": WRITE}
    permissions = {"GET": "campaigns.view_campaign", "POST": "campaigns.change_campaign"}

    @extend_schema(responses=CampaignApprovalSerializer)
    def get(self, request: Request, pk: int) -> Response:
        rows = Approval.objects.filter(campaign_id=pk).order_by("-pk")
        if (found := rows.first()) is None:
            return Response(status=status.HTTP_404_NOT_FOUND)
        return Response(CampaignApprovalSerializer(found).data)

    @extend_schema(request=None, responses={201: CampaignApprovalSerializer})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        campaign = generics.get_object_or_404(Campaign, pk=pk)
        found = approving.ask(campaign, user=person(request), now=timezone.now())
        return Response(CampaignApprovalSerializer(found).data, status=status.HTTP_201_CREATED)


class CampaignDecision(APIView):
    """The answer of a second person; a key has none."""

    scopes = {"POST": LAUNCH}
    permissions = {"POST": "campaigns.launch_campaign"}

    @extend_schema(request=DecisionSerializer, responses=CampaignApprovalSerializer)
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        given = DecisionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        question = generics.get_object_or_404(
            Approval, campaign_id=pk, verdict=Approval.Verdict.WAITING
        )
        found = approving.decide(
            question, **given.validated_data, user=person(request), now=timezone.now()
        )
        return Response(CampaignApprovalSerializer(found).data)


class CampaignScale(APIView):
    """Write to the rest after a pilot, once."""

    scopes = {"POST": LAUNCH}
    permissions = {"POST": "campaigns.launch_campaign"}

    @extend_schema(request=None, responses=CampaignSerializer)
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        campaign = generics.get_object_or_404(Campaign, pk=pk)
        pilots.scale(campaign, user=person(request), now=timezone.now())
        return Response(CampaignSerializer(campaign).data)
