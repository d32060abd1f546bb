"""Transactional sends, and questions whether somebody wants to be written to."""

from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns.models import Campaign, Message
from campaigns.services import ad_export, opt_in, transactional
from campaigns.web import public_words
from campaigns.web.ad_export import answer
from rapport.api.idempotency import HEADER, idempotent
from rapport.errors import DomainError
from segments.models import Segment


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
            raise KeyMissing(f"A send needs the header {HEADER}, to know a repeat by.")
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


class OptInSerializer(serializers.Serializer):
    """Whom to ask, and what she was shown."""

    customer_id = serializers.IntegerField(required=False, min_value=1)
    email = serializers.EmailField(required=False, default="")
    topics = serializers.ListField(
        child=serializers.CharField(max_length=40), required=False, default=list, max_length=20
    )
    source = serializers.CharField(max_length=40, help_text="Where she asked for it")
    proof_text = serializers.CharField(max_length=2_000, help_text="What she was shown")
    proof_url = serializers.URLField(required=False, default="")
    proof_ip = serializers.IPAddressField(required=False, allow_null=True, default=None)
    language = serializers.CharField(required=False, default="", max_length=10)


class AskedSerializer(serializers.Serializer):
    """Whether a mail asks her; it does not where she agreed already or was asked just now."""

    is_asked = serializers.BooleanField()
    expires_at = serializers.DateTimeField(allow_null=True)


class OptIns(APIView):
    """Ask by mail whether somebody really wants to be written to; her yes is a button."""

    scopes = {"POST": "consent:write"}
    permissions = {"POST": "campaigns.launch_campaign"}

    @extend_schema(request=OptInSerializer, responses={202: AskedSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        given = OptInSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        data, now = dict(given.validated_data), timezone.now()
        language = public_words.chosen(data.pop("language"))
        asked = opt_in.ask(
            keys=data.pop("topics") or opt_in.default_keys(),
            words=public_words.opt_in_mail(language, until=now + opt_in.VALID),
            language=language,
            now=now,
            **data,
        )
        shown = {"is_asked": asked is not None, "expires_at": asked and asked.expires_at}
        return Response(shown, status=status.HTTP_202_ACCEPTED)


class AdExport(APIView):
    """The members who agreed to advertising, as fingerprints of their addresses (CSV)."""

    scopes = {"POST": "customers:export"}
    permissions = {"POST": "customers.export_customer"}

    @extend_schema(
        request=None,
        responses={(200, "text/csv"): str},
        parameters=[OpenApiParameter("platform", str, enum=list(ad_export.PLATFORMS))],
    )
    def post(self, request: Request, key: str) -> StreamingHttpResponse:
        segment = generics.get_object_or_404(Segment, key=key)
        platform = request.query_params.get("platform", "meta")
        return answer(segment, platform, user=request.user)
