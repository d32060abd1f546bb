"""Merges in the API: which were made, make one, undo one, and which handles were refused."""

from typing import ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.models import Customer, Merge, RefusedClaim
from customers.services import identity
from rapport.api.idempotency import idempotent


class MergeSerializer(serializers.ModelSerializer):
    class Meta:
        model = Merge
        fields = (
            "id",
            "survivor_id",
            "merged_id",
            "rule",
            "reason",
            "moved",
            "merged_at",
            "undone_at",
            "is_undoable",
        )


class NewMergeSerializer(serializers.Serializer):
    """Which profile survives, and which becomes part of it."""

    survivor_id = serializers.IntegerField(min_value=1)
    merged_id = serializers.IntegerField(min_value=1)
    reason = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


class RefusedClaimSerializer(serializers.ModelSerializer):
    class Meta:
        model = RefusedClaim
        fields = (
            "id",
            "kind",
            "source",
            "value",
            "reason",
            "customer_id",
            "holder_id",
            "first_at",
            "last_at",
        )


class MergeFilter(django_filters.FilterSet):
    survivor_id = django_filters.NumberFilter()
    merged_id = django_filters.NumberFilter()
    rule = django_filters.ChoiceFilter(choices=Merge.Rule.choices)


class Merges(generics.ListAPIView):
    """List merges, the newest first, or make one."""

    scopes: ClassVar[dict] = {"GET": "customers:read", "POST": "customers:write"}
    permissions: ClassVar[dict] = {"GET": "customers.view_merge", "POST": "customers.add_merge"}
    queryset = Merge.objects.all()
    serializer_class = MergeSerializer
    filterset_class = MergeFilter

    @extend_schema(request=NewMergeSerializer, responses={201: MergeSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Let one customer become part of another, with all that belongs to them."""
        given = NewMergeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        words = given.validated_data
        made = identity.merge(
            words["survivor_id"],
            words["merged_id"],
            rule=Merge.Rule.PERSON,
            reason=words["reason"],
            now=timezone.now(),
            user=request.user,
        )
        return Response(MergeSerializer(made).data, status=status.HTTP_201_CREATED)


class MergeDetail(generics.RetrieveAPIView):
    """One merge."""

    scopes: ClassVar[dict] = {"GET": "customers:read"}
    permissions: ClassVar[dict] = {"GET": "customers.view_merge"}
    queryset = Merge.objects.all()
    serializer_class = MergeSerializer


class MergeUndo(APIView):
    """Take two profiles apart again."""

    scopes: ClassVar[dict] = {"POST": "customers:write"}
    permissions: ClassVar[dict] = {"POST": "customers.change_merge"}
    queryset: QuerySet = Merge.objects.all()

    @extend_schema(request=None, responses=MergeSerializer)
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        merge = generics.get_object_or_404(self.queryset, pk=pk)
        undone = identity.undo(merge, now=timezone.now(), user=request.user)
        return Response(MergeSerializer(undone).data)


class RefusedClaims(generics.ListAPIView):
    """Handles that were claimed and not given, the newest first."""

    scopes: ClassVar[dict] = {"GET": "customers:read"}
    permissions: ClassVar[dict] = {"GET": "customers.view_refusedclaim"}
    queryset = RefusedClaim.objects.all()
    serializer_class = RefusedClaimSerializer
    filterset_fields = ("kind", "reason", "customer_id", "holder_id")


def surviving_object(queryset: QuerySet[Customer], pk: int) -> Customer:
    """The customer that an id leads to today, or 404."""
    return generics.get_object_or_404(queryset, pk=identity.surviving(pk))
