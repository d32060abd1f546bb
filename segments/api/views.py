"""Segments with their members, previews and reasons; scores; models and their training."""

from dataclasses import asdict

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.models import Customer
from rapport import bells, runs
from rapport.api.auth import person
from rapport.api.idempotency import idempotent
from rapport.api.views import JobSerializer
from segments.api import serializers
from segments.models import ModelRun, Score, Segment
from segments.services import as_code, preview, why
from segments.services import segments as service
from segments.tasks import retrain

READ = {"scopes": {"GET": "segments:read"}, "permissions": {"GET": "segments.view_segment"}}


class Segments(generics.ListAPIView):
    """Segments, the newest first, or a new one."""

    scopes = {"GET": "segments:read", "POST": "segments:write"}
    permissions = {"GET": "segments.view_segment", "POST": "segments.add_segment"}
    queryset = Segment.objects.all()
    serializer_class = serializers.SegmentSerializer
    filterset_fields = ("state", "is_ready_made")

    @extend_schema(
        request=serializers.NewSegmentSerializer,
        responses={201: serializers.SegmentSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Create a segment; a rule that cannot be read is refused with every fault at once."""
        given = serializers.NewSegmentSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        segment = service.create(**given.validated_data, user=person(request), now=timezone.now())
        return Response(self.get_serializer(segment).data, status=status.HTTP_201_CREATED)


class SegmentDetail(generics.RetrieveAPIView):
    """One segment, by its key."""

    scopes = {"GET": "segments:read", "PATCH": "segments:write", "DELETE": "segments:write"}
    permissions = {
        "GET": "segments.view_segment",
        "PATCH": "segments.change_segment",
        "DELETE": "segments.delete_segment",
    }
    queryset = Segment.objects.all()
    serializer_class = serializers.SegmentSerializer
    lookup_field = "key"

    @extend_schema(
        request=serializers.SegmentChangeSerializer, responses=serializers.SegmentSerializer
    )
    @idempotent
    def patch(self, request: Request, key: str) -> Response:
        """Change name, description or rule; a changed rule is evaluated for everybody again."""
        given = serializers.SegmentChangeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        segment = self.get_object()
        service.edit(segment, **given.validated_data, user=person(request), now=timezone.now())
        segment.refresh_from_db()
        return Response(self.get_serializer(segment).data)

    def delete(self, request: Request, key: str) -> Response:
        """Archive the segment: it keeps its history and has no members any more."""
        service.archive(self.get_object(), user=person(request), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class SegmentWhy(APIView):
    """Why one customer is in a segment or not, clause by clause."""

    scopes, permissions = READ.values()

    @extend_schema(responses=serializers.WhySerializer)
    def get(self, request: Request, key: str, customer_id: int) -> Response:
        """Each clause with what was found, whether it holds, and when time may change that."""
        segment = generics.get_object_or_404(Segment, key=key)
        generics.get_object_or_404(Customer, pk=customer_id)
        found = asdict(why.why(segment, customer_id, now=timezone.now()))
        return Response(serializers.WhySerializer(found).data)


class SegmentValidate(APIView):
    """Whether a rule can be read, without storing anything."""

    scopes = {"POST": "segments:read"}
    permissions = {"POST": "segments.view_segment"}

    @extend_schema(request=serializers.CheckSerializer, responses=serializers.CheckedSerializer)
    def post(self, request: Request) -> Response:
        """All faults at once, each with its path; a rule that is wrong is no error here."""
        given = serializers.CheckSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        found = as_code.judge(given.validated_data["rule"], key=given.validated_data.get("key", ""))
        return Response(serializers.CheckedSerializer(asdict(found)).data)


class SegmentPreview(APIView):
    """Who a rule would select now, without storing anything."""

    scopes = {"POST": "segments:read"}
    permissions = {"POST": "segments.view_segment"}

    @extend_schema(request=serializers.PreviewSerializer, responses={200: dict})
    def post(self, request: Request) -> Response:
        """At once from a sample, with the interval of the share; or counted exactly."""
        given = serializers.PreviewSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        rule = given.validated_data["rule"]
        if given.validated_data["mode"] == "estimate":
            return Response(asdict(preview.estimate(rule, now=timezone.now())))
        found = preview.exact(rule, now=timezone.now())
        # Names and addresses need the scope of customers, so the sample is left to the pages.
        answer = asdict(found) | {
            "sample": [person.id for person in found.sample],
            "overlaps": [one._asdict() for one in found.overlaps],
        }
        return Response(answer)


class Scores(generics.ListAPIView):
    """What the live models say about customers."""

    scopes = {"GET": "scores:read"}
    permissions = {"GET": "segments.view_score"}
    queryset = Score.objects.all()
    serializer_class = serializers.ScoreSerializer
    filterset_fields = ("name", "customer_id", "band")


class ModelRuns(generics.ListAPIView):
    """Trained models with their judgement, or a new training."""

    scopes = {"GET": "models:read", "POST": "models:write"}
    permissions = {"GET": "segments.view_modelrun", "POST": "segments.add_modelrun"}
    queryset = ModelRun.objects.all()
    serializer_class = serializers.ModelRunSerializer
    filterset_fields = ("kind", "state", "subject")

    @extend_schema(request=serializers.RetrainSerializer, responses={202: JobSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Start a training; the answer is the job that tells its progress."""
        given = serializers.RetrainSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        kinds = given.validated_data.get("kinds")
        with transaction.atomic():
            run = runs.create("retrain", "Retrain models", user=person(request))
            bells.enqueue(retrain, run.pk, kinds)
        return Response(JobSerializer(run).data, status=status.HTTP_202_ACCEPTED)


class ModelRunDetail(generics.RetrieveAPIView):
    """One trained model with its card."""

    scopes = {"GET": "models:read"}
    permissions = {"GET": "segments.view_modelrun"}
    queryset = ModelRun.objects.all()
    serializer_class = serializers.ModelRunSerializer
