"""Mail servers, sending rates and warm-up plans in the API."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns.models import MailServer, SendingLimit, WarmUp
from campaigns.services import rates
from campaigns.services import servers as service
from rapport.api.auth import person
from rapport.api.idempotency import idempotent

READ, WRITE = "campaigns:read", "senders:write"


class MailServerSerializer(serializers.ModelSerializer):
    password = serializers.CharField(
        write_only=True,
        required=False,
        trim_whitespace=False,
        help_text="Or the provider's token. Kept sealed, never told; absent: as it was",
    )

    class Meta:
        model = MailServer
        fields = ("id", *service.FIELDS, "password", "created_at", "changed_at")
        read_only_fields = ("created_at", "changed_at")
        # The service says what is wrong with a name, one that is taken included.
        extra_kwargs: dict[str, Any] = {"name": {"validators": []}}


class SendingLimitSerializer(serializers.ModelSerializer):
    class Meta:
        model = SendingLimit
        fields = ("channel", "domain", "per_second", "per_hour")
        validators: list = []  # setting a limit again changes it


class WarmUpSerializer(serializers.ModelSerializer):
    class Meta:
        model = WarmUp
        fields = ("domain", "starts_on", "first_day", "growth", "until")
        extra_kwargs: dict[str, Any] = {"domain": {"validators": []}}


class TestedSerializer(serializers.Serializer):
    is_ready = serializers.BooleanField()
    reason = serializers.CharField(help_text="Why it cannot be used; empty when all is well")


class MailServers(generics.ListAPIView):
    """Mail servers set up on the page, or a new one; passwords are never told."""

    scopes = {"GET": READ, "POST": WRITE}
    permissions = {"GET": "campaigns.view_campaign", "POST": "campaigns.add_mailserver"}
    queryset = MailServer.objects.defer("password").order_by("id")
    serializer_class = MailServerSerializer

    @extend_schema(request=MailServerSerializer, responses={201: MailServerSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        made = service.create(**given.validated_data, user=person(request), now=timezone.now())
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)


class MailServerDetail(generics.RetrieveAPIView):
    """One mail server; changed in place, or removed."""

    scopes = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}
    permissions = {
        "GET": "campaigns.view_campaign",
        "PATCH": "campaigns.change_mailserver",
        "DELETE": "campaigns.delete_mailserver",
    }
    queryset = MailServer.objects.defer("password")
    serializer_class = MailServerSerializer

    @extend_schema(request=MailServerSerializer(partial=True), responses=MailServerSerializer)
    @idempotent
    def patch(self, request: Request, pk: int) -> Response:
        found = self.get_object()
        given = self.get_serializer(found, data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        service.edit(found, **given.validated_data, user=person(request), now=timezone.now())
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        service.delete(self.get_object(), user=person(request), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class MailServerTest(APIView):
    """Connect to a mail server and log in, without sending anything."""

    scopes = {"POST": WRITE}
    permissions = {"POST": "campaigns.change_mailserver"}

    @extend_schema(request=None, responses=TestedSerializer)
    def post(self, request: Request, pk: int) -> Response:
        reason = service.test(
            generics.get_object_or_404(MailServer.objects.defer("password"), pk=pk)
        )
        return Response({"is_ready": not reason, "reason": reason})


class SendingLimits(generics.ListAPIView):
    """Sending rates; POST sets the one of a channel and domain, without a rate it removes it."""

    scopes = {"GET": READ, "POST": WRITE}
    permissions = {"GET": "campaigns.view_campaign", "POST": "campaigns.change_sendinglimit"}
    queryset = SendingLimit.objects.order_by("id")
    serializer_class = SendingLimitSerializer

    @extend_schema(request=SendingLimitSerializer, responses=SendingLimitSerializer)
    @idempotent
    def post(self, request: Request) -> Response:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        fields = {"channel": "email", "per_second": None, "per_hour": None, **given.validated_data}
        limit = rates.set_limit(**fields, user=person(request), now=timezone.now())
        return Response(self.get_serializer(limit).data if limit else fields)


class WarmUps(generics.ListAPIView):
    """Warm-up plans; POST sets the one of a sending domain."""

    scopes = {"GET": READ, "POST": WRITE}
    permissions = {"GET": "campaigns.view_campaign", "POST": "campaigns.change_sendinglimit"}
    queryset = WarmUp.objects.order_by("id")
    serializer_class = WarmUpSerializer

    @extend_schema(request=WarmUpSerializer, responses=WarmUpSerializer)
    @idempotent
    def post(self, request: Request) -> Response:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        usual = {"first_day": 200, "growth": 1.5, "until": 100_000}
        fields = {**usual, **given.validated_data}
        plan = rates.set_warm_up(**fields, user=person(request), now=timezone.now())
        return Response(self.get_serializer(plan).data)
