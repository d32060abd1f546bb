"""Flows in the API: their steps, who is in them and why, and recipes to begin with."""

from dataclasses import asdict
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns.api.serializers import CampaignSerializer
from campaigns.flows.recipes import RECIPES
from campaigns.models import Campaign, CampaignRun, Journey
from campaigns.services.flows import changing, definitions, reading, recipes, rehearsal
from rapport.api.auth import person
from rapport.api.idempotency import idempotent

READ, WRITE, LAUNCH = "campaigns:read", "campaigns:write", "campaigns:launch"
VIEW = "campaigns.view_campaign"


class FlowDefinitionSerializer(serializers.Serializer):
    definition = serializers.JSONField(help_text="See docs/flows.md")
    note = serializers.CharField(required=False, allow_blank=True, max_length=300, default="")


class FlowChangeSerializer(FlowDefinitionSerializer):
    people_inside = serializers.ChoiceField(
        choices=(changing.STAY, changing.MOVE),
        default=changing.STAY,
        help_text="Whether those inside go on by the version they entered, or by the new one",
    )


class FlowSerializer(serializers.Serializer):
    """A flow's newest version."""

    version = serializers.IntegerField(allow_null=True, help_text="null: nothing was saved yet")
    definition = serializers.JSONField()
    note = serializers.CharField(allow_blank=True)


class FlowFaultSerializer(serializers.Serializer):
    path = serializers.CharField()
    reason = serializers.CharField()


class FlowFaultsSerializer(serializers.Serializer):
    faults = FlowFaultSerializer(many=True, help_text="Empty: it is sound")


class JourneySerializer(serializers.ModelSerializer):
    """One way of one customer through a flow."""

    version = serializers.IntegerField(source="version.number")

    class Meta:
        model = Journey
        fields = (
            "id",
            "campaign_id",
            "customer_id",
            "number",
            "version",
            "step",
            "state",
            "due_at",
            "waits_for",
            "cause",
            "caused_at",
            "data",
            "entered_at",
            "exited_at",
            "exit_reason",
        )


class RecipeSerializer(serializers.Serializer):
    key = serializers.CharField()
    title = serializers.CharField()
    sentence = serializers.CharField()
    objective = serializers.CharField()


class NewFromRecipeSerializer(serializers.Serializer):
    name = serializers.CharField(required=False, allow_blank=True, max_length=120, default="")


class RunSerializer(serializers.ModelSerializer):
    class Meta:
        model = CampaignRun
        fields = ("number", "tick_at", "happened_at", "planned", "left_out", "is_passed_over")


class _OfFlow(APIView):
    def campaign(self, pk: int) -> Campaign:
        return generics.get_object_or_404(Campaign, pk=pk)


class FlowDefinition(_OfFlow):
    """A flow's steps; those of a draft can be written."""

    scopes = {"GET": READ, "PUT": WRITE}
    permissions = {"GET": VIEW, "PUT": "campaigns.change_campaign"}

    @extend_schema(responses=FlowSerializer)
    def get(self, request: Request, pk: int) -> Response:
        return Response(_flow(self.campaign(pk)))

    @extend_schema(request=FlowDefinitionSerializer, responses=FlowSerializer)
    @idempotent
    def put(self, request: Request, pk: int) -> Response:
        given = FlowDefinitionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        campaign = self.campaign(pk)
        definitions.keep(campaign, **given.validated_data, user=person(request), now=timezone.now())
        return Response(_flow(campaign))


class FlowCheck(_OfFlow):
    """Everything wrong with a definition, without keeping it."""

    scopes = {"POST": READ}
    permissions = {"POST": VIEW}

    @extend_schema(request=FlowDefinitionSerializer, responses=FlowFaultsSerializer)
    def post(self, request: Request, pk: int) -> Response:
        self.campaign(pk)
        given = FlowDefinitionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        found = definitions.faults(given.validated_data["definition"])
        return Response({"faults": [{"path": one.path, "reason": one.reason} for one in found]})


