"""Decisions on clusters in the API, each of which a person could make on the page."""

from collections.abc import Callable
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from rapport.api.auth import person
from rapport.api.idempotency import idempotent
from rapport.api.views import JobSerializer
from rapport.errors import NotFound
from segments.api import shapes
from segments.api.serializers import SegmentSerializer
from segments.models import Cluster
from segments.services import clusters as service
from segments.services import splitting

DECIDE = {
    "scopes": {"POST": "segments:write"},
    "permissions": {"POST": "segments.change_cluster"},
}


class Clusters(generics.ListAPIView):
    """Groups that the cluster models found."""

    scopes = {"GET": "models:read"}
    permissions = {"GET": "segments.view_cluster"}
    queryset = Cluster.objects.select_related("segment")
    serializer_class = shapes.ClusterSerializer
    filterset_fields = ("run_id", "state")


class ClusterAccept(APIView):
    """Make a segment of a cluster."""

    scopes, permissions = DECIDE.values()

    @extend_schema(request=shapes.AcceptClusterSerializer, responses={201: SegmentSerializer})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """The answer is the segment, also where the cluster was accepted before."""
        given = _given(shapes.AcceptClusterSerializer, request)
        segment = service.accept(_cluster(pk), **given, **_by(request))
        return Response(SegmentSerializer(segment).data, status=status.HTTP_201_CREATED)


class ClusterRename(APIView):
    """Give an accepted cluster and its segment another name."""

    scopes, permissions = DECIDE.values()

    @extend_schema(request=shapes.RenameClusterSerializer, responses=shapes.ClusterSerializer)
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        given = _given(shapes.RenameClusterSerializer, request)
        return _answer(service.rename(_cluster(pk), **given, **_by(request)))


class ClusterReject(APIView):
    """Put a cluster aside."""

    scopes, permissions = DECIDE.values()

    @extend_schema(request=shapes.DecisionNoteSerializer, responses=shapes.ClusterSerializer)
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Refused while its segment is in use."""
        given = _given(shapes.DecisionNoteSerializer, request)
        return _answer(service.reject(_cluster(pk), **given, **_by(request)))


class ClusterReconsider(APIView):
    """Make a cluster a proposal again that was rejected, or merged into another."""

    scopes, permissions = DECIDE.values()

    @extend_schema(request=None, responses=shapes.ClusterSerializer)
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        found = _cluster(pk)
        undo: Callable[..., Cluster] = service.reconsider
        if found.state == Cluster.State.MERGED:
            undo = service.take_out
        return _answer(undo(found, **_by(request)))


class ClusterSplit(APIView):
    """Part a cluster in two."""

    scopes, permissions = DECIDE.values()

    @extend_schema(request=shapes.DecisionNoteSerializer, responses={202: JobSerializer})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """The answer is the job; in its run the larger part keeps key and segment."""
        given = _given(shapes.DecisionNoteSerializer, request)
        job = splitting.ask(_cluster(pk), **given, **_by(request))
        return Response(JobSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class ClustersMerge(APIView):
    """Make one segment of several clusters."""

    scopes, permissions = DECIDE.values()

    @extend_schema(request=shapes.MergeClustersSerializer, responses={201: SegmentSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        given = _given(shapes.MergeClustersSerializer, request)
        ids = given.pop("clusters")
        found = list(Cluster.objects.filter(pk__in=ids))
        missing = sorted(set(ids) - {one.pk for one in found})
        if missing:
            raise NotFound(f"There is no cluster {', '.join(map(str, missing))}.")
        segment = service.merge(found, **given, **_by(request))
        return Response(SegmentSerializer(segment).data, status=status.HTTP_201_CREATED)


def _cluster(pk: int) -> Cluster:
    return generics.get_object_or_404(Cluster, pk=pk)


def _given(shape: Any, request: Request) -> dict[str, Any]:
    found = shape(data=request.data)
    found.is_valid(raise_exception=True)
    given: dict[str, Any] = found.validated_data
    return given


def _by(request: Request) -> dict[str, Any]:
    return {"user": person(request), "now": timezone.now()}


def _answer(cluster: Cluster) -> Response:
    return Response(shapes.ClusterSerializer(cluster).data)
