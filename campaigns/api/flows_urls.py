"""API addresses. Flows: steps, triggers and journeys."""

from django.urls import URLPattern, path

from campaigns.api import flows

urlpatterns: list[URLPattern] = [
    path("flow-recipes/", flows.Recipes.as_view(), name="flow-recipes"),
    path("flow-recipes/<slug:key>/", flows.RecipeNew.as_view(), name="flow-recipe"),
    path("journeys/", flows.Journeys.as_view(), name="journeys"),
    path("campaigns/<int:pk>/flow/", flows.FlowDefinition.as_view(), name="flow"),
    path("campaigns/<int:pk>/flow/check/", flows.FlowCheck.as_view(), name="flow-check"),
    path(
        "campaigns/<int:pk>/flow/consequences/",
        flows.FlowConsequences.as_view(),
        name="flow-consequences",
    ),
    path("campaigns/<int:pk>/flow/change/", flows.FlowChange.as_view(), name="flow-change"),
    path("campaigns/<int:pk>/flow/steps/", flows.FlowSteps.as_view(), name="flow-steps"),
    path(
        "campaigns/<int:pk>/flow/rehearsal/", flows.FlowRehearsal.as_view(), name="flow-rehearsal"
    ),
    path("campaigns/<int:pk>/journeys/", flows.FlowJourneys.as_view(), name="flow-journeys"),
    path("campaigns/<int:pk>/why/<int:customer_pk>/", flows.FlowWhy.as_view(), name="flow-why"),
    path("campaigns/<int:pk>/runs/", flows.Runs.as_view(), name="campaign-runs"),
]
