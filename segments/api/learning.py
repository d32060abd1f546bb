"""Models in the API: their life, their approval, drift, scores, forecasts and the matrix."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.models import Customer
from rapport.api.auth import person
from rapport.api.idempotency import idempotent
from rapport.errors import DomainError
from segments import querysets
from segments.api import shapes
from segments.api.serializers import ModelRunSerializer, SegmentSerializer
from segments.models import (
    DriftCheck,
    ForecastPoint,
    LearntApproval,
    ModelRun,
    Score,
    ScoreChange,
    ScoreSummary,
)
from segments.rules import cells
from segments.services import approvals, exploring, promotion
from segments.services import segments as segment_service

READ = {"scopes": {"GET": "models:read"}, "permissions": {"GET": "segments.view_modelrun"}}
PROMOTE = {
    "scopes": {"POST": "models:promote"},
    "permissions": {"POST": "segments.promote_modelrun"},
}
CHANGES_SHOWN = 100


class NoSuchCell(DomainError):
    """Words that name no cell of the tables to explore."""

    code = "no_such_cell"


class ModelRunPromote(APIView):
    """Let a judged run serve."""

    scopes, permissions = PROMOTE.values()

    @extend_schema(request=None, responses=ModelRunSerializer)
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """The answer is the run: live, or refused with the reasons in its summary."""
        run = generics.get_object_or_404(ModelRun, pk=pk)
        after = promotion.promote(run, user=person(request), now=timezone.now())
        return Response(ModelRunSerializer(after).data)


class ModelRunRollBack(APIView):
    """Go back to the run that was live before."""

    scopes, permissions = PROMOTE.values()

    @extend_schema(request=shapes.RollBackSerializer, responses=ModelRunSerializer)
    @idempotent
    def post(self, request: Request) -> Response:
        """The answer is the run that serves again; everybody is scored anew."""
        given = shapes.RollBackSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        kind = given.validated_data["kind"]
        run = promotion.roll_back(kind, user=person(request), now=timezone.now())
        return Response(ModelRunSerializer(run).data)


class Approvals(generics.ListAPIView):
    """Kinds of models that campaigns may be addressed by, or one more."""

    scopes = {"GET": "models:read", **PROMOTE["scopes"]}
    permissions = {"GET": "segments.view_modelrun", **PROMOTE["permissions"]}
    queryset = LearntApproval.objects.select_related("approved_by")
    serializer_class = shapes.ApprovalSerializer
    filterset_fields = ("kind",)

    @extend_schema(request=shapes.ApproveSerializer, responses={201: shapes.ApprovalSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Approve a kind; where that was done before, the first word stands."""
        given = shapes.ApproveSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        row = approvals.approve(
            given.validated_data["kind"],
            user=person(request),
            now=timezone.now(),
            note=given.validated_data["note"],
        )
        return Response(self.get_serializer(row).data, status=status.HTTP_201_CREATED)


class Approval(APIView):
    """The approval of one kind of model."""

    scopes = {"DELETE": "models:promote"}
    permissions = {"DELETE": "segments.promote_modelrun"}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, kind: str) -> Response:
        """Take it back; campaigns that are under way go on."""
        approvals.withdraw(kind, user=person(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class DriftChecks(generics.ListAPIView):
    """Whether features, scores and quality have moved away, the newest look first."""

    scopes, permissions = READ.values()
    queryset = DriftCheck.objects.all()
    serializer_class = shapes.DriftCheckSerializer
    filterset_fields = ("run_id", "kind", "name", "is_alarm")


class ScoreSummaries(generics.ListAPIView):
    """How the scores of each name were spread, scoring by scoring."""

    scopes = {"GET": "scores:read"}
    permissions = {"GET": "segments.view_score"}
    queryset = ScoreSummary.objects.all()
    serializer_class = shapes.ScoreSummarySerializer
    filterset_fields = ("name", "run_id")


class CustomerScores(APIView):
    """What is expected of one customer, why, and how that changed."""

    scopes = {"GET": "scores:read"}
    permissions = {"GET": "segments.view_score"}

    @extend_schema(responses=shapes.CustomerScoresSerializer)
    def get(self, request: Request, customer_id: int) -> Response:
        generics.get_object_or_404(Customer, pk=customer_id, erased_at=None)
        found = Score.objects.filter(customer_id=customer_id).select_related("run").order_by("name")
        changes = ScoreChange.objects.filter(customer_id=customer_id)
        shown = {
            "scores": list(found),
            "changes": list(changes.order_by("-happened_at", "-id")[:CHANGES_SHOWN]),
        }
        return Response(shapes.CustomerScoresSerializer(shown).data)


class ForecastPoints(generics.ListAPIView):
    """What is expected of the next weeks; without ``run_id`` by the run that serves."""

    scopes, permissions = READ.values()
    serializer_class = shapes.ForecastPointSerializer
    filterset_fields = ("run_id", "subject_kind", "subject", "measure")
    queryset = ForecastPoint.objects.all()

    def get_queryset(self) -> QuerySet[ForecastPoint]:
        found = super().get_queryset()
        if "run_id" in self.request.query_params:
            return found
        return found.filter(run=promotion.serving(ModelRun.Kind.FORECAST))


class Matrix(APIView):
    """Customers by risk of leaving and expected value."""

    scopes = {"GET": "scores:read", "POST": "segments:write"}
    permissions = {"GET": "segments.view_score", "POST": "segments.add_segment"}

    @extend_schema(responses=shapes.MatrixSerializer)
    def get(self, request: Request) -> Response:
        """Each cell with its customers, what is expected of them, and its rule."""
        found = exploring.matrix(cells.RISK, cells.VALUE, shares=cells.SHARES)
        shown: dict[str, Any] = {"n": found.n, "as_of": found.as_of, "cuts": found.cuts}
        shown["cells"] = [_cell(one) for one in found.cells if one.band in cells.RISKS]
        return Response(shapes.MatrixSerializer(shown).data)

    @extend_schema(request=shapes.MakeSegmentSerializer, responses={201: SegmentSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a segment of a cell; where one in use has the same rule, that is the answer."""
        given = shapes.MakeSegmentSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            cell = cells.read(given.validated_data["cell"])
        except ValueError as error:
            raise NoSuchCell(str(error)) from None
        there = querysets.in_use().filter(rule=cell.rule).first()
        if there is not None:
            return Response(SegmentSerializer(there).data)
        made = segment_service.create(
            name=cell.name,
            description=cell.description,
            rule=cell.rule,
            user=person(request),
            now=timezone.now(),
        )
        return Response(SegmentSerializer(made).data, status=status.HTTP_201_CREATED)


def _cell(one: exploring.Cell) -> dict[str, Any]:
    words = cells.matrix_cell(one.band, one.share)
    cell = cells.read(words)
    return {
        "cell": words,
        "name": cell.name,
        "band": one.band,
        "share": one.share,
        "n": one.n,
        "expected": one.total,
        "rule": cell.rule,
    }