class FlowConsequences(_OfFlow):
    """What a change of a running flow would do to how many people inside."""

    scopes = {"POST": READ}
    permissions = {"POST": VIEW}

    @extend_schema(request=FlowChangeSerializer, responses={200: dict})
    def post(self, request: Request, pk: int) -> Response:
        given = FlowChangeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        found = changing.consequences(
            self.campaign(pk),
            given.validated_data["definition"],
            people_inside=given.validated_data["people_inside"],
        )
        return Response(asdict(found))


class FlowChange(_OfFlow):
    """Change a running flow; the answer says what became of the people inside."""

    scopes = {"POST": LAUNCH}
    permissions = {"POST": "campaigns.launch_campaign"}

    @extend_schema(request=FlowChangeSerializer, responses={200: dict})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        given = FlowChangeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        found = changing.change(
            self.campaign(pk), **given.validated_data, user=person(request), now=timezone.now()
        )
        return Response(asdict(found))


class FlowSteps(_OfFlow):
    """How many people wait at each step and went on from it."""

    scopes = {"GET": READ}
    permissions = {"GET": VIEW}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, pk: int) -> Response:
        campaign = self.campaign(pk)
        return Response(
            {
                "steps": [asdict(one) for one in reading.steps_with_counts(campaign)],
                "totals": asdict(reading.totals(campaign)),
            }
        )


class FlowRehearsal(_OfFlow):
    """Had this run over the last days: who would have come in, and what they would have got."""

    scopes = {"GET": READ}
    permissions = {"GET": VIEW}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, pk: int) -> Response:
        days = request.query_params.get("days", "30")
        wanted = serializers.IntegerField(min_value=1, max_value=rehearsal.DAYS_MOST)
        found = rehearsal.rehearse(
            self.campaign(pk), days=wanted.run_validation(days), now=timezone.now()
        )
        return Response(asdict(found))


class Journeys(generics.ListAPIView):
    """Journeys through all flows, the newest first; of one flow or one customer where asked."""

    scopes = {"GET": READ}
    permissions = {"GET": "campaigns.view_journey"}
    serializer_class = JourneySerializer
    filterset_fields = ("campaign_id", "customer_id", "state", "step", "exit_reason")
    queryset = Journey.objects.select_related("version")


class FlowJourneys(Journeys):
    """Journeys through one flow, the newest first."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(campaign_id=self.kwargs.get("pk"))


class FlowWhy(_OfFlow):
    """Why a customer is in a flow, was in it, or never was, with what happened on each journey."""

    scopes = {"GET": READ}
    permissions = {"GET": "campaigns.view_journey"}

    @extend_schema(responses={200: dict})
    def get(self, request: Request, pk: int, customer_pk: int) -> Response:
        campaign = self.campaign(pk)
        found = reading.why(campaign, customer_pk, now=timezone.now())
        ids = [one["id"] for one in found.journeys]
        return Response({**asdict(found), "log": reading.logs(ids)})


class Recipes(APIView):
    """The flows that can be made from a recipe."""

    scopes = {"GET": READ}
    permissions = {"GET": VIEW}

    @extend_schema(responses=RecipeSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(RecipeSerializer(RECIPES.values(), many=True).data)


class RecipeNew(APIView):
    """A draft from a recipe, with its segment, words and offer."""

    scopes = {"POST": WRITE}
    permissions = {"POST": "campaigns.add_campaign"}

    @extend_schema(request=NewFromRecipeSerializer, responses={201: CampaignSerializer})
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        given = NewFromRecipeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        campaign = recipes.create(
            key, name=given.validated_data["name"], user=person(request), now=timezone.now()
        )
        return Response(CampaignSerializer(campaign).data, status=status.HTTP_201_CREATED)


class Runs(generics.ListAPIView):
    """The runs of a recurring campaign, the newest first."""

    scopes = {"GET": READ}
    permissions = {"GET": VIEW}
    serializer_class = RunSerializer
    queryset = CampaignRun.objects.all()

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(campaign_id=self.kwargs.get("pk"))


def _flow(campaign: Campaign) -> dict[str, Any]:
    version = definitions.current(campaign)
    return {
        "version": version.number if version else None,
        "definition": definitions.definition_of(campaign),
        "note": version.note if version else "",
    }
