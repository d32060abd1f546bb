"""Transactional sends."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns.models import Campaign, Message
from campaigns.services import transactional
from rapport.api.idempotency import HEADER, idempotent
from rapport.errors import DomainError


class KeyMissing(DomainError):
    code = "idempotency_key_missing"


class TransactionalSerializer(serializers.Serializer):
    """To whom, by one of three ways, and what the texts may say."""

    customer_id = serializers.IntegerField(required=False, min_value=1)
    external_id = serializers.CharField(required=False, max_length=200)
    source = serializers.CharField(
        required=False, default="", max_length=40, help_text="Of the external id"
    )
    address = serializers.CharField(
        required=False,
        default="",
        max_length=254,
        help_text="An e-mail address or a number in E.164; made known where it is not",
    )
    values = serializers.DictField(
        required=False, default=dict, help_text="`event` in the campaign's texts"
    )


class SentSerializer(serializers.ModelSerializer):
    """What became of it so far."""

    class Meta:
        model = Message
        fields = ("id", "campaign_id", "customer_id", "channel", "state", "reason", "sent_at")


class Transactional(APIView):
    """Send one message of a transactional campaign.  A repeat is answered as the first was."""

    scopes = {"POST": "campaigns:send"}
    permissions = {"POST": "campaigns.launch_campaign"}

    @extend_schema(
        request=TransactionalSerializer,
        responses={202: SentSerializer},
        parameters=[OpenApiParameter(HEADER, str, OpenApiParameter.HEADER, required=True)],
    )
    def post(self, request: Request, pk: int) -> Response:
        if not request.headers.get(HEADER):
            raise KeyMissing(
                f"A send needs the header {HEADER}, to know a repeat by."
            )
        return self.send(request, pk)

    @idempotent
    def send(self, request: Request, pk: int) -> Response:
        campaign = generics.get_object_or_404(Campaign, pk=pk)
        given = TransactionalSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        message = transactional.send(campaign, **given.validated_data, now=timezone.now())
        return Response(SentSerializer(message).data, status=status.HTTP_202_ACCEPTED)


class TransactionalMessage(generics.RetrieveAPIView):
    """One message that was asked for: its state by now."""

    scopes = {"GET": "campaigns:send"}
    permissions = {"GET": "campaigns.view_message"}
    serializer_class = SentSerializer
    queryset = Message.objects.filter(campaign__kind=Campaign.Kind.TRANSACTIONAL)
