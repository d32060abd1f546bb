"""Templates, snippets and images; a campaign's preview and the checks before its launch."""

from dataclasses import asdict
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns.api.serializers import CampaignSerializer
from campaigns.models import Campaign, Image, Template
from campaigns.services import checking, images, previews
from campaigns.services import templates as service
from rapport.api.auth import person
from rapport.api.idempotency import idempotent
from rapport.errors import DomainError


class Unwritable(DomainError):
    """A message that cannot be written; the message says why."""

    code = "cannot_be_written"


class TemplateSerializer(serializers.ModelSerializer):
    class Meta:
        model = Template
        fields = ("id", *service.FIELDS, "created_at", "changed_at")
        read_only_fields = ("created_at", "changed_at")
        validators: list = []  # a name that is taken is the service's to refuse
        extra_kwargs = {"name": {"required": True}}


class ImageSerializer(serializers.ModelSerializer):
    url = serializers.SerializerMethodField()

    class Meta:
        model = Image
        fields = ("id", "url", "name", "content_type", "width", "height", "size", "created_at")

    def get_url(self, image: Image) -> str:
        return images.url(image)


class UploadSerializer(serializers.Serializer):
    image = serializers.FileField(help_text="PNG, JPEG, GIF or WebP, at most 5 MB")


class PreviewSerializer(serializers.Serializer):
    customer = serializers.IntegerField(help_text="Whose message")
    language = serializers.CharField(required=False, default=None, help_text="Absent: hers")
    step = serializers.IntegerField(required=False, default=0, min_value=0)
    variant = serializers.IntegerField(required=False, default=None)


class ChecksSerializer(serializers.Serializer):
    links = serializers.BooleanField(required=False, default=False, help_text="Follow its links")


class Templates(generics.ListAPIView):
    """Templates and snippets by name, or a new one."""

    scopes = {"GET": "campaigns:read", "POST": "campaigns:write"}
    permissions = {"GET": "campaigns.view_template", "POST": "campaigns.add_template"}
    queryset = Template.objects.all()
    serializer_class = TemplateSerializer
    filterset_fields = ("kind", "channel")

    @extend_schema(request=TemplateSerializer, responses={201: TemplateSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        made = service.create(**given.validated_data, user=person(request), now=timezone.now())
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)


class TemplateDetail(generics.RetrieveAPIView):
    """One template or snippet."""

    scopes = {"GET": "campaigns:read", "PATCH": "campaigns:write", "DELETE": "campaigns:write"}
    permissions = {
        "GET": "campaigns.view_template",
        "PATCH": "campaigns.change_template",
        "DELETE": "campaigns.delete_template",
    }
    queryset = Template.objects.all()
    serializer_class = TemplateSerializer

    @extend_schema(request=TemplateSerializer(partial=True), responses=TemplateSerializer)
    @idempotent
    def patch(self, request: Request, pk: int) -> Response:
        template = self.get_object()
        given = self.get_serializer(template, data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        changed = service.edit(
            template, **given.validated_data, user=person(request), now=timezone.now()
        )
        return Response(self.get_serializer(changed).data)

    @extend_schema(responses={204: None})
    @idempotent
    def delete(self, request: Request, pk: int) -> Response:
        service.delete(self.get_object(), user=person(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class TemplateStart(APIView):
    """A draft campaign from a template."""

    scopes = {"POST": "campaigns:write"}
    permissions = {"POST": "campaigns.add_campaign"}

    @extend_schema(request=None, responses={201: CampaignSerializer})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        template = generics.get_object_or_404(Template, pk=pk)
        made = service.start(template, user=person(request), now=timezone.now())
        return Response(CampaignSerializer(made).data, status=status.HTTP_201_CREATED)


class Images(generics.ListAPIView):
    """Images of messages, the newest first, or a new one."""

    scopes = {"GET": "campaigns:read", "POST": "campaigns:write"}
    permissions = {"GET": "campaigns.view_image", "POST": "campaigns.add_image"}
    queryset = Image.objects.defer("data")
    serializer_class = ImageSerializer

    def get_parsers(self) -> list:
        return [MultiPartParser()]

    @extend_schema(request=UploadSerializer, responses={201: ImageSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        given = UploadSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        file = given.validated_data["image"]
        if file.size > images.BYTES_MOST:
            raise images.ImageRefused("The file is too large; at most 5 MB.")
        kept = images.keep(
            file.read(), name=file.name or "", user=person(request), now=timezone.now()
        )
        return Response(self.get_serializer(kept).data, status=status.HTTP_201_CREATED)


class _OfCampaign(APIView):
    scopes = {"GET": "campaigns:read"}
    permissions = {"GET": "campaigns.view_campaign"}

    def campaign(self, pk: int) -> Campaign:
        return generics.get_object_or_404(Campaign.objects.select_related("offer"), pk=pk)


class CampaignPreview(_OfCampaign):
    """What one customer would read.  Nothing is sent, counted or given."""

    @extend_schema(parameters=[PreviewSerializer], responses={200: dict})
    def get(self, request: Request, pk: int) -> Response:
        given = PreviewSerializer(data=request.query_params)
        given.is_valid(raise_exception=True)
        asked, campaign, now = given.validated_data, self.campaign(pk), timezone.now()
        try:
            return Response(self._shown(campaign, asked, now))
        except ValueError as error:  # of its texts
            raise Unwritable(str(error)) from error

    def _shown(self, campaign: Campaign, asked: dict[str, Any], now: Any) -> dict[str, Any]:
        if campaign.channel == "sms":
            text, size = previews.preview_text(campaign, asked["customer"], now=now)
            return {"text": text, "size": asdict(size)}
        found = previews.preview(
            campaign,
            asked["customer"],
            now=now,
            step=asked["step"],
            variant_id=asked["variant"],
            language=asked["language"],
        )
        return asdict(found)


class CampaignChecks(_OfCampaign):
    """What to look at before a launch: each with a level (ok, warn, stop) and a sentence."""

    @extend_schema(
        parameters=[OpenApiParameter("links", bool, description="Follow its links too")],
        responses={200: dict},
    )
    def get(self, request: Request, pk: int) -> Response:
        given = ChecksSerializer(data=request.query_params)
        given.is_valid(raise_exception=True)
        found = checking.check(
            self.campaign(pk), timezone.now(), with_links=given.validated_data["links"]
        )
        return Response({"checks": [asdict(one) for one in found]})
