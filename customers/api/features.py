"""Features in the API: what each means, and how it is spread over customers."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.features import table
from customers.services import sampling


class FeatureSerializer(serializers.Serializer):
    """What a feature is, as it is declared."""

    name = serializers.CharField()
    topic = serializers.SerializerMethodField()
    kind = serializers.CharField()
    unit = serializers.CharField()
    meaning = serializers.CharField()
    window_days = serializers.IntegerField(allow_null=True)
    ground = serializers.CharField(help_text="The facts it stands on.")
    dtype = serializers.CharField(help_text="int32 is never missing.")

    def get_topic(self, feature: Any) -> str:
        return next(topic for topic, found in table.TOPICS.items() if feature in found)


class FeatureListSerializer(serializers.Serializer):
    results = FeatureSerializer(many=True)


class BinSerializer(serializers.Serializer):
    least = serializers.FloatField()
    most = serializers.FloatField()
    customers = serializers.IntegerField()


class SpreadSerializer(serializers.Serializer):
    """How a feature is spread over customers drawn at random."""

    as_of = serializers.DateTimeField()
    customers = serializers.IntegerField()
    missing = serializers.IntegerField()
    quantiles = serializers.DictField(child=serializers.FloatField())
    bins = BinSerializer(many=True)


class FeatureDetailSerializer(FeatureSerializer):
    spread = SpreadSerializer(required=False)


class Features(APIView):
    """List all features that are computed of every customer."""

    scopes: ClassVar[dict] = {"GET": "scores:read"}
    permissions: ClassVar[dict] = {"GET": "customers.view_customer"}

    @extend_schema(operation_id="features_list", responses=FeatureListSerializer)
    def get(self, request: Request) -> Response:
        return Response(FeatureListSerializer({"results": table.catalogue()}).data)


class FeatureDetail(APIView):
    """One feature, and how it is spread over up to 1,000 customers drawn at random."""

    scopes: ClassVar[dict] = {"GET": "scores:read"}
    permissions: ClassVar[dict] = {"GET": "customers.view_customer"}

    @extend_schema(responses=FeatureDetailSerializer)
    def get(self, request: Request, name: str) -> Response:
        feature = sampling.named(name)
        spread = sampling.spread(feature, now=timezone.now())
        told = FeatureSerializer(feature).data
        return Response({**told, "spread": SpreadSerializer(spread).data})
