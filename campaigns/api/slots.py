"""Slots and their contents in the API."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns.models import Offer, Slot, SlotContent
from campaigns.services import slots as service
from rapport.api.auth import person
from rapport.api.idempotency import idempotent
from segments.models import Segment

READ, WRITE = "campaigns:read", "campaigns:write"


class SlotContentSerializer(serializers.ModelSerializer):
    segment = serializers.SlugRelatedField(
        slug_field="key", queryset=Segment.objects.all(), allow_null=True, required=False
    )
    offer = serializers.PrimaryKeyRelatedField(
        queryset=Offer.objects.all(), allow_null=True, required=False
    )

    class Meta:
        model = SlotContent
        fields = (
            "id",
            "name",
            "priority",
            "segment",
            "offer",
            "title",
            "body",
            "starts_at",
            "ends_at",
            "state",
            "version",
            "created_at",
            "changed_at",
        )
        read_only_fields = ("version", "created_at", "changed_at")


class SlotSerializer(serializers.ModelSerializer):
    contents = SlotContentSerializer(many=True, read_only=True)

    class Meta:
        model = Slot
        fields = (
            "id",
            "key",
            "name",
            "state",
            "holdout_share",
            "contents",
            "created_at",
            "changed_at",
        )
        read_only_fields = ("created_at", "changed_at")
        # The service says what is wrong with a key, one that is taken included.
        extra_kwargs: dict[str, Any] = {"key": {"validators": []}, "name": {"required": False}}


class Slots(generics.ListAPIView):
    """Slots with their contents, or a new slot."""

    scopes = {"GET": READ, "POST": WRITE}
    permissions = {"GET": "campaigns.view_slot", "POST": "campaigns.add_slot"}
    queryset = Slot.objects.prefetch_related("contents__segment")
    serializer_class = SlotSerializer
    filterset_fields = ("key", "state")

    @extend_schema(request=SlotSerializer, responses={201: SlotSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        slot = service.create(**given.validated_data, user=person(request), now=timezone.now())
        return Response(self.get_serializer(slot).data, status=status.HTTP_201_CREATED)


class SlotDetail(generics.RetrieveAPIView):
    """One slot with its contents; changed in place, or removed."""

    scopes = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}
    permissions = {
        "GET": "campaigns.view_slot",
        "PATCH": "campaigns.change_slot",
        "DELETE": "campaigns.delete_slot",
    }
    queryset = Slot.objects.prefetch_related("contents__segment")
    serializer_class = SlotSerializer

    @extend_schema(request=SlotSerializer(partial=True), responses=SlotSerializer)
    @idempotent
    def patch(self, request: Request, pk: int) -> Response:
        slot = self.get_object()
        given = self.get_serializer(slot, data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        service.edit(slot, **given.validated_data, user=person(request), now=timezone.now())
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        service.delete(self.get_object(), user=person(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class SlotContents(APIView):
    """A new content of a slot."""

    scopes = {"POST": WRITE}
    permissions = {"POST": "campaigns.change_slot"}

    @extend_schema(request=SlotContentSerializer, responses={201: SlotContentSerializer})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        slot = generics.get_object_or_404(Slot, pk=pk)
        given = SlotContentSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        content = service.add_content(
            slot, **given.validated_data, user=person(request), now=timezone.now()
        )
        return Response(SlotContentSerializer(content).data, status=status.HTTP_201_CREATED)


class SlotContentDetail(APIView):
    """One content of a slot; changed in place, or removed."""

    scopes = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}
    permissions = {
        "GET": "campaigns.view_slot",
        "PATCH": "campaigns.change_slot",
        "DELETE": "campaigns.change_slot",
    }

    def content(self, pk: int, content_pk: int) -> SlotContent:
        return generics.get_object_or_404(SlotContent, pk=content_pk, slot_id=pk)

    @extend_schema(responses=SlotContentSerializer)
    def get(self, request: Request, pk: int, content_pk: int) -> Response:
        return Response(SlotContentSerializer(self.content(pk, content_pk)).data)

    @extend_schema(request=SlotContentSerializer(partial=True), responses=SlotContentSerializer)
    @idempotent
    def patch(self, request: Request, pk: int, content_pk: int) -> Response:
        content = self.content(pk, content_pk)
        given = SlotContentSerializer(content, data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        service.edit_content(
            content, **given.validated_data, user=person(request), now=timezone.now()
        )
        return Response(SlotContentSerializer(content).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int, content_pk: int) -> Response:
        service.delete_content(
            self.content(pk, content_pk), user=person(request), now=timezone.now()
        )
        return Response(status=status.HTTP_204_NO_CONTENT)
